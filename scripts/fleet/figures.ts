/** Figures of a run: percentiles, and sizes for people. Pure. */

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Median, 99th percentile (nearest rank) and largest; zeros if there are no values. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** `12 ms, 99 % within 80 ms, at most 95 ms` */
export function within({ p50, p99, max }: Spread): string {
  return `half within ${p50} ms, 99 % within ${p99} ms, all within ${max} ms`;
}

/** `1.2 MB`; decimal. */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${Math.round(bytes)} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
