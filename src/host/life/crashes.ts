/**
 * Remembers when this software ended by its own fault, so that one which does so again and again
 * does it slower: each start costs the module a session, the KM a connection and the disk writes.
 * A node that is killed, or loses power, did nothing wrong and is not held up.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { describe } from "../../base/errors.ts";

/** Crashes count for this long, s. */
const windowS = 600;
/** So many are forgiven. */
const forgiven = 2;
const longestMs = 60_000;
const mostKept = 16;

/**
 * How long to wait before anything is begun, ms, after crashes at these times: seconds since the
 * machine's start, which no setting of the clock moves. What lies ahead was before that start. Pure.
 */
export function brake(crashes: readonly number[], now: number): number {
  const recent = crashes.filter((at) => at <= now && now - at < windowS).length;
  return recent <= forgiven ? 0 : Math.min(longestMs, 1_000 * 2 ** (recent - forgiven - 1));
}

/** Crashes that were recorded in a file, oldest first. Never throws: a brake is not worth a start. */
export function crashesIn(file: string): number[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => /^\d+(?:\.\d+)?$/.test(line))
      .map(Number)
      .slice(-mostKept);
  } catch {
    return [];
  }
}

/** Synchronous: it is the last thing that the process does. Never throws. */
export function recordCrash(file: string, now: number): void {
  const lines = [...crashesIn(file), now].map((at) => `${at}\n`);
  try {
    writeFileSync(file, lines.slice(-mostKept).join(""), { mode: 0o600 });
  } catch {
    // The disk may be what it crashed of.
  }
}

/**
 * What may be said of an unexpected error: what ours says of itself, and where it came from.
 * Messages of others may quote what they were given, and that may be a key.
 */
export function crashReport(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const places = stack.split("\n").filter((line) => /^ {4}at /.test(line));
  return [describe(error), ...places.slice(0, 8).map((line) => line.trim())].join(" | ");
}

/** File and line of the error, for a report; no value of the program is in it. */
export function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const [, place] = /\b((?:src|drivers|scripts|lib)\/[\w/.-]+:\d+):\d+/.exec(stack) ?? [];
  return place === undefined ? "" : ` at ${place}`;
}
