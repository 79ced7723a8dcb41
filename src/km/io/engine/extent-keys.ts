/** Headers of extents: what opens each, and which of a volume do not open. */
import type { KeyObject } from "node:crypto";
import type { OpenFile } from "../../../host/disk/files.ts";
import { keyAt, magic } from "./clean-volume.ts";
import type { Keyring } from "./keyring.ts";
import { aboutExtent, headerLength, type Place } from "./place.ts";
import { readAt } from "./read-at.ts";
import { wrappedLength } from "./sealing.ts";
import { type Unreadable, unlessUnreadable } from "./unreadable.ts";

/** Headers that lie as close as this are read together, bytes. */
const pieceBytes = 65_536;

/** @returns the wrapped key of an extent; undefined if there is none */
function wrappedIn(header: Buffer): Buffer | undefined {
  const isOne = header.length === headerLength && header.subarray(0, magic.length).equals(magic);
  return isOne ? header.subarray(keyAt, keyAt + wrappedLength) : undefined;
}

function aboutPlace({ link, number, length }: Place): Buffer {
  return aboutExtent(link, number, length);
}

/** What opens an extent, which is kept with its place. @returns undefined if nothing does @throws a system error */
export async function keyOf(
  file: OpenFile,
  place: Place,
  keyring: Keyring,
): Promise<KeyObject | undefined> {
  const wrapped = wrappedIn(await readAt(file, place.offset, headerLength));
  const found = wrapped && keyring.unwrap(wrapped, aboutPlace(place));
  if (found !== undefined) Object.assign(place, found);
  return found?.key;
}

/**
 * Looks whether the headers of all extents of a volume open, and by which of the store's keys.
 * @param unreadable "damaged": one that the disk does not give is left as it is
 * @returns those that do not open @throws a system error
 */
export async function unopened(
  file: OpenFile,
  places: Iterable<Place>,
  keyring: Keyring,
  unreadable: Unreadable,
): Promise<Place[]> {
  const all = [...places].sort((a, b) => a.offset - b.offset);
  const bad: Place[] = [];
  const look = (place: Place, header: Buffer) => {
    const wrapped = wrappedIn(header);
    const by = wrapped && keyring.opener(wrapped, aboutPlace(place));
    if (by === undefined) bad.push(place);
    else place.by = by;
  };
  for (let i = 0; i < all.length; ) {
    const from = (all[i] as Place).offset;
    const some: Place[] = [];
    for (; i < all.length && endOf(all[i] as Place) - from <= pieceBytes; i++) {
      some.push(all[i] as Place);
    }
    const length = endOf(some.at(-1) as Place) - from;
    const piece = await unlessUnreadable("damaged", () => readAt(file, from, length));
    for (const place of some) {
      const at = place.offset - from;
      const header =
        piece?.subarray(at, at + headerLength) ??
        (await unlessUnreadable(unreadable, () => readAt(file, place.offset, headerLength)));
      if (header !== undefined) look(place, header);
    }
  }
  return bad;
}

/** Where the header of an extent ends. */
function endOf({ offset }: Place): number {
  return offset + headerLength;
}
