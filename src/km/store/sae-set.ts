/** The set of applications of a key, as a text that is the same at both KMs. Pure. */

/** Its master first, then its slaves. */
export type SaeSet = readonly [string, ...string[]];

/** Slaves of a set at most: one bit each. */
export const mostSlaves = 16;

/** The set as both KMs write it. Sets with the same members are the same text. */
export function useOf([master, ...slaves]: SaeSet): string {
  return JSON.stringify([master, ...slaves.toSorted()]);
}

/** Sets that were read before: each key on its way names one, and there are few. */
const read = new Map<string, SaeSet | undefined>();
const mostRead = 1_024;

/** @returns undefined if it is not written by {@link useOf} */
export function setOf(use: string): SaeSet | undefined {
  if (read.has(use)) return read.get(use);
  if (read.size >= mostRead) read.clear();
  const set = readSet(use);
  read.set(use, set);
  return set;
}

function readSet(use: string): SaeSet | undefined {
  let value: unknown;
  try {
    value = JSON.parse(use);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length < 2 || value.length > mostSlaves + 1) return undefined;
  if (!value.every((one) => typeof one === "string")) return undefined;
  const set = value as unknown as SaeSet;
  return useOf(set) === use ? set : undefined;
}

/** Slaves of a set: each of them gets the key. 1 for a text of another kind. */
export function slavesOf(use: string | undefined): number {
  const set = use?.startsWith("[") ? setOf(use) : undefined;
  return set === undefined ? 1 : set.length - 1;
}

/** Which slaves of a set of several have a key, as a text: a list of their IDs in JSON. @param had as of its use */
export function fetchedText(use: string | undefined, had = 0): string | undefined {
  if (had === 0 || slavesOf(use) === 1) return undefined;
  const [, ...slaves] = setOf(use as string) ?? [];
  return JSON.stringify(slaves.filter((_, i) => (had & (2 ** i)) !== 0));
}

/** All slaves of a set, as bits. */
export function allOf(use: string | undefined): number {
  return 2 ** slavesOf(use) - 1;
}
