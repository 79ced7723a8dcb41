/** What the entries of a ledger amount to: one record for each block not yet released. Pure. */
import { type BlockRef, blockName } from "../../port/key.ts";
import { type BlockState, isDamaged, isOpen, isWithheld, next } from "../keys/life.ts";
import {
  type Assignment,
  type BlockRecord,
  interrupted,
  type KeptBackReason,
  type LedgerEntry,
  unclaimed,
  type WithheldReason,
  withheldReasons,
} from "../keys/ports.ts";
import { eventOf } from "./block-events.ts";
import { Claims } from "./claims.ts";
import { Doubts } from "./doubts.ts";
import { KeyFormatHistory } from "./key-formats.ts";
import { Pairs } from "./pairs.ts";
import { ReleasedBlocks } from "./released-blocks.ts";

interface MutableRecord {
  readonly ref: BlockRef;
  state: BlockState;
  why: WithheldReason | undefined;
  allowed: Set<WithheldReason>;
  gone: Set<string>;
  deliveredBits: number;
  delivered: Set<string>;
  quarantined: Map<string, string>;
  assigned: Map<string, Assignment>;
  sent: Set<string>;
}

/** Of all records that have none, which most never have; nothing is ever put into them. */
const noIds = new Set<string>();
const noReasons = new Map<string, string>();
const noPlaces = new Map<string, Assignment>();
const noWords = new Set<WithheldReason>();

function withId(ids: Set<string>, id: string): Set<string> {
  return ids === noIds ? new Set([id]) : ids.add(id);
}

/** What is said of one block that the module was not yet seen to release. */
type BlockEntry = Exclude<
  LedgerEntry,
  {
    readonly kind:
      | "cut"
      | "claimed"
      | "untouched"
      | "freed"
      | "name"
      | "module"
      | "paired"
      | "doubtful"
      | "repaired"
      | "doubt_over"
      | "trusted"
      | "past"
      | "forgotten"
      | "released";
  }
>;

export class LedgerIndex {
  readonly #blocks = new Map<string, MutableRecord>();
  /** Not of one block: how they are cut, whose they are, what is past, what is doubtful. */
  readonly formats = new KeyFormatHistory();
  readonly claims = new Claims();
  readonly pairs = new Pairs();
  readonly past = new ReleasedBlocks();
  readonly doubts = new Doubts();

  get(block: string): BlockRecord | undefined {
    return this.#blocks.get(block);
  }

  /** Where a block is in its life. */
  stateOf(ref: BlockRef): BlockState {
    const known = this.#blocks.get(blockName(ref))?.state;
    return known ?? (this.past.has(ref) === true ? "released" : "offered");
  }

  /** Whether that can happen to the block that it is about. */
  allows(entry: LedgerEntry): boolean {
    if (!("ref" in entry)) return true;
    const why = this.#blocks.get(blockName(entry.ref))?.why;
    const event = eventOf(entry, why);
    return event === undefined || next(this.stateOf(entry.ref), event) !== undefined;
  }

  blocks(): Iterable<BlockRecord> {
    return this.#blocks.values();
  }

  get size(): { blocks: number; epochs: number } {
    return {
      blocks: this.#blocks.size,
      epochs: Math.max(this.formats.epochs, this.pairs.epochs),
    };
  }

