/**
 * The one-time MAC of relay messages: Poly1305 (RFC 8439 §2.5) with a key of 32 bytes of KMA-key that is used for one
 * message alone, so that it is a Wegman-Carter code: who sees one message with its tag, and has any computer, gives
 * another message of at most L bytes the right tag with a probability of at most 8 ⌈L/16⌉ / 2¹⁰⁶ (Bernstein 2005,
 * theorem 3.3). For the longest message of a relay, of little more than 1 MiB, that is less than 2⁻⁸⁶. It runs in
 * WebAssembly, of which poly1305.wat is the text, and poly1305-code.ts the code. Pure.
 */
import { timingSafeEqual } from "node:crypto";
import { wasmRoom } from "../../base/wasm.ts";
import { poly1305Module } from "./poly1305-code.ts";

/** Bytes of KMA-key that a tag uses up, and bytes of a tag. */
export const macKeyBytes = 32;
export const macBytes = 16;

const { bytes: room, instantiate } = wasmRoom(2);
const { begin, blocks, finish } = instantiate(poly1305Module) as {
  readonly begin: (key: number) => void;
  /** @param top 2²⁴ for whole blocks of the text */
  readonly blocks: (from: number, end: number, top: bigint) => void;
  readonly finish: (to: number) => void;
};

/** In {@link room}: state of the code; the key, then the tag; a stretch of text. */
const keyAt = 0x80;
const textAt = 0x100;
const textRoom = 0x1_0000;
const block = 16;
const whole = 16_777_216n;

/**
 * @param key 32 bytes that no other message is authenticated with
 * @param parts of the text, one after the other
 * @returns 16 bytes
 */
export function oneTimeTag(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  room.set(key.subarray(0, macKeyBytes), keyAt);
  begin(keyAt);
  /** Bytes of text in the room. */
  let held = 0;
  let most = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const taken = Math.min(part.length - at, textRoom - held);
      room.set(part.subarray(at, at + taken), textAt + held);
      at += taken;
      held += taken;
      most = Math.max(most, held);
      if (held < textRoom) continue;
      blocks(textAt, textAt + held, whole);
      held = 0;
    }
  }
  const rest = held % block;
  blocks(textAt, textAt + held - rest, whole);
  if (rest > 0) {
    const last = textAt + held - rest;
    room[textAt + held] = 1;
    room.fill(0, textAt + held + 1, last + block);
    blocks(last, last + block, 0n);
  }
  finish(keyAt);
  const tag = Buffer.from(room.subarray(keyAt, keyAt + macBytes));
  // A text can be key.
  room.fill(0, 0, textAt + most + block);
  return tag;
}

/** In constant time. */
export function isTag(key: Uint8Array, tag: Uint8Array, ...parts: readonly Uint8Array[]): boolean {
  return tag.length === macBytes && timingSafeEqual(oneTimeTag(key, ...parts), tag);
}
