/** Tells log, manager and operators what became of ledgers that no module has. */

import type { Clock } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { type LedgersOptions, orphanedLedgers } from "../ledger/ledgers.ts";
import type { Monitoring } from "./monitoring.ts";

/**
 * Tells of ledgers that were given to another name or retired, and of those without a module. To be
 * called when all were opened and the node is watched. Never rejects: what was not told is told at the
 * next start.
 */
export async function tellOfLedgers(
  recording: LedgersOptions,
  monitoring: Monitoring,
  clock: Clock,
  log: Log,
): Promise<void> {
  try {
    await tellActs(recording, monitoring, clock, log);
    const orphans = await orphanedLedgers(recording);
    for (const ledger of orphans) log.warn("ledger belongs to no module", { ledger });
    monitoring.watch.leftBehind(
      "ledger_orphaned",
      new Map(orphans.map((name) => [name, `ledger-${name}`])),
    );
  } catch (error) {
    log.warn("not all was told of the ledgers", { why: describe(error) });
  }
}

async function tellActs(
  { state }: LedgersOptions,
  monitoring: Monitoring,
  clock: Clock,
  log: Log,
): Promise<void> {
  const acts = state.data.ledger_acts ?? [];
  if (acts.length === 0) return;
  for (const { what, from, to, by } of acts) {
    log.warn(`ledger ${what}`, { from, to, by });
    const module = what === "adopted" ? { module: to } : {};
    const facts = { from, to, by };
    monitoring.event({ type: `ledger_${what}`, ...module, at: clock.wall(), facts });
  }
  await monitoring.durable();
  await state.change((data) => {
    delete data.ledger_acts;
  });
}
