/**
 * What is kept back from the KM: blocks above the quality gate, keys that were refused for good,
 * blocks that cannot be read. It stays in the module until an operator decides; each decision is on
 * disk before anything follows from it, and an event tells of it. The next keys do not wait for it.
 */
import { type BlockRef, blockName } from "../port/key.ts";
import type { ModuleSession } from "../port/module.ts";
import type { CustodyEvent } from "./events.ts";
import type { BlockRecord, Ledger } from "./ports.ts";

export interface AsideParts {
  readonly ledger: Ledger;
  readonly session: () => ModuleSession | undefined;
  /** Whether keys of the block are in the node's memory, on their way. */
  readonly isHeld: (block: string) => boolean;
  /** Takes a key that waits out of the queue, into quarantine. @returns false if it does not wait */
  readonly pull: (keyId: string) => boolean;
  readonly onEvent: (event: CustodyEvent) => void;
}

/** Something that is kept back. */
export interface KeptBack {
  /** `EPOCH/NUMBER` */
  readonly block: string;
  /** Of a key in quarantine. */
  readonly key_ID?: string;
  readonly why: "withheld" | "quarantined" | "damaged" | "discarded";
  /** A KM's reason, or `operator`. */
  readonly reason?: string;
}

/** Why an operator's wish is not carried out. */
export type Objection = "unknown" | "on_its_way" | "with_the_KM" | "not_kept_back";

/** The same in words. */
export const objections: Readonly<Record<Objection, string>> = {
  unknown: "no such key or block is known here",
  on_its_way: "it is on its way to a KM: try again in a moment",
  with_the_KM: "the KM has it",
  not_kept_back: "it is not kept back",
};

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const block = /^([0-9a-f]{16})\/(\d{1,16})$/;

export class Aside {
  readonly #parts: AsideParts;

  constructor(parts: AsideParts) {
    this.#parts = parts;
  }

  /** @param limit most entries; what is kept back is bounded by the module alone */
  list(limit: number): KeptBack[] {
    const found: KeptBack[] = [];
    for (const record of this.#parts.ledger.blocks()) {
      if (found.length >= limit) break;
      const name = blockName(record.ref);
      if (record.discarded) found.push({ block: name, why: "discarded" });
      else if (record.withheld) found.push({ block: name, why: "withheld" });
      else if (record.damaged) found.push({ block: name, why: "damaged" });
      for (const [key_ID, reason] of record.quarantined) {
        found.push({ block: name, key_ID, why: "quarantined", reason });
      }
    }
    return found.slice(0, limit);
  }

  /**
   * Has a key in quarantine, or all that is kept back of a block, supplied after all, under the IDs
   * that it always had. Both ends of a link are to decide alike.
   * @param name a key_ID, or a block as `EPOCH/NUMBER`
   * @returns undefined if it is done
   */
  reinstate(name: string): Objection | undefined {
    const found = this.#find(name);
    if (typeof found === "string") return found;
    const { record, keyId } = found;
    const { ref } = record;
    this.#record({ kind: "reinstated", ref, keyId }, "key_reinstated", () =>
      this.#parts.session()?.read([ref]),
    );
    return undefined;
  }

  /**
   * Gives up a key in quarantine, or a block of which something is kept back: the module is told to
   * destroy it, a single key once nothing else of its block is wanted.
   * @param name a key_ID, or a block as `EPOCH/NUMBER`
   */
  discard(name: string): Objection | undefined {
    const found = this.#find(name);
    if (typeof found === "string") return found;
    const { record, keyId } = found;
    const { ref } = record;
    this.#record({ kind: "discarded", ref, keyId }, "key_discarded", () => {
      // Read again, a block of which nothing is wanted any more is released as a whole.
      if (keyId === undefined) this.#parts.session()?.discard([ref]);
      else this.#parts.session()?.read([ref]);
    });
    return undefined;
  }

  /**
   * Keeps back a key that waits in the node (into quarantine), or a block that was not taken up yet.
   * @param name a key_ID, or a block as `EPOCH/NUMBER`
   */
  withhold(name: string): Objection | undefined {
    const { ledger, isHeld, pull, onEvent } = this.#parts;
    if (uuid.test(name)) return pull(name) ? undefined : "on_its_way";
    const ref = refOf(name);
    if (ref === undefined) return "unknown";
    const record = ledger.get(blockName(ref));
    if (record?.complete === true) return "with_the_KM";
    const begun = (record?.deliveredBits ?? 0) > 0 || (record?.delivered.size ?? 0) > 0;
    if (begun || isHeld(blockName(ref))) return "on_its_way";
    ledger.append({ kind: "withheld", ref });
    onEvent({ type: "key_withheld", facts: { block: name, reason: "operator" } });
    return undefined;
  }

  #record(
    entry: Parameters<Ledger["append"]>[0] & { kind: "reinstated" | "discarded" },
    type: CustodyEvent["type"],
    then: () => void,
  ): void {
    const { ledger, onEvent } = this.#parts;
    const { ref, keyId } = entry;
    ledger.append(entry);
    onEvent({
      type,
      facts: { block: blockName(ref), ...(keyId !== undefined && { key_ID: keyId }) },
    });
    ledger.whenDurable(then);
  }

  /** What is kept back under this name. */
  #find(name: string): Objection | { record: BlockRecord; keyId: string | undefined } {
    const { ledger, isHeld } = this.#parts;
    const ref = refOf(name);
    const record = ref === undefined ? this.#withQuarantined(name) : ledger.get(blockName(ref));
    if (record === undefined) return "unknown";
    // Read again now it would be taken for a repeat of what is on its way.
    if (isHeld(blockName(record.ref))) return "on_its_way";
    const { withheld, damaged, quarantined, discarded } = record;
    const keptBack = withheld || damaged || quarantined.size > 0;
    if (!keptBack || discarded) return "not_kept_back";
    return { record, keyId: ref === undefined ? name : undefined };
  }

  #withQuarantined(keyId: string): BlockRecord | undefined {
    if (!uuid.test(keyId)) return undefined;
    for (const record of this.#parts.ledger.blocks()) {
      if (record.quarantined.has(keyId)) return record;
    }
    return undefined;
  }
}

function refOf(name: string): BlockRef | undefined {
  const [, epoch, digits] = block.exec(name) ?? [];
  const number = Number(digits);
  return epoch === undefined || !Number.isSafeInteger(number) ? undefined : { epoch, number };
}
