/**
 * Has the KME hand over certain keys (dec_keys), as far as it can. Some come a moment after the other end has
 * them; one that is not there spoils the answer for all others of its request. Pure.
 */
import { type Clock, delay } from "../../src/base/clock.ts";
import { wipeMemory } from "../../src/port/key.ts";
import type { Asked, Kme } from "./kme.ts";

export interface FetchOptions {
  readonly kme: Kme;
  readonly clock: Clock;
  /** So long a key may be missing before it is lost, ms. */
  readonly patience: number;
  /** No more is asked for. */
  readonly signal: AbortSignal;
  /** Told of each key, whose bytes belong to who is told. */
  readonly got: (id: string, bytes: Buffer) => void;
  /** What was got so far is made safe: the KME is asked again a moment later. */
  readonly pause: () => Promise<void>;
}

const firstWait = 100;
const longestWait = 1_000;
/** A KME that is busy is waited for so many times as long as for a key. */
const busyTimes = 6;

/** @returns IDs of keys that are lost; undefined if `signal` ended it @throws as the KME does */
export async function fetchKeys(
  wanted: readonly string[],
  { kme, clock, patience, signal, got, pause }: FetchOptions,
): Promise<string[] | undefined> {
  const begun = clock.now();
  let missing = [...wanted];
  for (let wait = firstWait, first = true; missing.length > 0; first = false) {
    const isLast = clock.now() - begun >= patience;
    const round = await askOnce(missing, first || isLast, kme, signal, got);
    if (round === undefined) return undefined;
    missing = wanted.filter((id) => round.missing.has(id));
    const { later } = round;
    const end = later === undefined ? patience : busyTimes * patience;
    if (isLast && clock.now() - begun >= end) break;
    if (missing.length === 0) break;
    await pause();
    await delay(clock, Math.max(firstWait, Math.min(later ?? wait, longestWait)), signal);
    wait = Math.min(2 * wait, longestWait);
  }
  return missing;
}

/**
 * @param split finds out which of them are there, where the KME says that not all are
 * @returns what did not come, and when the KME wants to be asked again; undefined if `signal` ended it
 */
async function askOnce(
  ids: readonly string[],
  split: boolean,
  kme: Kme,
  signal: AbortSignal,
  got: FetchOptions["got"],
): Promise<{ readonly missing: Set<string>; readonly later?: number } | undefined> {
  const missing = new Set<string>();
  const groups = [[...ids]];
  for (let group = groups.pop(); group !== undefined; group = groups.pop()) {
    if (signal.aborted) return undefined;
    const asked = await kme.fetch(group);
    const left = hand(asked, group, got);
    if (asked.kind === "later") {
      for (const id of [...left, ...groups.flat()]) missing.add(id);
      return { missing, later: asked.ms ?? firstWait };
    }
    if (split && asked.kind !== "keys" && group.length > 1) {
      const half = Math.ceil(group.length / 2);
      groups.push(group.slice(half), group.slice(0, half));
    } else {
      for (const id of left) missing.add(id);
    }
  }
  return { missing };
}

/** @returns those that did not come */
function hand(asked: Asked, group: readonly string[], got: FetchOptions["got"]): string[] {
  const left = new Set(group);
  if (asked.kind !== "keys") return [...left];
  for (const { id, bytes } of asked.keys) {
    // What was not asked for, or came twice, is not ours.
    if (left.delete(id)) got(id, bytes);
    else wipeMemory(bytes);
  }
  return [...left];
}
