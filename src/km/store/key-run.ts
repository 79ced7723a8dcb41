/**
 * Keys that were asked for together and are alike: their IDs differ in the last two bytes alone, which count up (after
 * FFFF comes 0), and their bytes lie one after the other. One entry tells of all of them until they part. Pure.
 */
import { assert } from "../../base/assert.ts";
import type { Range } from "../../wire/kx/messages.ts";
import { bytesOf } from "./ranges.ts";
import type { Together, Use } from "./shapes.ts";

/** Hexadecimal digits of an ID that all of a run share. */
const stemLength = 28;
/** The rest counts from here to 0 again. */
const idsOfStem = 0x1_0000;

/** As much of an entry as names its keys. */
export interface KeyRun {
  /** Of the first key, 16 bytes as 32 hexadecimal digits. */
  readonly id: string;
  readonly count: number;
}

export function stemOf(id: string): string {
  return id.slice(0, stemLength);
}

function suffixOf(id: string): number {
  return Number.parseInt(id.slice(stemLength), 16);
}

/** How far an ID is behind another of its stem. */
export function stepsFrom(first: string, id: string): number {
  return (suffixOf(id) - suffixOf(first) + idsOfStem) % idsOfStem;
}

/** IDs of all keys, in their order. */
export function idsOf(runs: readonly KeyRun[]): string[] {
  const ids: string[] = [];
  for (const { id, count } of runs) {
    ids.push(id);
    if (count === 1) continue;
    const stem = stemOf(id);
    const first = suffixOf(id);
    for (let i = 1; i < count; i++) ids.push(stem + digits((first + i) % idsOfStem));
  }
  return ids;
}

function digits(suffix: number): string {
  return (suffix + idsOfStem).toString(16).slice(1);
}

/** How many keys there are. */
export function countOf(runs: readonly Pick<KeyRun, "count">[]): number {
  let keys = 0;
  for (const { count } of runs) keys += count;
  return keys;
}

/** Bytes of each key of an entry. */
export function lengthOf({ ranges, count }: Pick<Use, "ranges" | "count">): number {
  return bytesOf(ranges) / count;
}

/** Cuts ranges into keys of so many bytes: one after the other. */
export function* cutKeys<T extends Range>(ranges: readonly T[], length: number): Generator<T[]> {
  assert(Number.isSafeInteger(length) && length > 0, "a key has whole bytes");
  let key: T[] | undefined;
  let wanted = length;
  for (const range of ranges) {
    for (let { start } = range; start < range.end; ) {
      const end = Math.min(range.end, start + wanted);
      const piece = start === range.start && end === range.end ? range : { ...range, start, end };
      // What is pushed to an empty array makes room for seventeen, and nearly all keys are in one piece.
      if (key === undefined) key = [piece];
      else key.push(piece);
      wanted -= end - start;
      start = end;
      if (wanted > 0) continue;
      yield key;
      key = undefined;
      wanted = length;
    }
  }
}

/** The first so many bytes, and the others. */
export function cutBytes<T extends Range>(ranges: readonly T[], bytes: number): [T[], T[]] {
  const first: T[] = [];
  const others: T[] = [];
  let left = bytes;
  for (const range of ranges) {
    const at = Math.min(range.end, range.start + left);
    if (at > range.start) first.push(at === range.end ? range : { ...range, end: at });
    if (at < range.end) others.push(at === range.start ? range : { ...range, start: at });
    left -= at - range.start;
  }
  return [first, others];
}

/** What the keys of an entry have in common. */
export function togetherOf(entry: Pick<Use, "id" | "count" | "pickUp" | "run">): Together {
  const { id, count, pickUp } = entry;
  entry.run ??= { id, count, pickUp };
  return entry.run;
}

/** The ID and the ranges of each key of an entry. */
export function cutRun<T extends Range>(
  entry: KeyRun & { readonly ranges: readonly T[] },
): { readonly id: string; readonly count: 1; readonly ranges: readonly T[] }[] {
  const cut = [...cutKeys(entry.ranges, lengthOf(entry))];
  return idsOf([entry]).map((id, i) => ({ id, count: 1, ranges: cut[i] ?? [] }));
}

/** Each key of an entry as an entry of its own, all as it is now. @returns itself if it has one key */
export function single(use: Use): readonly Use[] {
  if (use.count === 1) return [use];
  const run = togetherOf(use);
  return cutRun(use).map((key): Use => ({ ...use, ...key, run, since: undefined }));
}

/** The same of several: those that there are, where each has one key. */
export function singles(uses: readonly Use[]): readonly Use[] {
  return uses.some(({ count }) => count > 1) ? uses.flatMap(single) : uses;
}

/** The entries of now of what was one entry: it may have parted since. */
export function nowOf(uses: readonly Use[]): readonly Use[] {
  return uses.some(({ parts }) => parts !== undefined)
    ? uses.flatMap((use) => use.parts ?? use)
    : uses;
}
