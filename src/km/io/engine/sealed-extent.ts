/** An extent as it stands in a volume: its wrapped key, then its bytes in stretches that are sealed one by one. */
import { createSecretKey } from "node:crypto";
import { keyAt, lengthAt, magic } from "./clean-volume.ts";
import type { Keyring } from "./keyring.ts";
import {
  aboutExtent,
  headerLength,
  type NewBytes,
  type Place,
  stretch,
  tagLength,
} from "./place.ts";
import type { Scratch } from "./scratch.ts";
import { seal } from "./sealing.ts";
import type { Volume } from "./volume.ts";

/** @param to gets all of it @returns where it will be: at the end of the volume */
export function sealExtent(
  { link, number, bytes, holes = [] }: NewBytes,
  volume: Volume,
  { keyring, random }: { readonly keyring: Keyring; readonly random: (length: number) => Buffer },
  to: Scratch,
): Place {
  const { length } = bytes;
  const raw = random(32);
  const header = Buffer.alloc(headerLength);
  magic.copy(header);
  header.writeUInt32BE(length, lengthAt);
  const about = aboutExtent(link, number, length);
  keyring.wrap(raw, about).copy(header, keyAt);
  const key = createSecretKey(raw);
  raw.fill(0);
  to.add(header);
  for (let at = 0, i = 0; at < length; at += stretch, i++) {
    const plain = bytes.subarray(at, at + stretch);
    // Zeros open as nothing: who asks for bytes in there finds them damaged.
    if (holes.includes(i)) to.add(Buffer.alloc(plain.length + tagLength));
    else to.add(seal(key, i, [plain], about, to));
  }
  const by = keyring.current.id;
  return { link, number, volume: volume.number, offset: volume.size, length, key, by };
}
