/** A rotation ends when the program is told to stop: in order where that is soon. */
import { type Clock, within } from "../base/clock.ts";
import type { Log } from "../base/log.ts";

/** What is under way then has so long, ms: less than the unit's `TimeoutStopSec`, after which systemd kills. */
const lastMs = 4_000;

/**
 * Waits for work that ends by itself once `signal` tells it to. What is not over by then is left as it is: each step of
 * a round may be lost.
 */
export async function untilStopped(
  work: Promise<void>,
  signal: AbortSignal,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<void> {
  await Promise.race([work, told(signal)]);
  const late = new Error("late");
  try {
    await within(clock, lastMs, work, () => late);
  } catch (error) {
    if (error !== late) throw error;
    log.warn("stops in the middle of a round", { limit_s: lastMs / 1_000 });
  }
}

/** Resolves when it is told to stop, or was before. */
export function told(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
