/** Bytes of ranges of extents, one after the other. */
import { keyMemory, wipeMemory } from "../../../port/key.ts";
import type { Range } from "../../../wire/kx/messages.ts";
import type { Volumes } from "./volumes.ts";

/** @returns memory that the caller wipes; undefined if one of them is not there, or is damaged */
export async function readRanges(
  volumes: Volumes,
  link: string,
  ranges: readonly Range[],
): Promise<Buffer | undefined> {
  const length = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const whole = keyMemory(length);
  let at = 0;
  for (const { extent, start, end } of ranges) {
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
