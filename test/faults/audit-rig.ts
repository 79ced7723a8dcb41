/** The oracle's view of a rig whose nodes have stopped. */
import { join } from "node:path";
import type { Rig } from "../rig/rig.ts";
import { audit, compareEnds, type Ledgers } from "./oracle.ts";
import type { Witness } from "./witness.ts";

export interface RigAudit {
  /** Keys that Alice's KM has, or had. */
  readonly keys: number;
  /** What does not fit, in words. */
  readonly broken: readonly string[];
}

/** @param witness who kept what the modules distilled */
export function auditRig(rig: Rig, witness: Witness): RigAudit {
  const [alice, bob] = rig.ends.map(({ name, nodeId, km }) =>
    witness.ledgers(
      name,
      rig.pair[name].module.history,
      join(rig.folder, nodeId, "state", `ledger-${name}`),
      km.store,
    ),
  ) as [Ledgers, Ledgers];
  const broken = [
    ...audit(alice, true).map((what) => `alice: ${what}`),
    ...audit(bob, true).map((what) => `bob: ${what}`),
    ...compareEnds(alice, bob),
  ];
  return { keys: alice.km.size, broken };
}
