/** The keyed hash of the key manager. */
import { createCipheriv } from "node:crypto";
import type { TagKey } from "../../store/port.ts";

/** GMAC: the tag of AES-GCM over data that is only authenticated (NIST SP 800-38D). */
export function gmac(parts: Iterable<Uint8Array>, { key, nonce }: TagKey): Buffer {
  const cipher = createCipheriv(key.length === 16 ? "aes-128-gcm" : "aes-256-gcm", key, nonce);
  for (const part of parts) cipher.setAAD(part);
  cipher.final();
  return cipher.getAuthTag();
}
