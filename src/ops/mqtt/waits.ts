/** When to try the broker again: at most once a second, growing, and with jitter. Pure. */

const firstMs = 2_000;
const maxMs = 30_000;
/** After a takeover: two nodes with one identifier must not throw each other out in a loop. */
const takeoverMs = { least: 20_000, most: 40_000 } as const;

/**
 * Waiting times in ms, without end.
 * @param takenOver whether the last connection ended because another client took over
 * @param random uniform in [0, 1)
 */
export function* brokerWaits(
  takenOver: () => boolean,
  random: () => number,
): Generator<number, never> {
  let wait = firstMs;
  for (;;) {
    if (takenOver()) {
      yield takeoverMs.least + (takeoverMs.most - takeoverMs.least) * random();
    } else {
      // Half of it for certain: never more than one attempt a second.
      yield wait * (1 - 0.5 * random());
      wait = Math.min(wait * 2, maxMs);
    }
  }
}
