/**
 * Keys that seal keys. The master key is not on the disk; it wraps the store's own keys in the file `store`, and
 * one of those wraps the key of each segment and extent. What is sealed can be made unreadable by overwriting
 * 60 bytes.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { Fault } from "../../../base/errors.ts";
import { wipeMemory } from "../../../port/key.ts";
import type { Scratch } from "./scratch.ts";

/** Bytes of a wrapped key: nonce, ciphertext, tag. */
export const wrappedLength = 12 + 32 + 16;

/** A key that wraps others. */
export class WrappingKey {
  readonly id: number;
  readonly #key: KeyObject;

  /** @param bytes 32 bytes, which the caller wipes */
  constructor(id: number, bytes: Uint8Array) {
    this.id = id;
    this.#key = createSecretKey(bytes);
  }

  /** @param about what the wrapped key is of: it unwraps for nothing else */
  wrap(bytes: Uint8Array, nonce: Buffer, about: Buffer): Buffer {
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    cipher.setAAD(about);
    const sealed = Buffer.concat([nonce, cipher.update(bytes), cipher.final()]);
    return Buffer.concat([sealed, cipher.getAuthTag()]);
  }

  /** @returns undefined if this is not the key that wrapped it */
  unwrap(wrapped: Buffer, about: Buffer): Buffer | undefined {
    const decipher = createDecipheriv("aes-256-gcm", this.#key, wrapped.subarray(0, 12));
    decipher.setAAD(about);
    decipher.setAuthTag(wrapped.subarray(44, 60));
    const bytes = decipher.update(wrapped.subarray(12, 44));
    try {
      decipher.final();
      return bytes;
    } catch {
      bytes.fill(0);
      return undefined;
    }
  }
}

/** The key that the master key becomes: a master key of any length is used for nothing else. */
export function masterWrappingKey(masterKey: Uint8Array): WrappingKey {
  if (masterKey.length < 32) {
    throw new Fault("km_store.key", "the master key is too short", {
      bytes: masterKey.length,
      least: 32,
    });
  }
  const bytes = Buffer.from(hkdfSync("sha256", masterKey, "", "qkd-km store keys v1", 32));
  try {
    return new WrappingKey(0, bytes);
  } finally {
    bytes.fill(0);
  }
}

/** Sealed in one call: of longer pieces the allocator has the memory from the kernel each time, and gives it back. */
const pieceBytes = 16_384;

/**
 * Seals one thing of many under a key of their own: the number is used once.
 * @param to gets what is sealed, piece by piece @returns its tag
 */
export function seal(
  key: KeyObject,
  number: number,
  parts: readonly Uint8Array[],
  about: Uint8Array,
  to: Scratch,
): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonceOf(number));
  cipher.setAAD(about);
  for (const part of parts) {
    for (let at = 0; at < part.length; at += pieceBytes) {
      to.add(cipher.update(part.subarray(at, at + pieceBytes)));
    }
  }
  cipher.final();
  return cipher.getAuthTag();
}

/** Opens into memory of the caller's. @returns false if it is damaged, or of another key or place */
export function open(
  key: KeyObject,
  number: number,
  sealed: Uint8Array,
  tag: Uint8Array,
  about: Uint8Array,
  target: Uint8Array,
): boolean {
  const decipher = createDecipheriv("aes-256-gcm", key, nonceOf(number));
  decipher.setAAD(about);
  decipher.setAuthTag(tag);
  const opened = decipher.update(sealed);
  try {
    decipher.final();
    target.set(opened);
    return true;
  } catch {
    return false;
  } finally {
    wipeMemory(opened);
  }
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}
