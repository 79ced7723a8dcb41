/** The keyed hash of the key manager. */
import { createCipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { oneTimeTag } from "../../relay/one-time-mac.ts";
import type { TagKey } from "../../store/port.ts";

/** A key is made ready once: to make it so for each hash takes longer than the hash. */
const ready = new WeakMap<Uint8Array, KeyObject>();

/** GMAC: the tag of AES-GCM over data that is only authenticated (NIST SP 800-38D). */
export function gmac(parts: Iterable<Uint8Array>, { key, nonce, text }: TagKey): Buffer {
  if (text !== undefined) return oneTimeTag(key, text, ...parts);
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
