/**
 * What a configuration says and this version takes otherwise: an older one took it as it is, and after an update a
 * controller is to start all the same.
 */
import { times } from "../../wire/ck/names.ts";
import type { RawConfig } from "./schema.ts";

/** A link is not to be unknown between two reports, of which one may be late, ms. */
export const leastSilentMs = 2 * times.every;

/** @returns one sentence of each, without a full stop */
export function notesOn({ routing }: Pick<RawConfig, "routing">): string[] {
  if (routing.silent >= leastSilentMs) return [];
  const [written, taken, every] = [routing.silent, leastSilentMs, times.every].map(
    (ms) => ms / 1_000,
  );
  return [
    `routing.silent_s = ${written} is taken as ${taken}: key managers report every ${every} s, and one report may be late`,
  ];
}
