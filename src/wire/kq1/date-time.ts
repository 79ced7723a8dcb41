/** Time stamps of Kq-1: RFC 3339 §5.6, from bytes. */

/** Characters of the longest that is read: nine digits of a second's fraction, and an offset. */
const longest = 35;

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

const minuteMs = 60_000;

/** Where `2026-01-31T12:00:00.007Z` has what is no digit. */
const usual = "    -  -  T  :  :  .   Z";

/** A time as `Date` writes it; undefined if it has another form, or a field of it may be out of its range. */
function readUsual(bytes: Buffer, from: number): number | undefined {
  for (let i = 0; i < usual.length; i++) {
    const byte = bytes[from + i] as number;
    const mark = usual.charCodeAt(i);
    if (mark === 0x20 ? byte < 0x30 || byte > 0x39 : byte !== mark) return undefined;
  }
  const digit = (i: number) => (bytes[from + i] as number) - 0x30;
  const two = (i: number) => digit(i) * 10 + digit(i + 1);
  const [year, month, day] = [two(0) * 100 + two(2), two(5), two(8)];
  const [hour, minute, second] = [two(11), two(14), two(17)];
  if (year < 1000 || month < 1 || month > 12 || day < 1 || day > 28) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second, digit(20) * 100 + two(21));
}

/** @returns ms since 1970 UTC, whole; undefined if it is no such time */
export function readDateTime(bytes: Buffer, from: number, to: number): number | undefined {
  const quick = to - from === usual.length ? readUsual(bytes, from) : undefined;
  if (quick !== undefined) return quick;
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
