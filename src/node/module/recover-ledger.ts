/**
 * Keeps the ledger writable: while the disk is full or takes no writes no key is supplied; as soon as
 * it does again, what waits is written and supply goes on, without a restart. A file that was removed is written
 * anew in the same way.
 */

import { type Clock, delay, every } from "../../base/clock.ts";
import type { Ledger } from "../keys/ports.ts";

export interface MendOptions {
  readonly ledger: Ledger;
  /** Waiting times between attempts, ms. */
  readonly schedule: () => Iterator<number>;
  readonly clock: Clock;
  /** The ledger cannot be written any more; keys stop. */
  readonly onFailed: (fault: Error) => void;
  /** It can be written again, and has all that waited. */
  readonly onMended: () => void;
}

/** How often it is seen whether the ledger's file is there, ms. */
const lookMs = 5_000;

/** @returns ends looks and attempts */
export function recoverLedger(options: MendOptions): () => void {
  const { ledger, schedule, clock, onFailed, onMended } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const looking = every(clock, lookMs, () => ledger.look());
  ledger.watch(async (fault) => {
    onFailed(fault);
    const waits = schedule();
    while (!signal.aborted && ledger.failure !== undefined) {
      await delay(clock, waits.next().value ?? 1_000, signal);
      if (!signal.aborted) await ledger.recover();
    }
    if (!signal.aborted) onMended();
  });
  return () => {
    looking.cancel();
    stopping.abort();
  };
}
