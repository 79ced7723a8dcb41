/** Groups of QKD-keys that wait for their match: how many there are, and which of them are in memory. */
import { timingSafeEqual } from "node:crypto";
import { wipeMemory } from "../../../port/key.ts";
import type { Handle, Handles } from "../../store/port.ts";
import type { Group } from "./group.ts";
import { type HandleRun, runsOf } from "./handle-runs.ts";
import type { IntakeFiles } from "./intake-files.ts";

/** Key of the buffer that is kept in memory beside the disk, bytes. */
const memoryBytes = 33_554_432;

export class WaitingGroups {
  readonly byNumber = new Map<number, Group>();
  /** Groups of which keys have left the buffer since the books were written last. */
  readonly touched = new Set<Group>();
  /** Keys, and bytes of them; also of those that are on their way to the disk. */
  keys = 0;
  bytes = 0;
  readonly #intake: IntakeFiles;
  /** Bytes of groups in memory, at most: looked at closely when it is much. */
  #held = 0;

  constructor(groups: Iterable<Group>, intake: IntakeFiles) {
    this.#intake = intake;
    for (const group of groups) {
      this.byNumber.set(group.number, group);
      this.keys += group.live;
      for (let i = 0; i < group.count; i++) if (group.isLive(i)) this.bytes += group.lengthOf(i);
    }
  }

  /** A group is about to be written. Its keys are counted already. */
  add(group: Group): void {
    this.byNumber.set(group.number, group);
    this.#held += group.length;
  }

  /** It could not be written. */
  drop(group: Group): void {
    this.byNumber.delete(group.number);
    this.#held -= group.length;
    group.evict();
  }

  areLive(runs: readonly HandleRun[]): boolean {
    return runs.every(({ group, from, to }) => this.byNumber.get(group)?.areLive(from, to));
  }

  areInMemory(runs: readonly HandleRun[]): boolean {
    return runs.every(({ group }) => this.byNumber.get(group)?.plain !== undefined);
  }

  /** Has them in memory, if they are live. */
  async restore(runs: readonly HandleRun[]): Promise<void> {
    for (const number of new Set(runs.map(({ group }) => group))) {
      const group = this.byNumber.get(number);
      if (group === undefined || group.live === 0 || group.plain !== undefined) continue;
      await this.#intake.restore(group);
      this.#held += group.length;
    }
  }

  /** Views of their bytes, in order; all of them are in memory. */
  *views(runs: readonly HandleRun[]): Generator<Uint8Array> {
    for (const { group, from, to } of runs) {
      yield this.byNumber.get(group)?.bytesOf(from, to) as Uint8Array;
    }
  }

  /** Whether a key has these bytes; no if it is not in the buffer any more. @param bytes wiped */
  async equals(handle: Handle, bytes: Uint8Array): Promise<boolean> {
    const runs = runsOf([handle]);
    const live = this.areLive(runs);
    if (live) await this.restore(runs);
    const [own] = live ? this.views(runs) : [];
    const equal = own?.length === bytes.length && timingSafeEqual(own, bytes);
    wipeMemory(bytes);
    return equal;
  }

  /** Keys leave the buffer. */
  consume(runs: readonly HandleRun[]): void {
    for (const { group: number, from, to } of runs) {
      const group = this.byNumber.get(number);
      if (group === undefined) continue;
      const { keys, bytes } = group.consume(from, to);
      if (keys === 0) continue;
      this.keys -= keys;
      this.bytes -= bytes;
      this.touched.add(group);
      if (group.live === 0) this.byNumber.delete(number);
    }
  }

  /** Whether {@link evict} has something to do. */
  get areMany(): boolean {
    return this.#held > memoryBytes;
  }

  /** Keeps the newest groups in memory, as many as there is room for, and those that are not on the disk yet. */
  evict(): void {
    if (!this.areMany) return;
    let held = 0;
    for (const group of this.byNumber.values()) held += group.plain?.length ?? 0;
    for (const group of this.byNumber.values()) {
      if (held <= memoryBytes / 2) break;
      if (group.segment === 0) continue;
      held -= group.plain?.length ?? 0;
      group.evict();
    }
    this.#held = held;
  }

  close(): void {
    for (const group of this.byNumber.values()) group.evict();
  }
}

/** @throws an Error if one of them is not in the buffer any more */
export async function copyOf(
  groups: WaitingGroups,
  handles: Handles,
  target: Uint8Array,
): Promise<readonly HandleRun[]> {
  const runs = runsOf(handles);
  if (!groups.areLive(runs)) throw new Error("a key is not in the buffer any more");
  await groups.restore(runs);
  let at = 0;
  for (const part of groups.views(runs)) {
    target.set(part, at);
    at += part.length;
  }
  if (at !== target.length) throw new Error("an extent has the length of its keys");
  return runs;
}
