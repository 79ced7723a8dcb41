/** What is the matter with ledgers: one that failed, and one whose disk does not answer, so that no key is supplied. */
import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Progress } from "../../host/life/progress.ts";
import type { Ledger } from "../keys/ports.ts";
import { ledgerPath } from "../ledger/ledger-folder.ts";
import { writingTo } from "../ledger/ledger-write.ts";

/** A tired disk takes some seconds for a sync now and then; longer than this it is told of, ms. */
const toldAfterMs = 10_000;

/** By module: what is the matter with its ledger, if anything. */
export type LedgerTroubles = ReadonlyMap<string, () => Error | undefined>;

/** What is known of writes that have not ended. */
export interface Writes {
  readonly progress: Progress;
  readonly clock: Clock;
  /** Where ledgers are. */
  readonly stateFolder: string;
}

/** @returns undefined while its disk answers */
export function stalledLedger(
  { progress, clock, stateFolder }: Writes,
  module: string,
): Fault | undefined {
  const file = ledgerPath(stateFolder, module);
  if (progress.underWayMs(writingTo(file), clock.now()) < toldAfterMs) return undefined;
  return new Fault("ledger.io", "the disk does not answer", { file });
}

/** @param closed modules that are not served, and why */
export function ledgerTroubles(
  ledgers: ReadonlyMap<string, Pick<Ledger, "failure">>,
  closed: readonly { readonly name: string; readonly failure: Fault }[],
  writes: Writes,
): LedgerTroubles {
  const troubles = new Map<string, () => Error | undefined>();
  for (const one of closed) troubles.set(one.name, () => one.failure);
  for (const [name, ledger] of ledgers) {
    troubles.set(name, () => ledger.failure ?? stalledLedger(writes, name));
  }
  return troubles;
}
