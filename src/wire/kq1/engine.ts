/**
 * Loops over bytes that JavaScript is slow at, on the processor's vectors: WebAssembly, of which
 * base64.wat, unbase64.wat and sha256.wat are the text, and engine-code.ts the code. They work in one memory of fixed
 * size, outside of the JavaScript heap. What is put there is the caller's to wipe, before it returns to the
 * event loop.
 */
import { wasmRoom } from "../../base/wasm.ts";
import { base64Module, sha256Module, unbase64Module } from "./engine-code.ts";

const { bytes, instantiate } = wasmRoom(68);

/** The memory that the routines work in. */
export const scratch = bytes;

/**
 * Where in {@link scratch} things go: messages of short keys, behind what the routines have there; key
 * IDs; short keys that came; a source of up to 64 KiB; what is made of it.
 */
export const place = {
  small: 0x400,
  ids: 0x8000,
  arrived: 0xc000,
  source: 0x1_0000,
  result: 0x2_0000,
} as const;

/** Where the rest begins, which `place` divides among the modules that use it. */
let free = 0x4_0000;

/** A part of {@link scratch} for good, or undefined once all is given away. @param length bytes */
export function scratchPiece(length: number): Buffer | undefined {
  if (free + length > scratch.length) return undefined;
  free += length;
  return scratch.subarray(free - length, free);
}

/** The routines; all offsets are into {@link scratch}. */
export const engine = {
  ...instantiate(base64Module),
  ...instantiate(unbase64Module),
  ...instantiate(sha256Module),
} as {
  /** Writes the base64 of `[from, end)` at `to`, in whole vectors: up to 15 bytes more of both. */
  readonly base64: (from: number, to: number, end: number) => void;
  /**
   * Reads the base64 of `[from, end)`, whole vectors of 16 characters, to `to`: up to 4 bytes more. Ors 16 bytes
   * at `wrong`, which are not 0 then if a character was none of base64.
   */
  readonly unbase64: (from: number, to: number, end: number, wrong: number) => void;
  /**
   * Writes 64 hex digits at `to`: the hash of a message that its caller padded to whole blocks. Kept for
   * what it buys at 32 B: ID and message of a key take 1.03 µs, with node:crypto a quarter more (bench
   * `sha-256 32 B`, Node.js 24, EPYC with SHA instructions); of the node's path 3.2 instead of 3.9 µs.
   */
  readonly sha256: (from: number, end: number, to: number) => void;
  /** Overwrites `[from, end)` with zeros, in whole vectors: up to 15 bytes more. */
  readonly wipe: (from: number, end: number) => void;
};
