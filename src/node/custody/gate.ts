/**
 * The quality gate: what keeps a block back from the KM before any key of it is made. Only what both
 * ends of a link know counts, so that both keep back the same blocks; and what is in doubt at this end.
 */

import type { BlockFacts, KeyBlock } from "../../port/key.ts";
import type { CustodyCounters } from "../keys/counters.ts";
import { isWithheld } from "../keys/life.ts";
import type { BlockRecord, Ledger, WithheldReason } from "../keys/ports.ts";
import { blockFacts, type CustodyEvent } from "./events.ts";

export interface GateOptions {
  /** A block with a higher QBER is withheld; 0 to 0.5. */
  readonly qberLimit: number;
  /** Whether a block without a QBER is withheld; default: it is. */
  readonly qberRequired?: boolean;
}

export interface GateParts {
  readonly ledger: Pick<Ledger, "append" | "isDoubtful" | "isPast">;
  readonly counters: CustodyCounters;
  readonly onEvent: (event: CustodyEvent) => void;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #parts: GateParts;

  constructor(options: GateOptions, parts: GateParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Whether a block may be supplied; if not, that is recorded and told. */
  passes(block: KeyBlock, record: BlockRecord | undefined): boolean {
    const { ref, facts } = block;
    // A figure that came late is as good as one in time: the other end decides by it as well.
    const isLate = record?.why === "no_qber" && facts.qber !== undefined;
    if (record !== undefined && isWithheld(record.state) && !isLate) return false;
    const reason = this.#why(facts, record);
    if (facts.qber === undefined && (reason === undefined || reason === "no_qber")) {
      this.#parts.counters.without_qber++;
      if (reason === undefined) this.#tell("block_without_qber", facts, {});
    }
    if (reason !== undefined) this.#withhold(block, reason);
    else if (isLate) {
      const entry = { kind: "reinstated", ref, keyId: undefined, reason: "no_qber" } as const;
      this.#parts.ledger.append(entry);
    }
    return reason === undefined;
  }

  /** @returns undefined for a block that may be supplied */
  #why(facts: BlockFacts, record: BlockRecord | undefined): WithheldReason | undefined {
    for (const reason of this.#reasons(facts, record)) {
      // An operator's word about one reason says nothing about another.
      if (record?.allowed.has(reason) !== true) return reason;
    }
    return undefined;
  }

  *#reasons({ ref, qber }: BlockFacts, record: BlockRecord | undefined): Iterable<WithheldReason> {
    const { qberLimit, qberRequired = true } = this.#options;
    const { ledger } = this.#parts;
    const past = ledger.isPast(ref);
    if (past === true) yield "replayed";
    // One that was recorded and not let go of since is known.
    else if (past === "unknown" && record === undefined) yield "past_unknown";
    if (qber === undefined && qberRequired) yield "no_qber";
    if (qber !== undefined && qber > qberLimit) yield "qber";
    if (ledger.isDoubtful(ref)) yield "ledger_repaired";
  }

  #withhold({ ref, facts }: KeyBlock, reason: WithheldReason): void {
    const { ledger, counters } = this.#parts;
    ledger.append({ kind: "withheld", ref, reason });
    const isReplay = reason === "replayed" || reason === "past_unknown";
    if (isReplay) counters.replayed_blocks++;
    else counters.withheld++;
    const limit = reason === "qber" ? { limit: this.#options.qberLimit } : {};
    this.#tell(isReplay ? "block_replayed" : "key_withheld", facts, { reason, ...limit });
  }

  #tell(type: CustodyEvent["type"], facts: BlockFacts, more: CustodyEvent["facts"]): void {
    this.#parts.onEvent({ type, facts: { ...blockFacts(facts), ...more } });
  }
}
