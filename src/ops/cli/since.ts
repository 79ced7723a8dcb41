/** Which lines of a log are wanted. Pure. */

import { parseDate } from "../../base/date.ts";

const units: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * A time as a person writes it: `10m`, `2 h`, `14:30`, `today`, `2026-01-31`, `2026-01-31 14:30`, with
 * a zone or by the terminal's clock.
 * @param now ms since 1970 UTC @returns ms since 1970 UTC; undefined if it is none
 */
export function parseSince(text: string, now: number): number | undefined {
  const [, count, unit] = /^-?(\d{1,6}) ?(s|m|min|h|d)(?: ago)?$/.exec(text.trim()) ?? [];
  if (count !== undefined) return now - Number(count) * (units[unit ?? "s"] ?? 0);
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  if (text === "today") return midnight.getTime();
  if (text === "yesterday") return new Date(midnight).setDate(midnight.getDate() - 1);
  const [, h, m, s = "0"] = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text) ?? [];
  if (h !== undefined) {
    if (Number(h) > 23 || Number(m) > 59 || Number(s) > 59) return undefined;
    return midnight.setHours(Number(h), Number(m), Number(s));
  }
  const whole =
    /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;
  if (!whole.test(text)) return undefined;
  // A date alone would be taken for one in UTC.
  const time = parseDate(text.length === 10 ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(time) ? undefined : time;
}

/** As journalctl's `--grep`: small letters stand for large ones. @returns undefined if it is none */
export function parseGrep(text: string): RegExp | undefined {
  try {
    return new RegExp(text, text === text.toLowerCase() ? "iu" : "u");
  } catch {
    return undefined;
  }
}

interface LineParts {
  /** By RFC 3339. */
  readonly stamp?: string;
  readonly rest: string;
}

/** When a line of the log was written, and what it says; undefined: it does not say when. */
export function partsOfLine(line: string): LineParts | undefined {
  const [, stamp, rest] = /^ts=(\S+) (.*)/s.exec(line) ?? [];
  if (stamp === undefined || rest === undefined || Number.isNaN(Date.parse(stamp)))
    return undefined;
  return { stamp, rest };
}

/** When a line of the log was written, ms since 1970 UTC; undefined: it does not say. */
export function timeOfLine(line: string): number | undefined {
  const { stamp } = partsOfLine(line) ?? {};
  return stamp === undefined ? undefined : Date.parse(stamp);
}
