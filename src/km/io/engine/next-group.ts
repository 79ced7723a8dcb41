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
async function groupAt(
  file: OpenFile,
  key: KeyObject,
  at: number,
  size: number,
): Promise<Group | undefined> {
  const length = groupLength(await readAt(file, at, groupHeader));
  if (length === undefined || at + length > size) return undefined;
  const sealed = await readAt(file, at, length);
  try {
    const group = openGroup(sealed, key);
    if (group !== undefined) group.offset = at;
    return group;
  } finally {
    freeMemory(sealed);
  }
}

/**
 * The next whole group of a segment, behind one that does not open: how long that one is, its header may not tell.
 * @param from of the damaged one @param size of the segment, bytes @returns undefined if none follows
 * @throws a system error
 */
async function nextGroup(
  file: OpenFile,
  key: KeyObject,
  from: number,
  size: number,
): Promise<Group | undefined> {
  const rest = await readAt(file, from, size - from);
  const places: { readonly at: number; readonly length: number }[] = [];
  for (let at = rest.indexOf(groupMagic, 1); at > 0; at = rest.indexOf(groupMagic, at + 1)) {
    const length = groupLength(rest.subarray(at)) ?? 0;
    if (places.push({ at: from + at, length }) === mostTries) break;
  }
  freeMemory(rest);
  let tried = 0;
  for (const { at, length } of places) {
    if (at + length <= size) tried += length;
    if (tried > mostBytes) return undefined;
    const group = await groupAt(file, key, at, size);
    if (group !== undefined) return group;
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
      let group = await groupAt(file, key, at, size);
      if (group === undefined) {
        // Damaged, or not written to its end: others may follow.
        bad++;
        isTorn = true;
        group = await nextGroup(file, key, at, size);
        if (group === undefined) break;
      }
      damaged += bad;
      bad = 0;
      at = group.offset + lengthOf(group);
      groups.push(group);
    }
  } catch (error) {
    for (const group of groups) group.evict();
    throw error;
  }
  return { groups, damaged, isTorn };
}
