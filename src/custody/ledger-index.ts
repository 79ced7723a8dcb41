/** What the entries of a ledger amount to: one record for each block not yet released. Pure. */
import { type BlockRef, blockName } from "../port/key.ts";
import { Cuts } from "./cuts.ts";
import { Past } from "./past.ts";
import type { Assignment, BlockRecord, LedgerEntry } from "./ports.ts";

interface MutableRecord {
  readonly ref: BlockRef;
  complete: boolean;
  withheld: boolean;
  damaged: boolean;
  discarded: boolean;
  allowed: boolean;
  gone: Set<string>;
  deliveredBits: number;
  delivered: Set<string>;
  quarantined: Map<string, string>;
  assigned: Map<string, Assignment>;
}

/** Of all records that have none, which most never have; nothing is ever put into them. */
const noIds = new Set<string>();
const noReasons = new Map<string, string>();
const noPlaces = new Map<string, Assignment>();

function withId(ids: Set<string>, id: string): Set<string> {
  return ids === noIds ? new Set([id]) : ids.add(id);
}

export class LedgerIndex {
  readonly #blocks = new Map<string, MutableRecord>();
  /** Not of one block: how they are cut. */
  readonly cuts = new Cuts();
  readonly past = new Past();
  /** Epoch → last block of it of which something may have been lost. */
  readonly #doubts = new Map<string, number>();

  get(block: string): BlockRecord | undefined {
    return this.#blocks.get(block);
  }

  blocks(): Iterable<BlockRecord> {
    return this.#blocks.values();
  }

  isDoubtful({ epoch, number }: BlockRef): boolean {
    return number <= (this.#doubts.get(epoch) ?? -1);
  }

  /** Entries that would say the same as all that were applied. */
  live(): number {
    let count = this.cuts.size + this.past.size + this.#doubts.size;
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
    if (entry.kind === "doubtful") {
      const { epoch, number } = entry.ref;
      this.#doubts.set(epoch, Math.max(number, this.#doubts.get(epoch) ?? 0));
      return;
    }
    if (entry.kind === "past") return this.past.add(entry.ref, entry.from);
    const name = blockName(entry.ref);
    if (entry.kind === "released") {
      this.#blocks.delete(name);
      this.past.add(entry.ref);
      return;
    }
    let record = this.#blocks.get(name);
    if (record === undefined) {
      record = {
        ref: entry.ref,
        complete: false,
        withheld: false,
        damaged: false,
        discarded: false,
        allowed: false,
        gone: noIds,
        deliveredBits: 0,
        delivered: noIds,
        quarantined: noReasons,
        assigned: noPlaces,
      };
      this.#blocks.set(name, record);
    }
    switch (entry.kind) {
      case "delivered":
        record.delivered = withId(record.delivered, entry.keyId);
        break;
      case "delivered_to":
        record.deliveredBits = Math.max(record.deliveredBits, entry.bits);
        break;
      case "quarantined":
        if (record.quarantined === noReasons) record.quarantined = new Map();
        record.quarantined.set(entry.keyId, entry.reason);
        break;
      case "assigned": {
        const { offset, length, slot } = entry;
        if (record.assigned === noPlaces) record.assigned = new Map();
        record.assigned.set(entry.keyId, { offset, length, slot });
        break;
      }
      case "complete":
        record.complete = true;
        record.deliveredBits = 0;
        record.delivered = noIds;
        record.assigned = noPlaces;
        record.gone = noIds;
        break;
      case "discarded":
        if (entry.keyId === undefined) record.discarded = true;
        else {
          record.quarantined.delete(entry.keyId);
          record.gone = withId(record.gone, entry.keyId);
        }
        break;
      case "reinstated":
        if (entry.keyId !== undefined) record.quarantined.delete(entry.keyId);
        else {
          record.quarantined = noReasons;
          record.withheld = false;
          record.damaged = false;
          record.allowed = true;
        }
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
    yield* this.past.entries();
    for (const [epoch, number] of this.#doubts) yield { kind: "doubtful", ref: { epoch, number } };
    for (const { ref, ...record } of this.#blocks.values()) {
      // Before what is withheld or in quarantine: it would lift that.
      if (record.allowed) yield { kind: "reinstated", ref, keyId: undefined };
      if (record.discarded) yield { kind: "discarded", ref, keyId: undefined };
      for (const keyId of record.gone) yield { kind: "discarded", ref, keyId };
      if (record.complete) yield { kind: "complete", ref };
      if (record.withheld) yield { kind: "withheld", ref };
      if (record.damaged) yield { kind: "damaged", ref };
      for (const [keyId, one] of record.assigned) yield { kind: "assigned", ref, keyId, ...one };
      if (record.deliveredBits > 0) {
        yield { kind: "delivered_to", ref, bits: record.deliveredBits };
      }
      for (const keyId of record.delivered) yield { kind: "delivered", ref, keyId };
      for (const [keyId, reason] of record.quarantined) {
        yield { kind: "quarantined", ref, keyId, reason };
      }
    }
  }
}

function size(record: MutableRecord): number {
  const { complete, withheld, damaged, discarded, allowed, deliveredBits } = record;
  const { delivered, quarantined, assigned, gone } = record;
  const said = [complete, withheld, damaged, discarded, allowed, deliveredBits > 0];
  return (
    said.filter(Boolean).length + delivered.size + quarantined.size + assigned.size + gone.size
  );
}
