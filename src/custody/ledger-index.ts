/** What the entries of a ledger amount to: one record for each block not yet released. Pure. */
import { type BlockRef, blockName } from "../port/key.ts";
import { Cuts } from "./cuts.ts";
import type { Assignment, BlockRecord, LedgerEntry } from "./ports.ts";

interface MutableRecord {
  readonly ref: BlockRef;
  complete: boolean;
  withheld: boolean;
  damaged: boolean;
  readonly delivered: Set<string>;
  readonly quarantined: Map<string, string>;
  readonly assigned: Map<string, Assignment>;
}

export class LedgerIndex {
  readonly #blocks = new Map<string, MutableRecord>();
  /** Not of one block: how they are cut. */
  readonly cuts = new Cuts();

  get(block: string): BlockRecord | undefined {
    return this.#blocks.get(block);
  }

  blocks(): Iterable<BlockRecord> {
    return this.#blocks.values();
  }

  /** Entries that would say the same as all that were applied. */
  live(): number {
    let count = this.cuts.size;
    for (const record of this.#blocks.values()) count += size(record);
    return count;
  }

  apply(entry: LedgerEntry): void {
    if (entry.kind === "cut") {
      const { ref, keyBits, onRequest, slot } = entry;
      this.cuts.add(ref, { keyBits, onRequest, slot });
      return;
    }
    if (entry.kind === "freed") return this.#free(entry.slot);
    const name = blockName(entry.ref);
    if (entry.kind === "released") {
      this.#blocks.delete(name);
      return;
    }
    let record = this.#blocks.get(name);
    if (record === undefined) {
      record = {
        ref: entry.ref,
        complete: false,
        withheld: false,
        damaged: false,
        delivered: new Set(),
        quarantined: new Map(),
        assigned: new Map(),
      };
      this.#blocks.set(name, record);
    }
    switch (entry.kind) {
      case "delivered":
        record.delivered.add(entry.keyId);
        break;
      case "quarantined":
        record.quarantined.set(entry.keyId, entry.reason);
        break;
      case "assigned": {
        const { offset, length, slot } = entry;
        record.assigned.set(entry.keyId, { offset, length, slot });
        break;
      }
      case "complete":
        record.complete = true;
        record.delivered.clear();
        record.assigned.clear();
        break;
      default:
        record[entry.kind] = true;
    }
  }

  #free(slot: string): void {
    this.cuts.free(slot);
    for (const { assigned } of this.#blocks.values()) {
      for (const [keyId, one] of assigned) if (one.slot === slot) assigned.delete(keyId);
    }
  }

  /** The fewest entries that lead to the same index. */
  *entries(): Iterable<LedgerEntry> {
    yield* this.cuts.entries();
    for (const { ref, ...record } of this.#blocks.values()) {
      if (record.complete) yield { kind: "complete", ref };
      if (record.withheld) yield { kind: "withheld", ref };
      if (record.damaged) yield { kind: "damaged", ref };
      for (const [keyId, one] of record.assigned) yield { kind: "assigned", ref, keyId, ...one };
      for (const keyId of record.delivered) yield { kind: "delivered", ref, keyId };
      for (const [keyId, reason] of record.quarantined) {
        yield { kind: "quarantined", ref, keyId, reason };
      }
    }
  }
}

function size(record: MutableRecord): number {
  const flags = Number(record.complete) + Number(record.withheld) + Number(record.damaged);
  return flags + record.delivered.size + record.quarantined.size + record.assigned.size;
}
