/**
 * What is kept back from the KM: blocks above the quality gate, keys that were refused for good,
 * blocks that cannot be read. It stays in the module until an operator decides; each decision is on
 * disk before anything follows from it, and an event tells of it. The next keys do not wait for it.
 */

import { type BlockRef, blockName } from "../../port/key.ts";
import { isDamaged, isOpen, isWithheld } from "../keys/life.ts";
import type { BlockRecord, Ledger, LedgerEntry, WithheldReason } from "../keys/ports.ts";
import type { CustodyEvent } from "./events.ts";
import type { OwnSession } from "./own-session.ts";

export interface KeptBackKeysParts {
  readonly ledger: Ledger;
  readonly session: () => OwnSession | undefined;
  /** Whether keys of the block are in the node's memory, on their way. */
  readonly isHeld: (block: string) => boolean;
  /** Blocks of which keys wait for KMs that are not configured: their names and those KMs. */
  readonly strays: () => Iterable<{ readonly ref: BlockRef; readonly kms: readonly string[] }>;
  /** Has blocks of which some keys are kept back while others wait to be asked for. */
  readonly desk: {
    keepsBack(block: string): boolean;
    decided(block: string): boolean;
  };
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
  /** `other_km`: keys of it wait for a KM that is not configured. */
  readonly why: "withheld" | "quarantined" | "damaged" | "discarded" | "other_km";
  /** Why it is withheld (`WithheldReason`), a KM's reason, or the KM that it waits for. */
  readonly reason?: string;
}

/** How much is kept back, by what for: `withheld.ledger_repaired`, `quarantined`, `other_km`. */
export type KeptBackCounts = Readonly<Record<string, number>>;

/** Which of what is kept back an operator means; nothing said: all of it. */
export interface Selection {
  /** As in {@link KeptBack}. */
  readonly reason?: string;
  /** 16 hex digits */
  readonly epoch?: string;
}

/** Why an operator's wish is not carried out. */
export type Objection =
  | "unknown"
  | "on_its_way"
  | "with_the_KM"
  | "not_kept_back"
  | "let_go"
  | "waits_for_km";

/** The same in words. */
export const objections: Readonly<Record<Objection, string>> = {
  unknown: "no such key or block is known here",
  on_its_way: "it is on its way to a KM: try again in a moment",
  with_the_KM: "the KM has it",
  not_kept_back: "it is not kept back",
  let_go: "the module has let go of it",
  waits_for_km: "keys of it may be with a KM that is not configured: see `qkd-node free-km`",
};

const repaired: WithheldReason = "ledger_repaired";
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const block = /^([0-9a-f]{16})\/(\d{1,16})$/;

type Decision = Extract<LedgerEntry, { readonly kind: "reinstated" | "discarded" }>;

export class KeptBackKeys {
  readonly #parts: KeptBackKeysParts;

  constructor(parts: KeptBackKeysParts) {
    this.#parts = parts;
  }

  /** @param limit most entries; what is kept back is bounded by the module alone */
  list(limit: number): KeptBack[] {
    const found: KeptBack[] = [];
    for (const record of this.#parts.ledger.blocks()) {
      if (found.length >= limit) break;
      const name = blockName(record.ref);
      if (record.state === "discarded") found.push({ block: name, why: "discarded" });
      else if (isWithheld(record.state)) {
        const reason = record.why === undefined ? {} : { reason: record.why };
        found.push({ block: name, why: "withheld", ...reason });
      }
      if (isDamaged(record.state)) found.push({ block: name, why: "damaged" });
      for (const [key_ID, reason] of record.quarantined) {
        found.push({ block: name, key_ID, why: "quarantined", reason });
      }
    }
    for (const { ref, kms } of this.#parts.strays()) {
      if (found.length >= limit) break;
      found.push({ block: blockName(ref), why: "other_km", reason: kms.join(", ") });
    }
    return found.slice(0, limit);
  }

