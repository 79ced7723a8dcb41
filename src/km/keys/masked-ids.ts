/**
 * QKD-key IDs as the tables of this room have them: enciphered by a key of the store (AES-128, one block
 * each). It is a keyed digest that costs little where many come at once, it keeps IDs apart as they were, and
 * what a peer can choose in an ID says nothing about where it is put.
 */
import { type Cipheriv, createCipheriv, type KeyObject } from "node:crypto";

export const idBytes = 16;
/** 32-bit words of a masked ID. */
export const idWords = 4;

export class IdMask {
  readonly #cipher: Cipheriv;

  /** @param key 16 bytes, the same for as long as what is remembered is to be found */
  constructor(key: KeyObject | Uint8Array) {
    this.#cipher = createCipheriv("aes-128-ecb", key, null);
    this.#cipher.setAutoPadding(false);
  }

  /** Tells this key from others, 8 bytes: what was masked by another cannot be found again. */
  get check(): Buffer {
    const words = this.of(new Uint8Array(idBytes).fill(0xff));
    return Buffer.from(words.buffer, 0, 8);
  }

  /** @param ids 16 bytes each, one after the other @returns four words of each */
  of(ids: Uint8Array): Uint32Array {
    const words = new Uint32Array(ids.length / 4);
    if (ids.length > 0) new Uint8Array(words.buffer).set(this.#cipher.update(ids));
    return words;
  }
}
