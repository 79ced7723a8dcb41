/**
 * Tries something that must succeed before anything else can, until it does: a node whose disk is
 * full at start waits for space; exiting would only have it started again and again.
 */
import { type Clock, delay } from "../../base/clock.ts";
import { describe, Fault, type FaultCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";

export interface InsistOptions {
  /** What is tried, for the log. */
  readonly name: string;
  /** Faults that time may mend; any other is thrown. */
  readonly codes: readonly FaultCode[];
  readonly schedule: () => Iterator<number>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** After this it is not tried again, ms; default: for ever. */
  readonly withinMs?: number;
}

/** @throws what `attempt` threw last if time does not mend it, or `stopped` when the signal aborts */
export async function retryUntilReady<T>(
  options: InsistOptions,
  attempt: () => Promise<T>,
): Promise<T> {
  const { name, codes, schedule, clock, log, signal, withinMs } = options;
  const waits = schedule();
  const until = withinMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + withinMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isMendable = error instanceof Fault && codes.includes(error.code);
      if (!isMendable || clock.now() >= until) throw error;
      log.error(`${name}: ${describe(error)}: waiting`);
    }
    await delay(clock, waits.next().value ?? 1_000, signal);
    if (signal.aborted) throw new Fault("stopped", `${name}: stopped while waiting`);
  }
}
