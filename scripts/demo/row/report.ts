/** What a run of a network came to: the JSON object of `npm start -- --json`. */

import type { FibreEnd, NetworkRig } from "../../../test/rig/network-rig.ts";
import type { EndName } from "../../../test/rig/rig.ts";
import type { ShownApplications } from "../applications.ts";
import { type EndReport, type Report, rounded } from "../report.ts";
import type { ControllerReport, ShownController } from "./controller.ts";
import type { NetworkKms, RelayReport } from "./kms.ts";

export interface RowReport extends Report {
  /** Each fibre, by the names of its places; {@link Report.ends} is the first. */
  readonly links: readonly Readonly<Record<string, EndReport>>[];
  /** Between those whose applications share keys. */
  readonly relay: RelayReport;
  readonly controller: ControllerReport;
}

/** What the report is made of, beside the nodes. */
export interface Told {
  readonly kms: NetworkKms;
  readonly controller: ShownController;
  readonly applications: ShownApplications;
}

/** QBER by block: of supplied keys from the module, of the others from the node's events. */
function qbers(rig: NetworkRig, of: FibreEnd): number[] {
  const bySequence = new Map<number, number>();
  for (const { facts, released } of of.end.module.history.values()) {
    if (facts.qber !== undefined && released) bySequence.set(facts.ref.number, facts.qber);
  }
  for (const { type, facts } of rig.eventsOf(of)) {
    if (type !== "block_empty" && type !== "key_withheld") continue;
    if (typeof facts.sequence === "number" && typeof facts.qber === "number") {
      bySequence.set(facts.sequence, facts.qber);
    }
  }
  return [...bySequence].sort(([a], [b]) => a - b).map(([, qber]) => qber);
}

/** To be made after the nodes have stopped: their last counters are on the broker then. */
export function rowReport(
  rig: NetworkRig,
  seconds: number,
  { kms, controller, applications }: Told,
): RowReport {
  const links = rig.fibres.map(
    ({ ends }): Record<string, EndReport> =>
      Object.fromEntries(
        ends.map((of) => {
          const { supplied, confirmed, withheld, empty_blocks, bits } = of.counters;
          const counted = { supplied, confirmed, withheld, empty_blocks, bits };
          return [of.place.name, { ...counted, qber: qbers(rig, of), km: kms.report(of) }];
        }),
      ),
  );
  return {
    ends: links[0] as Record<EndName, EndReport>,
    links,
    relay: kms.relayed,
    controller: controller.report,
    mismatches: kms.differing,
    applications: applications.report,
    seconds: rounded(seconds),
  };
}
