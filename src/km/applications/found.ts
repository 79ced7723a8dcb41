/** Which keys an application asks for by their IDs, and whether they are its own to fetch. Pure. */
import { mostBitsOfRequest } from "../../wire/etsi014/key-request.ts";
import { bytesOf } from "../store/ranges.ts";
import { setOf, useOf } from "../store/sae-set.ts";
import type { Uses } from "../store/use-table.ts";

/** The set that keys are bound to, and the place of the caller among its slaves. */
export interface Found {
  readonly use: string;
  readonly slave: number;
}

/** Why keys that are the caller's are not fetched in one request. */
export const notAtOnce = {
  mixed: "keys for different sets of SAEs are fetched one set at a time",
  // Of keys that were asked for apart the answer would else have the memory of all those requests at once.
  long: `the keys have over ${mostBitsOfRequest} bits together: fewer are fetched at a time`,
} as const;

/** @returns "soon": handed to their master a moment ago, and the word of that is on its way; "others": not the caller's */
export function setOfKeys(
  uses: Uses,
  ids: readonly string[],
  master: string,
  caller: string,
): Found | "soon" | "others" | keyof typeof notAtOnce {
  const keys = ids.flatMap((id) => uses.get(id) ?? []);
  // Given out here, to be fetched at the other end.
  if (keys.some(({ owner }) => owner)) return "others";
  if (keys.some(({ state, request }) => state === "B" && request === undefined)) return "soon";
  const requests = new Set(keys.flatMap(({ request }) => request ?? []));
  let found: Found = { use: useOf([master, caller]), slave: 0 };
  for (const use of requests) {
    const [first, ...slaves] = setOf(use) ?? [];
    // For others: also who is registered learns no more.
    if (first !== master || !slaves.includes(caller)) return "others";
    found = { use, slave: slaves.indexOf(caller) };
  }
  if (requests.size > 1) return "mixed";
  const bytes = keys.reduce((sum, { ranges }) => sum + bytesOf(ranges), 0);
  return bytes * 8 > mostBitsOfRequest ? "long" : found;
}
