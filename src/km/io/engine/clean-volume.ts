/** What a volume has between the extents of the books: left, or never finished, before power failed. */
import { type OpenFile, writeAll } from "../../../host/disk/files.ts";
import { headerLength, type Place, sealedLength } from "./place.ts";
import { readAt } from "./read-at.ts";
import { wrappedLength } from "./sealing.ts";

/** How an extent begins. */
export const magic = Buffer.from("qkd-km extent 1\n", "latin1");
/** Its wrapped key. */
export const keyAt = 32;
/** Bytes of key of the extent that begins here, uint32. */
export const lengthAt = 96;
export const zeros = Buffer.alloc(65_536);

/** Overwrites the keys of what is in a volume and in no book. */
export async function cleanVolume({
  file,
  size,
  places,
}: {
  readonly file: OpenFile;
  readonly size: number;
  readonly places: Iterable<Place>;
}): Promise<void> {
  const living = [...places].sort((a, b) => a.offset - b.offset);
  const dead: { at: number; length: number }[] = [];
  let at = 0;
  for (const place of [...living, undefined]) {
    const until = place?.offset ?? size;
    while (at < until) {
      const header = await readAt(file, at, Math.min(headerLength, until - at));
      const whole = header.length === headerLength && header.subarray(0, 16).equals(magic);
      const next = whole ? at + sealedLength(header.readUInt32BE(lengthAt)) : until + 1;
      if (next > until) {
        dead.push({ at, length: until - at });
        break;
      }
      if (header.subarray(keyAt, keyAt + wrappedLength).some((byte) => byte !== 0)) {
        dead.push({ at: at + keyAt, length: wrappedLength });
      }
      at = next;
    }
    if (place !== undefined) at = place.offset + sealedLength(place.length);
  }
  if (dead.length === 0) return;
  for (const { at, length } of dead) {
    // What was torn begins anywhere: its headers may be further on.
    for (let from = 0; from < length; from += zeros.length) {
      await writeAll(file, zeros.subarray(0, Math.min(zeros.length, length - from)), at + from);
    }
  }
  await file.datasync();
}
