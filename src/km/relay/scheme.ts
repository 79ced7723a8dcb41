/** What each scheme of relay sends in each step, under how many bytes of pad (Y.3803 §8.2.3, §9). Pure. */
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import { keyMemory } from "../../port/key.ts";
import type { Relay, RelayScheme, RelayStep } from "../../wire/kx/relay-messages.ts";
import { macKeyBytes } from "./one-time-mac.ts";

const aesKeyBytes = 32;
const gcmTagBytes = 16;
/** A key of AES encrypts one message alone. */
const gcmNonce = Buffer.alloc(12);

/** In schemes of Figures 7 and 8 the key of the first hop is the relayed key, and no transit KM sees it. */
export function isXored(scheme: RelayScheme): boolean {
  return scheme === "destination" || scheme === "centralized";
}

/** Security of a relayed key: `otp` if each hop had a one-time pad. */
export type RelayClass = "otp" | "aes";

export function classOf(scheme: RelayScheme): RelayClass {
  return scheme === "aes" ? "aes" : "otp";
}

/** Bytes of KMA-key that one message uses up: for its body, and for its tag. */
export function padBytes(scheme: RelayScheme, step: RelayStep, length: number): number {
  if (step !== "hop") return macKeyBytes;
  return (scheme === "aes" ? aesKeyBytes : length) + macKeyBytes;
}

/** Bytes of KMA-key over all links of a route. @param kms of the route, with both its ends */
export function costBytes(scheme: RelayScheme, kms: number, length: number): number {
  const hops = (kms - 1) * padBytes(scheme, "hop", length);
  if (!isXored(scheme)) return hops;
  const messages = kms - 2 + (scheme === "centralized" ? 1 : 0);
  return hops + messages * macKeyBytes;
}

/** The first part of a pad, that the body is under; and the last, that the tag is. */
export function bodyKey(pad: Buffer): Buffer {
  return pad.subarray(0, pad.length - macKeyBytes);
}

export function tagKey(pad: Buffer): Buffer {
  return pad.subarray(pad.length - macKeyBytes);
}

/** @returns memory that the caller wipes */
export function copyOf(bytes: Uint8Array): Buffer {
  const copy = keyMemory(bytes.length);
  copy.set(bytes);
  return copy;
}

/**
 * @param result gets it, and may be one of both; default: memory of its own
 * @returns memory that the caller wipes
 */
export function xor(
  a: Uint8Array,
  b: Uint8Array,
  result: Buffer = keyMemory(Math.min(a.length, b.length)),
): Buffer {
  const length = Math.min(a.length, b.length);
  const words = length >>> 2;
  if (((a.byteOffset | b.byteOffset | result.byteOffset) & 3) === 0) {
    const [x, y, z] = [a, b, result].map(
      (one) => new Uint32Array(one.buffer, one.byteOffset, words),
    );
    if (x !== undefined && y !== undefined && z !== undefined) {
      for (let i = 0; i < words; i++) z[i] = (x[i] as number) ^ (y[i] as number);
    }
  } else {
    for (let i = 0; i < words * 4; i++) result[i] = (a[i] as number) ^ (b[i] as number);
  }
  for (let i = words * 4; i < length; i++) result[i] = (a[i] as number) ^ (b[i] as number);
  return result;
}

/**
 * Body of a hop that carries the key, under the first part of its pad.
 * @param into the key's own memory, where it is not needed any more: perhaps the body is in it then
 */
export function sealHop(scheme: RelayScheme, key: Buffer, pad: Buffer, into?: Buffer): Buffer {
  if (scheme !== "aes") return xor(key, bodyKey(pad), into);
  const secret = createSecretKey(bodyKey(pad));
  const cipher = createCipheriv("aes-256-gcm", secret, gcmNonce);
  return Buffer.concat([cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

/**
 * @param body has the key in it from then on, but for `aes`
 * @returns the key; undefined if it is not what was sealed
 */
export function openHop(scheme: RelayScheme, body: Buffer, pad: Buffer): Buffer | undefined {
  if (scheme !== "aes") return xor(body, bodyKey(pad), body);
  const secret = createSecretKey(bodyKey(pad));
  const decipher = createDecipheriv("aes-256-gcm", secret, gcmNonce, {
    authTagLength: gcmTagBytes,
  });
  decipher.setAuthTag(body.subarray(body.length - gcmTagBytes));
  const key = decipher.update(body.subarray(0, body.length - gcmTagBytes));
  try {
    decipher.final();
    return key;
  } catch {
    key.fill(0);
    return undefined;
  }
}

/** The hop's key is the relayed key, or goes into an XOR: nothing of it is sent. */
export function isBare({ scheme, at }: Pick<Relay, "scheme" | "at">): boolean {
  return isXored(scheme) || (scheme === "case-1" && at === 0);
}

function bodyLength({ scheme, step, at, length }: Relay): number {
  if (step !== "hop") return length;
  if (isBare({ scheme, at })) return 0;
  return scheme === "aes" ? length + gcmTagBytes : length;
}

/** Whether a message is one of its scheme, from this KM to that. */
export function fits(message: Relay, from: string, to: string): boolean {
  const { scheme, step, path, collector, at, body } = message;
  if (path.length < 3 || new Set(path).size < path.length) return false;
  if ((collector !== undefined) !== (scheme === "centralized")) return false;
  if (collector !== undefined && path.includes(collector)) return false;
  if (body.length !== bodyLength(message)) return false;
  if (step === "hop") return path[at] === from && path[at + 1] === to;
  if (!isXored(scheme)) return false;
  const isTransit = at > 0 && at < path.length - 1;
  if (step === "xor") {
    return isTransit && path[at] === from && to === (collector ?? path.at(-1));
  }
  return collector === from && at === 0 && to === path.at(-1);
}
