/** Dates as people and programs write them. Pure. */

/**
 * `Date.parse`, but for days that no month has: those it moves to the next one.
 * @param text begins with YYYY-MM-DD @returns ms since 1970 UTC; NaN if there is no such date
 */
export function parseDate(text: string): number {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)/.exec(text) ?? [];
  const last = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return Number(day) > last ? Number.NaN : Date.parse(text);
}
