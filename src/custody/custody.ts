/**
 * Custody of one module's keys, from the moment a block arrives until the module has let go of it.
 *
 * The rule that everything here serves: the module keeps a block until the KM has answered `success`
 * for all of it and that is on disk; only then is the module told to release it. What this object
 * holds in memory can be lost at any moment without harm: the module offers it again.
 *
 * It does no I/O: a module session, a KM link and a ledger are handed to it, and taken away.
 */
import {
  type BlockFacts,
  type BlockRef,
  blockName,
  type KeyBlock,
  type QkdKey,
} from "../port/key.ts";
import type { ModuleSession } from "../port/module.ts";
import { Aside } from "./aside.ts";
import { type CustodyCounters, newCounters } from "./counters.ts";
import { Cutter } from "./cutter.ts";
import { Deliveries } from "./deliveries.ts";
import { Desk } from "./desk.ts";
import { blockFacts, type CustodyEvent } from "./events.ts";
import { KeyIds, slotOfKm } from "./key-id.ts";
import type { CustodyOptions, CustodyParts } from "./options.ts";
import { Pieces } from "./pieces.ts";
import type { BlockRecord, Cut, KeyDesk, KmLink, KmSink } from "./ports.ts";
import { Releases } from "./releases.ts";
import { Supplies } from "./supplies.ts";

export type { CustodyOptions, CustodyParts } from "./options.ts";

/** Upon request keys have this length unless configured, bits (the default of Table 3 here). */
export const defaultUnitBits = 256;

/** A block in memory, and how many of its keys the KM has not yet answered for. */
interface Held {
  readonly block: KeyBlock;
  unanswered: number;
  quarantined: boolean;
}

export class Custody implements KmSink {
  readonly #options: CustodyOptions;
  readonly #parts: CustodyParts;
  readonly #counters = newCounters();

  #session: ModuleSession | undefined;
  #ids: KeyIds | undefined;
  #stopping = false;
  readonly #supplies: Supplies<Held>;
  readonly #desk: Desk<Held>;
  readonly #cutter: Cutter;
  readonly #deliveries: Deliveries;
  readonly #kms: readonly string[];
  /** What is kept back, and what an operator does about it. */
  readonly aside: Aside;

  readonly #held = new Map<string, Held>();
  #heldBytes = 0;
  /** Credit that is given back once the ledger can be written again. */
  #owed = { blocks: 0, bytes: 0 };

  readonly #releases = new Releases(() => this.#session);

