/**
 * The quality gate: what keeps a block back from the KM before any key of it is made. Only what both
 * ends of a link know counts, so that both keep back the same blocks; and what is in doubt at this end.
 */
import type { BlockFacts, KeyBlock } from "../port/key.ts";
import type { CustodyCounters } from "./counters.ts";
import { blockFacts, type CustodyEvent } from "./events.ts";
import type { BlockRecord, Ledger, WithheldReason } from "./ports.ts";

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
    if (record?.withheld === true && !isLate) return false;
    const reason = this.#why(facts, record);
    if (facts.qber === undefined && (reason === undefined || reason === "no_qber")) {
      this.#parts.counters.without_qber++;
      if (reason === undefined) this.#tell("block_without_qber", facts, {});
    }
    if (reason !== undefined) this.#withhold(block, reason);
    else if (isLate) this.#parts.ledger.append({ kind: "reinstated", ref, keyId: undefined });
    return reason === undefined;
  }

  /** @returns undefined for a block that may be supplied */
  #why({ ref, qber }: BlockFacts, record: BlockRecord | undefined): WithheldReason | undefined {
    const { qberLimit, qberRequired = true } = this.#options;
    const { ledger } = this.#parts;
    if (record?.allowed === true) return undefined;
    const past = record === undefined && ledger.isPast(ref);
    if (past !== false) return past === "unknown" ? "past_unknown" : "replayed";
    if (qber === undefined && qberRequired) return "no_qber";
    if (qber !== undefined && qber > qberLimit) return "qber";
    return ledger.isDoubtful(ref) ? "ledger_repaired" : undefined;
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
