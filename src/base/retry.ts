/** When to try again: an endless schedule that grows, with jitter so that a fleet does not march. */

export interface BackoffOptions {
  /** First wait, ms. */
  readonly firstMs: number;
  /** No wait is longer, ms. */
  readonly maxMs: number;
  /** Each wait is this many times the one before; default 2. */
  readonly factor?: number;
  /** A wait of w is drawn from [w × (1 − jitter), w]; 0 to 1, default 0.5. */
  readonly jitter?: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Waiting times in ms, without end. */
export function* backoff(options: BackoffOptions): Generator<number, never> {
  const { firstMs, maxMs, factor = 2, jitter = 0.5, random } = options;
  let wait = Math.min(firstMs, maxMs);
  for (;;) {
    yield wait * (1 - jitter * random());
    wait = Math.min(wait * factor, maxMs);
  }
}