  constructor(options: CustodyOptions, parts: CustodyParts) {
    this.#options = options;
    this.#parts = parts;
    const { clock, log, backoff, ledger, halted = () => false } = parts;
    this.#kms = options.kms ?? ["km"];
    this.#supplies = new Supplies<Held>({
      kms: this.#kms,
      bind: (key, held, km, then) => this.#bind(key, held, km, then),
      clock,
      log,
      backoff,
      counters: this.#counters,
      allowed: () => ledger.failure === undefined && !halted(),
      delivered: (key, held) => this.#delivered(key, held),
      refused: (key, held, reason) => this.#quarantine(key, held, reason),
    });
    this.#desk = new Desk<Held>({
      clock,
      ledger,
      counters: this.#counters,
      halted,
      unitBits: options.keyBits ?? defaultUnitBits,
      ids: () => this.#ids as KeyIds,
      done: (held) => this.#leave(held),
    });
    const { onRequest = false, keyBits } = options;
    // Where there are several KMs, whose a key is gets recorded key by key.
    const alone = this.#kms.length === 1 && !onRequest;
    const cut = {
      keyBits: onRequest ? (keyBits ?? defaultUnitBits) : keyBits,
      onRequest,
      slot: alone ? slotOfKm(this.#kms[0] as string) : undefined,
    };
    this.#cutter = new Cutter(cut, ledger);
    this.#deliveries = new Deliveries(ledger, clock);
    this.aside = new Aside({
      ledger,
      session: () => this.#session,
      isHeld: (block) => this.#held.has(block),
      pull: (keyId) => this.#supplies.pull(keyId),
      onEvent: parts.onEvent,
    });
  }

  /** Where KMs ask for keys; undefined where keys are supplied as they come, and always were. */
  get desk(): KeyDesk | undefined {
    return this.#options.onRequest || this.#parts.ledger.anyOnRequest ? this.#desk : undefined;
  }

  /** Whether a key waits that could be supplied now: for those who watch that it is. */
  get couldSupply(): boolean {
    return this.#supplies.couldSupply;
  }

  counters(): CustodyCounters {
    return {
      ...this.#counters,
      refused: { ...this.#counters.refused },
      in_flight: this.#supplies.inFlight,
      held_blocks: this.#held.size,
    };
  }

  /**
   * A module session began; it will offer every block it was not told to release.
   * @param matchingModuleId of the other end, for the key IDs
   */
  moduleUp(session: ModuleSession, matchingModuleId: string): void {
    this.#session = session;
    this.#ids = new KeyIds(session.identity.moduleId, matchingModuleId);
    this.#releases.clear();
    this.#owed = { blocks: 0, bytes: 0 };
    const blocks = [...this.#parts.ledger.blocks()];
    const refs = (which: (block: BlockRecord) => boolean) =>
      blocks.filter(which).map((block) => block.ref);
    const complete = refs((block) => block.complete);
    const discarded = refs((block) => block.discarded);
    this.#parts.ledger.whenDurable(() => {
      if (this.#session !== session) return;
      this.#releases.tell(complete);
      if (discarded.length > 0) session.discard(discarded);
    });
    if (this.#stopping) return;
    const { maxHeldBlocks, maxHeldBytes } = this.#options;
    // Whatever is configured, the longest block must fit, or the module could never send it.
    const bytes = Math.max(maxHeldBytes, session.identity.maxBlockBytes);
    session.grant(
      Math.max(0, maxHeldBlocks - this.#held.size),
      Math.max(0, bytes - this.#heldBytes),
    );
  }

  moduleDown(): void {
    this.#session = undefined;
  }

  kmUp(km: KmLink, name = this.#kms[0] as string): void {
    this.#supplies.kmUp(km, name);
  }

  /** What the KM did not answer for is supplied again, under the same IDs, in order. */
  kmDown(name = this.#kms[0] as string): void {
    this.#supplies.kmDown(name);
  }

  /** A block arrived. It belongs to custody from here on. */
  block(block: KeyBlock): void {
    const { ledger } = this.#parts;
    const name = blockName(block.ref);
    const record = ledger.get(name);
    if (this.#held.has(name) || record?.damaged === true) return this.#drop(block);
    if (record?.discarded === true) {
      this.#drop(block);
      ledger.whenDurable(() => this.#session?.discard([block.ref]));
      return;
    }
    if (record?.complete === true) {
      this.#drop(block);
      ledger.whenDurable(() => this.#releases.tell([block.ref]));
      return;
    }
    if (record === undefined && ledger.isPast(block.ref)) {
      // The module had let go of it: its keys were dealt with, whatever they are now.
      return this.#needless(block, "replayed_blocks", "block_replayed");
    }
    if (block.bits === 0) return this.#needless(block, "empty_blocks", "block_empty");
    const why = record?.withheld === true ? "" : this.#whyWithheld(block.facts, record);
    if (why !== undefined) return this.#withhold(block, why);
    const held = { block, unanswered: 0, quarantined: false };
    this.#held.set(name, held);
    this.#heldBytes += block.byteLength;
    this.#cutter.take(block, (cut) => {
      if (cut.onRequest) this.#desk.add(block, held, ledger.get(name), cut.keyBits);
      else this.#accept(block, held, ledger.get(name), cut);
    });
  }

  /** The module holds a block that it can't hand over undamaged. */
  damaged(facts: BlockFacts, why: string): void {
    const name = blockName(facts.ref);
    if (this.#parts.ledger.get(name)?.damaged === true) return;
    this.#parts.ledger.append({ kind: "damaged", ref: facts.ref });
    this.#counters.quarantined++;
    this.#parts.onEvent({ type: "block_damaged", facts: { block: name, reason: why } });
  }

  /** The module let go of these blocks. */
  released(refs: readonly BlockRef[]): void {
    for (const ref of refs) {
      const name = blockName(ref);
      this.#releases.confirmed(name);
      if (this.#parts.ledger.get(name) !== undefined) {
        this.#parts.ledger.append({ kind: "released", ref });
      }
      this.#counters.released_blocks++;
    }
  }

  /** Keys may not leave from now on: what was given to a KM's connection and not written does not. */
  halt(): void {
    this.#supplies.halt();
  }

  /** Keys may be supplied again: the ledger can be written, and nothing is halted. */
  resume(): void {
    const { blocks, bytes } = this.#owed;
    this.#owed = { blocks: 0, bytes: 0 };
    if (blocks > 0 && !this.#stopping) this.#session?.grant(blocks, bytes);
    this.#supplies.resume();
  }

  answered(key: QkdKey, response: string): void {
    this.#supplies.answered(key, response);
  }

  /**
   * Stops supplying; resolves when the KM has answered for every key it was given, or lost its link.
   * What is left stays with the module.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#supplies.stop();
    this.#deliveries.recordAll();
  }

  /** Wipes all key in memory; the last call. */
  wipe(): void {
    this.#stopping = true;
    this.#supplies.wipe();
    this.#desk.wipe();
    this.#forgetBlocks();
  }

  /** Wipes all key in memory, and goes on: what a module still has it offers in its next session. */
  forget(): void {
    this.#supplies.forget();
    this.#desk.forget();
    if (!this.#stopping) this.#session?.grant(this.#held.size, this.#heldBytes);
    this.#forgetBlocks();
  }

  #forgetBlocks(): void {
    this.#cutter.wipe();
    this.#deliveries.forget();
    this.#held.clear();
    this.#heldBytes = 0;
  }

  #accept(block: KeyBlock, held: Held, record: BlockRecord | undefined, cut: Cut): void {
    const pieces = new Pieces(block, cut.keyBits, this.#ids as KeyIds);
    if (record === undefined && this.#kms.length === 1) {
      held.unanswered = pieces.left;
      return this.#supplies.pushLater(pieces, held);
    }
    const { delivered, deliveredBits = 0, quarantined, gone, assigned } = record ?? {};
    held.quarantined = (quarantined?.size ?? 0) > 0;
    const keys: QkdKey[] = [];
    for (let key = pieces.next(); key !== undefined; key = pieces.next()) {
      const dealtWith = [delivered, quarantined, gone].some((ids) => ids?.has(key.id));
      if (dealtWith || key.offset < deliveredBits) key.wipe();
      else keys.push(key);
    }
    held.unanswered = keys.length;
    if (keys.length === 0) return this.#leave(held);
    this.#supplies.push(keys, held, ({ id }) => {
      const slot = assigned?.get(id)?.slot ?? cut.slot;
      return this.#kms.length === 1 ? undefined : this.#kms.find((km) => slotOfKm(km) === slot);
    });
  }

  /** Records to which KM a key is going to be written. */
  #bind(key: QkdKey, held: Held, km: string, then: () => void): void {
    const { ledger } = this.#parts;
    // Its place in the block does not matter here: the ID says which key it is.
    const place = { offset: 0, length: key.bits, slot: slotOfKm(km) };
    ledger.append({ kind: "assigned", ref: held.block.ref, keyId: key.id, ...place });
    ledger.whenDurable(then);
  }

  /**
   * An operator's word that this KM does not have the keys that were written to it and not answered
   * for: they may be offered to the others. On disk before that.
   * @returns false, and nothing is done, while the KM is connected: it can answer for itself
   */
  releaseKm(name: string): boolean {
    if (this.#supplies.isUp(name)) return false;
    const { ledger } = this.#parts;
    ledger.append({ kind: "freed", slot: slotOfKm(name) });
    ledger.whenDurable(() => this.#supplies.release(name));
    return true;
  }

  /** Nothing of the block is to be supplied: the module is told so, and it is counted and told once. */
  #needless(
    block: KeyBlock,
    counter: "empty_blocks" | "replayed_blocks",
    type: CustodyEvent["type"],
  ): void {
    if (!this.#releases.wasTold(blockName(block.ref))) {
      this.#counters[counter]++;
      this.#parts.onEvent({ type, facts: blockFacts(block.facts) });
    }
    this.#drop(block);
    this.#releases.tell([block.ref]);
  }

  /** @returns undefined for a block that may be supplied */
  #whyWithheld({ ref, qber }: BlockFacts, record: BlockRecord | undefined): string | undefined {
    if (record?.allowed === true) return undefined;
    if (qber !== undefined && qber > this.#options.qberLimit) return "qber";
    return this.#parts.ledger.isDoubtful(ref) ? "ledger_repaired" : undefined;
  }

  /** @param reason empty where it was told before */
  #withhold(block: KeyBlock, reason: string): void {
    if (reason !== "") {
      this.#parts.ledger.append({ kind: "withheld", ref: block.ref });
      this.#counters.withheld++;
      const facts = { ...blockFacts(block.facts), reason, limit: this.#options.qberLimit };
      this.#parts.onEvent({ type: "key_withheld", facts });
    }
    this.#drop(block);
  }

  /** Wipes a block that is not taken up, and gives its room back to the module. */
  #drop(block: KeyBlock): void {
    const bytes = block.byteLength;
    block.wipe();
    this.#grantBack(bytes);
  }

  #grantBack(bytes: number): void {
    if (this.#stopping) return;
    if (this.#parts.ledger.failure === undefined) this.#session?.grant(1, bytes);
    // What is recorded waits in memory meanwhile: no more may come than there is room for.
    else this.#owed = { blocks: this.#owed.blocks + 1, bytes: this.#owed.bytes + bytes };
  }

  #delivered(key: QkdKey, held: Held): void {
    key.wipe();
    held.unanswered--;
    if (held.unanswered > 0 || held.quarantined) this.#deliveries.answered(held.block.ref, key);
    this.#leave(held);
  }

  #quarantine(key: QkdKey, held: Held, reason: string): void {
    key.wipe();
    held.quarantined = true;
    held.unanswered--;
    this.#counters.quarantined++;
    this.#parts.ledger.append({ kind: "quarantined", ref: held.block.ref, keyId: key.id, reason });
    const facts = { key_ID: key.id, block: blockName(held.block.ref), reason };
    this.#parts.log.warn("key quarantined", facts);
    this.#parts.onEvent({ type: "key_quarantined", facts });
    this.#leave(held);
  }

  /** Takes a block out of memory once all its keys were answered for. */
  #leave(held: Held): void {
    if (held.unanswered > 0) return;
    this.#held.delete(blockName(held.block.ref));
    this.#heldBytes -= held.block.byteLength;
    // Its keys were wiped one by one; this gives the memory back.
    this.#drop(held.block);
    this.#answeredWhole(held);
  }

  #answeredWhole(held: Held): void {
    if (held.quarantined) return this.#deliveries.record(held.block.ref);
    this.#deliveries.whole(held.block.ref);
    this.#parts.ledger.append({ kind: "complete", ref: held.block.ref });
    this.#parts.ledger.whenDurable(() => this.#releases.tell([held.block.ref]));
  }
}
