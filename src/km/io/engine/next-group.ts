/** Finds groups in a segment, also behind what is damaged. */
import type { KeyObject } from "node:crypto";
import type { OpenFile } from "../../../host/disk/files.ts";
import { freeMemory } from "../../../port/key.ts";
import { type Group, groupHeader, groupLength, groupMagic, lengthOf, openGroup } from "./group.ts";
import { readAt } from "./read-at.ts";

/** Places that look like a group are tried so often; by chance one in 4 GB does, the others are damaged groups. */
const mostTries = 65_536;
/** Nor are more bytes opened in vain, whatever lengths a damaged disk shows. */
const mostBytes = 67_108_864;

/** @param size of the segment, bytes @returns the group that begins there; undefined if none does that opens @throws a system error */
export async function groupAt(
  file: OpenFile,
  key: KeyObject,
  at: number,
  size: number,
): Promise<Group | undefined> {
  const length = groupLength(await readAt(file, at, groupHeader));
  if (length === undefined || at + length > size) return undefined;
  const sealed = await readAt(file, at, length);
  try {
    return openGroup(sealed, key);
  } finally {
    freeMemory(sealed);
  }
}

/**
 * Where the next whole group of a segment begins, behind one that does not open: how long that one is, its header may
 * not tell.
 * @param from of the damaged one @param size of the segment, bytes @returns undefined if none follows
 * @throws a system error
 */
export async function nextGroup(
  file: OpenFile,
  key: KeyObject,
  from: number,
  size: number,
): Promise<number | undefined> {
  const rest = await readAt(file, from, size - from);
  const places: number[] = [];
  for (let at = rest.indexOf(groupMagic, 1); at > 0; at = rest.indexOf(groupMagic, at + 1)) {
    if (places.push(from + at) === mostTries) break;
  }
  freeMemory(rest);
  let tried = 0;
  for (const at of places) {
    const length = groupLength(await readAt(file, at, groupHeader)) ?? 0;
    if (at + length <= size) tried += length;
    if (tried > mostBytes) return undefined;
    const group = await groupAt(file, key, at, size);
    group?.evict();
    if (group !== undefined) return at;
  }
  return undefined;
}

export interface GroupsOfSegment {
  readonly groups: Group[];
  /** Those that do not open, and are not the last that was written. */
  readonly damaged: number;
  /** Something in it does not open. */
  readonly isTorn: boolean;
}

/** @param from where the first begins @param size of the segment, bytes @throws a system error: no key is in memory then */
export async function groupsIn(
  file: OpenFile,
  key: KeyObject,
  from: number,
  size: number,
): Promise<GroupsOfSegment> {
  const groups: Group[] = [];
  let [damaged, bad, isTorn] = [0, 0, false];
  try {
    for (let at = from; at + groupHeader <= size; ) {
      const group = await groupAt(file, key, at, size);
      // Damaged, or not written to its end: others may follow.
      if (group === undefined) {
        bad++;
        isTorn = true;
        at = (await nextGroup(file, key, at, size)) ?? size;
        continue;
      }
      damaged += bad;
      bad = 0;
      group.offset = at;
      at += lengthOf(group);
      groups.push(group);
    }
  } catch (error) {
    for (const group of groups) group.evict();
    throw error;
  }
  return { groups, damaged, isTorn };
}
