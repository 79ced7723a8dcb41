/** Time stamps of Kq-1: RFC 3339 §5.6, from bytes. */

/** Characters of the longest that is read: nine digits of a second's fraction, and an offset. */
const longest = 35;

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

const minuteMs = 60_000;

/** @returns ms since 1970 UTC, whole; undefined if it is no such time */
export function readDateTime(bytes: Buffer, from: number, to: number): number | undefined {
  if (to - from > longest) return undefined;
  const found = pattern.exec(bytes.toString("latin1", from, to));
  if (found === null) return undefined;
  const part = (i: number) => Number(found[i] ?? 0);
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map(part) as Six;
  // A leap second is the first of the next minute, as on clocks that do not have it.
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (day < 1 || date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, minute, second, Math.floor(Number(`0.${found[7] ?? "0"}`) * 1_000));
  const [hours, minutes] = [part(9), part(10)];
  if (hours > 23 || minutes > 59) return undefined;
  const offset = (hours * 60 + minutes) * (found[8] === "-" ? -1 : 1);
  return date.getTime() - offset * minuteMs;
}

type Six = [number, number, number, number, number, number];
