/** When to try Kq-2 again: soon where a KM has it, seldom where it has not, and with jitter. Pure. */
import { backoff } from "../../base/retry.ts";

/** A KM that was away. */
const away = { firstMs: 250, maxMs: 60_000 } as const;
/** A KM that does not have Kq-2: it may have been updated. */
const absent = { firstMs: 300_000, maxMs: 3_600_000 } as const;

/**
 * Waiting times in ms, without end.
 * @param isAbsent whether the KM said last that it does not have Kq-2
 * @param random uniform in [0, 1)
 */
export function* kq2Waits(isAbsent: () => boolean, random: () => number): Generator<number, never> {
  const seldom = backoff({ ...absent, random });
  let soon = backoff({ ...away, random });
  for (;;) {
    if (isAbsent()) {
      soon = backoff({ ...away, random });
      yield seldom.next().value;
    } else {
      yield soon.next().value;
    }
  }
}
