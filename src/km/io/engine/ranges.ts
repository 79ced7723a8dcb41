/** Bytes of ranges of extents, one after the other. */
import { keyMemory, wipeMemory } from "../../../port/key.ts";
import type { Range } from "../../../wire/kx/messages.ts";
import { bytesOf, joinRanges } from "../../store/ranges.ts";
import type { Volumes } from "./volumes.ts";

/** @returns memory that the caller wipes; undefined if one of them is not there, or is damaged */
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
    const place = volumes.place(link, extent);
    const part = place && end <= place.length ? await volumes.read(place, start, end) : undefined;
    if (part === undefined) {
      wipeMemory(whole);
      return undefined;
    }
    whole.set(part, at);
    at += part.length;
    wipeMemory(part);
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
  const [only] = joined;
  if (only !== undefined && joined.length === 1) return again(volumes, link, only);
  const whole = keyMemory(bytesOf(joined));
  let at = 0;
  for (const range of joined) {
    const part = again(volumes, link, range);
    if (part === undefined) {
      wipeMemory(whole);
      return undefined;
    }
    whole.set(part, at);
    at += part.length;
    wipeMemory(part);
  }
  return whole;
}

function again(volumes: Volumes, link: string, { extent, start, end }: Range): Buffer | undefined {
  const place = volumes.place(link, extent);
  return place && end <= place.length ? volumes.readAgain(place, start, end) : undefined;
}
