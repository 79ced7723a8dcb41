/** How a test waits for what arrives later: one helper, with a deadline and a message of what was seen last. */
import { partialDeepStrictEqual } from "node:assert/strict";
import { inspect } from "node:util";
import { Patience } from "./patience.ts";

/** Less than AVA's own limit even on a busy machine, so that the message is of what was waited for. */
const usualMs = 40_000;
/** Cores on a clock of the test settle in turns of the event loop; other processes take longer. */
const turnsMs = 20;
const usualPauseMs = 10;
/** Looks cost those who are looked at too: after a while the pauses are a tenth of the time until then, and at most this. */
const longestPauseMs = 60;

export interface Expected<T> {
  /** It is this, or has at least these members; default: it is true, or anything that is not nothing. */
  readonly is?: unknown;
  /** As text it matches. */
  readonly matches?: RegExp;
  /** A number, or a length, from this one up. */
  readonly atLeast?: number;
  /** Any other condition. */
  readonly when?: (seen: T) => boolean;
  /** Between two looks, after the first turns; default 10 ms, and more where it takes long. */
  readonly pauseMs?: number;
  /** On a machine at rest; a busy one has longer ({@link Patience}). Default 40 s. */
  readonly deadlineMs?: number;
  /** What else is to be known if it does not come: a log's last lines. */
  readonly about?: () => string;
  /** Ends the wait before, with its reason. */
  readonly signal?: AbortSignal;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

function has(seen: unknown, part: unknown): boolean {
  // The assertion makes a message of what differs, at each look: most differ in one member.
  if (typeof part !== "object" || part === null) return Object.is(seen, part);
  if (isPlain(part) && isPlain(seen)) {
    return Object.keys(part).every((key) => Object.hasOwn(seen, key) && has(seen[key], part[key]));
  }
  try {
    partialDeepStrictEqual(seen, part);
    return true;
  } catch {
    return false;
  }
}

function met<T>(seen: T, expected: Expected<T>): boolean {
  const { matches, atLeast, when } = expected;
  if ("is" in expected && !has(seen, expected.is)) return false;
  const text = () => (typeof seen === "string" ? seen : (JSON.stringify(seen) ?? ""));
  if (matches !== undefined && !matches.test(text())) return false;
  if (atLeast !== undefined && !(Number(seen) >= atLeast)) return false;
  if (when !== undefined) return when(seen);
  const told = "is" in expected || matches !== undefined || atLeast !== undefined;
  return told || (seen !== undefined && seen !== null && seen !== false);
}

function wanted<T>(expected: Expected<T>): string {
  const { is, matches, atLeast } = expected;
  if ("is" in expected) return `, not ${inspect(is)}`;
  if (matches !== undefined) return `, which does not match ${matches}`;
  return atLeast === undefined ? "" : `, less than ${atLeast}`;
}

function usualPause(goneMs: number): number {
  return Math.min(longestPauseMs, Math.max(usualPauseMs, goneMs / 10));
}

/**
 * Looks until `probe` gives what is expected; an error that it throws counts as not yet.
 * @param what the awaited thing, for the message
 * @returns what was seen then
 * @throws Error at the deadline, with what was seen last
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  expected: Expected<NoInfer<T>> = {},
): Promise<T> {
  const { deadlineMs = usualMs, pauseMs, about, signal } = expected;
  const begun = performance.now();
  const counted = new Patience();
  for (;;) {
    signal?.throwIfAborted();
    const looked = performance.now();
    let last: () => string;
    try {
      const seen = await probe();
      last = () => inspect(seen, { depth: 4, breakLength: 100 }) + wanted(expected);
      if (met(seen, expected)) return seen;
    } catch (error) {
      last = () => (error instanceof Error ? error.message : String(error));
    }
    const now = performance.now();
    if (counted.gone() > deadlineMs) {
      const more = about === undefined ? "" : `\n${about()}`;
      throw new Error(`${what}: not within ${deadlineMs / 1_000} s; seen last: ${last()}${more}`);
    }
    // A timer keeps the process alive while only clocks of the node run; a look that takes long leaves
    // as long to what is looked at, which may be of this process.
    await new Promise((resolve) => {
      if (now < begun + turnsMs) setImmediate(resolve);
      else setTimeout(resolve, Math.max(pauseMs ?? usualPause(now - begun), now - looked));
    });
  }
}