  /** Entries that would say the same as all that were applied. */
  live(): number {
    const { formats, claims, pairs, past, doubts } = this;
    let count = formats.size + claims.size + pairs.size + past.size + doubts.size;
    for (const record of this.#blocks.values()) count += size(record);
    return count;
  }

  /** Takes an entry as it comes: what earlier versions wrote may not be in the table, and is no move then. */
  apply(entry: LedgerEntry): void {
    switch (entry.kind) {
      case "cut": {
        const { ref, keyBits, onRequest, claimant } = entry;
        const from = this.formats.add(ref, { keyBits, onRequest });
        if (from !== undefined && claimant !== undefined) this.claims.add(ref, from, claimant);
        return;
      }
      case "claimed":
        return this.claims.add(entry.ref, entry.from, entry.claimant);
      case "untouched":
        return this.claims.untouched(entry.ref);
      case "freed":
        return this.#free(entry.claimant);
      case "name":
        return this.pairs.addName(entry.id, entry.part, entry.hex);
      case "module":
        return this.pairs.setModule(entry.id);
      case "paired":
        return this.pairs.setEpoch(entry.ref.epoch, entry.id);
      case "doubtful":
        return this.doubts.add(entry.ref);
      case "repaired":
        // What an operator allowed before was allowed on what was known then.
        for (const record of this.#blocks.values()) record.allowed = noWords;
        return this.doubts.begin();
      case "doubt_over":
        return this.doubts.end();
      case "trusted":
        return this.doubts.clear();
      case "past":
        return this.past.add(entry.ref, entry.from);
      case "forgotten":
        return this.past.forget(entry.ref);
      case "released":
        this.#blocks.delete(blockName(entry.ref));
        return this.past.add(entry.ref);
      default:
        this.#applyToBlock(entry);
    }
  }

  #applyToBlock(entry: BlockEntry): void {
    const name = blockName(entry.ref);
    let record = this.#blocks.get(name);
    if (record === undefined) {
      record = {
        ref: entry.ref,
        state: this.stateOf(entry.ref),
        why: undefined,
        allowed: noWords,
        gone: noIds,
        deliveredBits: 0,
        delivered: noIds,
        quarantined: noReasons,
        assigned: noPlaces,
        sent: noIds,
      };
      this.#blocks.set(name, record);
    }
    const event = eventOf(entry, record.why);
    const before = record.state;
    // What is recorded of it again is no longer released.
    record.state = (event && next(before, event)) ?? (before === "released" ? "offered" : before);
    if (!isWithheld(record.state)) record.why = undefined;
    switch (entry.kind) {
      case "delivered":
        record.delivered = withId(record.delivered, entry.keyId);
        record.sent.delete(entry.keyId);
        break;
      case "sent":
        if (!record.delivered.has(entry.keyId)) record.sent = withId(record.sent, entry.keyId);
        break;
      case "returned":
        free(record, entry.keyId);
        record.sent.delete(entry.keyId);
        break;
      case "delivered_to":
        record.deliveredBits = Math.max(record.deliveredBits, entry.bits);
        break;
      case "quarantined":
        if (record.quarantined === noReasons) record.quarantined = new Map();
        record.quarantined.set(entry.keyId, entry.reason);
        break;
      case "assigned": {
        const { offset, length, claimant } = entry;
        if (record.assigned === noPlaces) record.assigned = new Map();
        record.assigned.set(entry.keyId, { offset, length, claimant });
        break;
      }
      case "complete":
        record.deliveredBits = 0;
        record.delivered = noIds;
        record.assigned = noPlaces;
        record.sent = noIds;
        record.gone = noIds;
        break;
      case "discarded":
        if (entry.keyId === undefined) break;
        record.quarantined.delete(entry.keyId);
        record.gone = withId(record.gone, entry.keyId);
        break;
      case "reinstated":
        if (entry.keyId !== undefined) reinstate(record, entry.keyId);
        else reinstateBlock(record, entry.reason);
        // Of a block that is read again because it was damaged nothing is known then.
        if (entry.reason === "damaged" && size(record) === 0) this.#blocks.delete(name);
        break;
      case "withheld":
        if (isWithheld(record.state)) record.why = entry.reason;
        break;
      case "damaged":
        break;
    }
  }

  #free(claimant: string): void {
    this.claims.free(claimant);
    // Where a unit was cut stays, since the IDs of its pieces may be known.
    for (const { assigned } of this.#blocks.values()) {
      for (const [keyId, one] of assigned) {
        if (one.claimant === claimant) assigned.set(keyId, { ...one, claimant: unclaimed });
      }
    }
  }

  /** The fewest entries that lead to the same index. */
  *entries(): Iterable<LedgerEntry> {
    yield* this.pairs.entries();
    yield* this.formats.entries();
    yield* this.claims.entries();
    yield* this.past.entries();
    yield* this.doubts.entries();
    for (const { ref, ...record } of this.#blocks.values()) {
      // Before what is withheld or in quarantine: it would lift that.
      for (const reason of record.allowed) {
        yield { kind: "reinstated", ref, keyId: undefined, reason };
      }
      // Before what is known of single keys: it would end that.
      if (!isOpen(record.state)) yield* decided(ref, record.state);
      for (const keyId of record.gone) yield { kind: "discarded", ref, keyId };
      if (isWithheld(record.state)) yield withheld(ref, record.why);
      if (isDamaged(record.state)) yield { kind: "damaged", ref };
      for (const [keyId, one] of record.assigned) yield { kind: "assigned", ref, keyId, ...one };
      for (const keyId of record.sent) yield { kind: "sent", ref, keyId };
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

function* decided(ref: BlockRef, state: BlockState): Iterable<LedgerEntry> {
  if (state === "complete") yield { kind: "complete", ref };
  if (state === "discarded") yield { kind: "discarded", ref, keyId: undefined };
}

function withheld(ref: BlockRef, reason: WithheldReason | undefined): LedgerEntry {
  return reason === undefined ? { kind: "withheld", ref } : { kind: "withheld", ref, reason };
}

/** A piece belongs to no request any more. Where it was cut stays, since its ID may be known. */
function free(record: MutableRecord, keyId: string): void {
  const place = record.assigned.get(keyId);
  if (place !== undefined) record.assigned.set(keyId, { ...place, claimant: unclaimed });
}

/** Lifts a quarantine. Of an answer that broke off that is an operator's word that the KM has no key. */
function reinstate(record: MutableRecord, keyId: string): void {
  if (record.quarantined.get(keyId) === interrupted) free(record, keyId);
  record.quarantined.delete(keyId);
}

/** @param reason the one that an operator decided about; undefined: all that is kept back */
function reinstateBlock(record: MutableRecord, reason: KeptBackReason | undefined): void {
  if (reason === "damaged") return;
  record.allowed = new Set([...record.allowed, ...(reason ? [reason] : withheldReasons)]);
  if (reason !== undefined) return;
  for (const keyId of record.quarantined.keys()) reinstate(record, keyId);
}

function size(record: MutableRecord): number {
  const { state, deliveredBits } = record;
  const { allowed, delivered, quarantined, assigned, sent, gone } = record;
  const said = [!isOpen(state), isWithheld(state), isDamaged(state), deliveredBits > 0];
  const ids = [allowed, delivered, quarantined, assigned, sent, gone];
  return ids.reduce((sum, one) => sum + one.size, said.filter(Boolean).length);
}
