/** What a run came to: the JSON object of `npm start -- --json`. */
import { type EndName, endNames, type Rig, type RigEnd } from "../../test/rig/rig.ts";
import type { ApplicationsReport, ShownApplications } from "./applications.ts";
import type { KmReport, ShownKms } from "./kms.ts";

export interface EndReport {
  /** Keys that the node gave to the KM. */
  readonly supplied: number;
  /** Keys that the KM confirmed. */
  readonly confirmed: number;
  /** Blocks held back by the quality gate. */
  readonly withheld: number;
  /** Blocks that yielded no key. */
  readonly empty_blocks: number;
  /** Confirmed key. */
  readonly bits: number;
  /** QBER of each block the node reported, in the order of the link. */
  readonly qber: readonly number[];
  /** What its key manager tells; missing with a test double, or a KM that was there before. */
  readonly km?: KmReport;
}

export interface Report {
  readonly ends: Readonly<Record<EndName, EndReport>>;
  /** Key IDs under which the two KMs hold different keys, or that only one of them holds. */
  readonly mismatches: number;
  /** What the applications got; missing without the product's key managers. */
  readonly applications?: ApplicationsReport;
  readonly seconds: number;
}

/** QBER by block: of supplied keys from the KM or the module, of the others from the node's events. */
function qbers(rig: Rig, end: RigEnd): number[] {
  const bySequence = new Map<number, number>();
  for (const { sequence, qber } of end.km.store.entries()) {
    if (sequence !== undefined && qber !== undefined) bySequence.set(sequence, qber);
  }
  if (rig.kms !== undefined) {
    for (const { facts, released } of rig.pair[end.name].module.history.values()) {
      if (facts.qber !== undefined && released) bySequence.set(facts.ref.number, facts.qber);
    }
  }
  for (const { type, facts } of rig.view.node(end.nodeId).events.values()) {
    if (type !== "block_empty" && type !== "key_withheld") continue;
    if (typeof facts.sequence === "number" && typeof facts.qber === "number") {
      bySequence.set(facts.sequence, facts.qber);
    }
  }
  return [...bySequence].sort(([a], [b]) => a - b).map(([, qber]) => qber);
}

/** To be made after the nodes have stopped: their last counters are on the broker then. */
export function makeReport(
  rig: Rig,
  seconds: number,
  kms?: ShownKms,
  applications?: ShownApplications,
): Report {
  const ends = {} as Record<EndName, EndReport>;
  for (const name of endNames) {
    const { supplied, confirmed, withheld, empty_blocks, bits } = rig.view.counters(
      rig[name].nodeId,
    );
    const qber = qbers(rig, rig[name]);
    const km = kms?.report(name);
    ends[name] = { supplied, confirmed, withheld, empty_blocks, bits, qber, ...(km && { km }) };
  }
  if (kms !== undefined) {
    const told = applications && { applications: applications.report };
    return { ends, mismatches: kms.differing, ...told, seconds: rounded(seconds) };
  }
  const { different, oneSided } = rig.compare();
  // Cut short at N keys, one end may be a little ahead: only a whole run must match one to one.
  const mismatches = different + (rig.settled() ? oneSided : 0);
  return { ends, mismatches, seconds: rounded(seconds) };
}

/** Seconds, to the millisecond. */
export function rounded(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
