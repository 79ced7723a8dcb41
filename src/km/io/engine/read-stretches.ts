/** Reads and opens those stretches of an extent in which some of its bytes are. */
import type { KeyObject } from "node:crypto";
import type { OpenFile } from "../../../host/disk/files.ts";
import { keyMemory, wipeMemory } from "../../../port/key.ts";
import { aboutExtent, headerLength, type Place, stretch, tagLength } from "./place.ts";
import { withRead } from "./read-at.ts";
import { open } from "./sealing.ts";

/** Bytes `[start, end)` of an extent that are wanted. */
export interface PartOfExtent {
  readonly key: KeyObject;
  readonly place: Place;
  readonly start: number;
  readonly end: number;
  readonly target: Buffer;
}

/** How many stretches there are to be read. */
export function stretchesOf(start: number, end: number): number {
  return Math.ceil(end / stretch) - Math.floor(start / stretch);
}

/**
 * @param opened gets each stretch, whole, which it copies
 * @returns false if one does not open: then there may be some of it in the target @throws a system error
 */
export async function readStretches(
  file: OpenFile,
  { key, place, start, end, target }: PartOfExtent,
  opened: (number: number, plain: Buffer) => void,
): Promise<boolean> {
  const about = aboutExtent(place.link, place.number, place.length);
  const first = Math.floor(start / stretch);
  const last = first + stretchesOf(start, end);
  const from = place.offset + headerLength + first * (stretch + tagLength);
  const length = Math.min(last * stretch, place.length) - first * stretch;
  const plain = keyMemory(stretch);
  const openAll = (sealed: Buffer): boolean => {
    let at = 0;
    for (let i = first; i < last; i++) {
      const size = Math.min(stretch, place.length - i * stretch);
      const tag = sealed.subarray(at + size, at + size + tagLength);
      const begin = Math.max(start, i * stretch);
      const stop = Math.min(end, i * stretch + size);
      const isWhole = stop - begin === size;
      const whole = (isWhole ? target.subarray(begin - start) : plain).subarray(0, size);
      const body = sealed.subarray(at, at + size);
      if (tag.length < tagLength || !open(key, i, body, tag, about, whole)) return false;
      if (!isWhole) whole.copy(target, begin - start, begin - i * stretch, stop - i * stretch);
      opened(i, whole);
      at += size + tagLength;
    }
    return true;
  };
  try {
    return await withRead(file, from, length + (last - first) * tagLength, openAll);
  } finally {
    wipeMemory(plain);
  }
}
