/** The keyed hash of the key manager. */
import { gmac } from "../../keys/gmac.ts";
import { oneTimeTag } from "../../relay/one-time-mac.ts";
import type { TagKey } from "../../store/port.ts";

/** A one-time MAC where the key has a text for it, else GMAC. @param parts one after the other */
export function tagOf(parts: Iterable<Uint8Array>, { key, nonce, text }: TagKey): Buffer {
  return text === undefined ? gmac(parts, key, nonce) : oneTimeTag(key, text, ...parts);
}
