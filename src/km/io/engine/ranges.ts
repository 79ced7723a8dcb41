/** Bytes of ranges of extents, one after the other. */
import { keyMemory, wipeMemory } from "../../../port/key.ts";
import type { Range } from "../../../wire/kx/messages.ts";
import { bytesOf, joinRanges } from "../../store/ranges.ts";
import type { Place } from "./place.ts";
import { unlessUnreadable } from "./unreadable.ts";
import type { Volumes } from "./volumes.ts";

/**
 * What the disk does not give of an extent is lost as what does not open is: the others may be whole.
 * @returns memory that the caller wipes; undefined if one of them is not there, or is damaged
 */
export async function readRanges(
  volumes: Volumes,
  link: string,
  ranges: readonly Range[],
): Promise<Buffer | undefined> {
  // A read that waited before this one may have opened the same stretch.
  const again = readRangesAgain(volumes, link, ranges);
  if (again !== undefined) return again;
  const joined = joinRanges(ranges);
  const whole = keyMemory(bytesOf(joined));
  let at = 0;
  for (const { extent, start, end } of joined) {
    const place = placeOf(volumes, link, { extent, start, end });
    const target = whole.subarray(at, at + end - start);
    const read = async () => place && (await volumes.readInto(target, place, start, end));
    if ((await unlessUnreadable("damaged", read)) !== true) {
      wipeMemory(whole);
      return undefined;
    }
    at += target.length;
  }
  return whole;
}

/** The same of what was opened a moment ago; undefined if not all of it was. */
export function readRangesAgain(
  volumes: Volumes,
  link: string,
  ranges: readonly Range[],
): Buffer | undefined {
  const joined = joinRanges(ranges);
  const places: Place[] = [];
  // Memory is had only when all of it is there: to have it for nothing would cost as much as to fill it.
  for (const range of joined) {
    const place = placeOf(volumes, link, range);
    if (place === undefined || !volumes.isOpen(place, range.start, range.end)) return undefined;
    places.push(place);
  }
  const whole = keyMemory(bytesOf(joined));
  let at = 0;
  for (const [i, { start, end }] of joined.entries()) {
    const target = whole.subarray(at, at + end - start);
    volumes.readAgain(places[i] as Place, start, end, target);
    at += target.length;
  }
  return whole;
}

/** Where an extent is, if it is as long. */
function placeOf(volumes: Volumes, link: string, { extent, end }: Range): Place | undefined {
  const place = volumes.place(link, extent);
  return place && end <= place.length ? place : undefined;
}
