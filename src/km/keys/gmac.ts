/** GMAC: the tag of AES-GCM over data that is only authenticated (NIST SP 800-38D). Pure. */
import { createCipheriv, createSecretKey, type KeyObject } from "node:crypto";

/** A key is made ready once: to make it so for each hash takes longer than the hash. */
const ready = new WeakMap<Uint8Array, KeyObject>();

/** @param parts one after the other @param key 16 or 32 bytes @param nonce 12 bytes, of one hash alone under this key */
export function gmac(parts: Iterable<Uint8Array>, key: Uint8Array, nonce: Uint8Array): Buffer {
  let object = ready.get(key);
  if (object === undefined) {
    object = createSecretKey(key);
    ready.set(key, object);
  }
  const cipher = createCipheriv(key.length === 16 ? "aes-128-gcm" : "aes-256-gcm", object, nonce);
  for (const part of parts) cipher.setAAD(part);
  cipher.final();
  return cipher.getAuthTag();
}
