/** When a server wants to be asked again (RFC 9110 §10.2.3). Pure. */

/**
 * @param header of the answer, `Retry-After`: seconds, or a date @param wall ms since 1970 UTC, for a date
 * @param limits what a server may ask for at the least and at the most, ms: one slip of its clock, or of a proxy, must not
 *   end what is asked for
 * @returns ms, within the limits; undefined if it does not say
 */
export function retryAfterOf(
  header: string | undefined,
  wall: number,
  { least = 0, most }: { readonly least?: number; readonly most: number },
): number | undefined {
  if (header === undefined) return undefined;
  const isSeconds = /^\d+$/.test(header);
  const isDate = /^[A-Z][a-z]{2,8}, .* GMT$/.test(header);
  const ms = isSeconds ? Number(header) * 1_000 : isDate ? Date.parse(header) - wall : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(most, Math.max(least, ms));
}
