/** Who owns which bytes of a batch: by counters, never by key bits (Y.3803 Table 1, "key type"). Pure. */

/**
 * Where a batch is split: the bytes before are the leader's. Over all batches each side gets one half, in
 * whole units.
 * @param state bytes matched so far, and those of them that began as the leader's
 */
export function ownerSplit(
  { matched, leaders }: { readonly matched: number; readonly leaders: number },
  length: number,
  unit: number,
): number {
  const wanted = (matched + length) / 2 - leaders;
  const whole = Math.round(wanted / unit) * unit;
  return Math.max(0, Math.min(length, whole));
}
