/** When a KME wants to be asked again (RFC 9110 §10.2.3). Pure. */

/** What a KME may ask for at the most, ms: one slip of its clock or of a proxy must not end the supply of keys. */
export const longestRetryMs = 60_000;

/**
 * @param header of the answer @param wall ms since 1970 UTC, for a date
 * @returns ms, at most {@link longestRetryMs}; undefined if it does not say
 */
export function retryAfterOf(header: string | undefined, wall: number): number | undefined {
  if (header === undefined) return undefined;
  const isSeconds = /^\d+$/.test(header);
  const isDate = /^[A-Z][a-z]{2,8}, .* GMT$/.test(header);
  const ms = isSeconds ? Number(header) * 1_000 : isDate ? Date.parse(header) - wall : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(longestRetryMs, Math.max(0, ms));
}