  /** All that is kept back, counted: keys in quarantine, else blocks. */
  counts(): KeptBackCounts {
    const counts: Record<string, number> = {};
    const count = (name: string, more = 1) => {
      if (more > 0) counts[name] = (counts[name] ?? 0) + more;
    };
    for (const { state, why, quarantined } of this.#parts.ledger.blocks()) {
      if (state === "discarded") continue;
      if (isWithheld(state)) count(why === undefined ? "withheld" : `withheld.${why}`);
      if (isDamaged(state)) count("damaged");
      count("quarantined", quarantined.size);
    }
    for (const _ of this.#parts.strays()) count("other_km");
    return counts;
  }

  /**
   * Decides about all that is kept back and meant. Blocks that are withheld or damaged are given up as a
   * whole; supplied, what is kept back of them for another reason stays so.
   * @returns how many blocks that concerns
   */
  decideAll(what: "reinstate" | "discard", { reason, epoch }: Selection): number {
    const { ledger, isHeld, desk, onEvent, session } = this.#parts;
    const isMeant = (why: string | undefined) => reason === undefined || why === reason;
    const whole: BlockRef[] = [];
    const inPart: BlockRef[] = [];
    for (const record of [...ledger.blocks()]) {
      const { ref, why, state } = record;
      const name = blockName(ref);
      const held = isHeld(name);
      if (!isOpen(state) || (epoch !== undefined && epoch !== ref.epoch)) continue;
      const all =
        !held && ((isWithheld(state) && isMeant(why)) || (isDamaged(state) && isMeant("damaged")));
      if (all) whole.push(ref);
      if (held && !desk.keepsBack(name)) continue;
      const entries = decisions(what, record, isMeant, all);
      for (const entry of entries) ledger.append(entry);
      if (!all && entries.length > 0) inPart.push(ref);
    }
    const isRepair = reason === repaired && epoch === undefined;
    if (isRepair && what === "reinstate") ledger.append({ kind: "trusted" });
    // Of a module that is away it is not known yet what it holds: that is none that was given up.
    else if (isRepair && session() !== undefined) ledger.append({ kind: "doubt_over" });
    const blocks = whole.length + inPart.length;
    if (blocks === 0 && !isRepair) return 0;
    const facts = { blocks, ...(reason !== undefined && { reason }), ...(epoch && { epoch }) };
    onEvent({ type: what === "reinstate" ? "key_reinstated" : "key_discarded", facts });
    ledger.whenDurable(() => {
      if (what === "reinstate") session()?.read(whole);
      else session()?.discard(whole);
      for (const ref of inPart) this.#readAgain(ref);
    });
    return blocks;
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
    const entries =
      keyId === undefined
        ? decisions("reinstate", record, () => true, true)
        : [{ kind: "reinstated", ref, keyId } as const];
    this.#record(entries, "key_reinstated", { ref, keyId }, () => this.#readAgain(ref));
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
    const entries = [{ kind: "discarded", ref, keyId } as const];
    this.#record(entries, "key_discarded", { ref, keyId }, () => {
      // Read again, a block of which nothing is wanted any more is released as a whole.
      if (keyId === undefined) this.#parts.session()?.discard([ref]);
      else this.#readAgain(ref);
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
    if (record?.state === "complete") return "with_the_KM";
    if (record?.state === "discarded") return "let_go";
    // What is past leaves no record: it would stay for ever.
    if (record === undefined && ledger.isPast(ref) === true) return "let_go";
    const begun = (record?.deliveredBits ?? 0) > 0 || (record?.delivered.size ?? 0) > 0;
    if (begun || isHeld(blockName(ref))) return "on_its_way";
    ledger.append({ kind: "withheld", ref, reason: "operator" });
    onEvent({ type: "key_withheld", facts: { block: name, reason: "operator" } });
    return undefined;
  }

  #record(
    entries: readonly Decision[],
    type: CustodyEvent["type"],
    { ref, keyId }: Pick<Decision, "ref" | "keyId">,
    then: () => void,
  ): void {
    const { ledger, onEvent } = this.#parts;
    for (const entry of entries) ledger.append(entry);
    onEvent({
      type,
      facts: { block: blockName(ref), ...(keyId !== undefined && { key_ID: keyId }) },
    });
    ledger.whenDurable(then);
  }

  /** What was decided of this block is to be seen to: here, or once the module has sent it again. */
  #readAgain(ref: BlockRef): void {
    const { desk, session } = this.#parts;
    if (!desk.decided(blockName(ref))) session()?.read([ref]);
  }

  /** What is kept back under this name. */
  #find(name: string): Objection | { record: BlockRecord; keyId: string | undefined } {
    const { ledger, isHeld, desk } = this.#parts;
    const ref = refOf(name);
    const record = ref === undefined ? this.#withQuarantined(name) : ledger.get(blockName(ref));
    for (const stray of this.#parts.strays()) {
      if (blockName(stray.ref) === name) return "waits_for_km";
    }
    if (record === undefined) return "unknown";
    // Read again now it would be taken for a repeat of what is on its way.
    const block = blockName(record.ref);
    const decidable = ref === undefined && desk.keepsBack(block);
    if (isHeld(block) && !decidable) return "on_its_way";
    const { state, quarantined } = record;
    const keptBack = isWithheld(state) || isDamaged(state) || quarantined.size > 0;
    if (!keptBack || !isOpen(state)) return "not_kept_back";
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

/**
 * What is recorded of a decision: of each reason by itself, so that it lifts nothing that is kept back
 * for another. A block that is given up is so as a whole.
 * @param whole whether the block itself is meant, beside keys of it in quarantine
 */
function decisions(
  what: "reinstate" | "discard",
  { ref, state, why, quarantined }: BlockRecord,
  isMeant: (why: string | undefined) => boolean,
  whole: boolean,
): Decision[] {
  if (whole && what === "discard") return [{ kind: "discarded", ref, keyId: undefined }];
  const kind = what === "reinstate" ? "reinstated" : "discarded";
  const block = { kind: "reinstated", ref, keyId: undefined } as const;
  const entries: Decision[] = [];
  if (whole && isWithheld(state) && isMeant(why)) {
    entries.push(why === undefined ? block : { ...block, reason: why });
  }
  if (whole && isDamaged(state) && isMeant("damaged"))
    entries.push({ ...block, reason: "damaged" });
  for (const [keyId, reason] of quarantined) {
    if (isMeant(reason)) entries.push({ kind, ref, keyId });
  }
  return entries;
}

function refOf(name: string): BlockRef | undefined {
  const [, epoch, digits] = block.exec(name) ?? [];
  const number = Number(digits);
  return epoch === undefined || !Number.isSafeInteger(number) ? undefined : { epoch, number };
}
