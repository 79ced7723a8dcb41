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
} from "../../port/key.ts";
import type { ModuleSession } from "../../port/module.ts";
import { type CustodyCounters, newCounters } from "../keys/counters.ts";
import { isDamaged, isOpen, whenOffered } from "../keys/life.ts";
import type { BlockRecord, KeyFormat, KmLink, KmSink, OnRequestKeys } from "../keys/ports.ts";
import { isAskedFor } from "../on-request/left-over.ts";
import { OnRequestStore } from "../on-request/store.ts";
import { defaultUnitBits, UnitPieces } from "../on-request/unit-pieces.ts";
import { Credit } from "./credit.ts";
import { Deliveries } from "./deliveries.ts";
import { blockFacts } from "./events.ts";
import { Formatter, formatOf } from "./formatter.ts";
import { Gate } from "./gate.ts";
import { type Held, HeldBlocks } from "./held.ts";
import { KeptBackKeys } from "./kept-back.ts";
import { KmDecisions } from "./km-decisions.ts";
import { Load } from "./load.ts";
import type { CustodyOptions, CustodyParts } from "./options.ts";
import { Origin } from "./origin.ts";
import { OwnSession } from "./own-session.ts";
import { kmNames, Owners } from "./owners.ts";
import { quarantine } from "./quarantine.ts";
import { dealtWith, Releases } from "./releases.ts";
import { sortKeys } from "./sort-keys.ts";
import { SplitBlock } from "./split-block.ts";
import { Supplies } from "./supplies.ts";

export type { CustodyOptions, CustodyParts } from "./options.ts";

export class Custody implements KmSink {
  readonly #options: CustodyOptions;
  readonly #parts: CustodyParts;
  readonly #counters = newCounters();

  #session: OwnSession | undefined;
  /** Of the session at hand, or of the one before. */
  #origin: Origin | undefined;
  readonly #supplies: Supplies<Held>;
  readonly #desk: OnRequestStore<Held>;
  readonly #formatter: Formatter;
  readonly #deliveries: Deliveries;
  readonly #gate: Gate;
  readonly #owners: Owners;
  readonly #load: Load;
  /** What an operator decides about KMs. */
  readonly kms: KmDecisions;
  /** What is kept back, and what an operator does about it. */
  readonly keptBackKeys: KeptBackKeys;

  readonly #held = new HeldBlocks();
  readonly #credit: Credit;
  readonly #releases = new Releases(() => this.#session);

  constructor(options: CustodyOptions, parts: CustodyParts) {
    this.#options = options;
    this.#parts = parts;
    const { clock, log, backoff, ledger, halted = () => false } = parts;
    const kms = kmNames(options.kms ?? ["km"]);
    this.#owners = new Owners(kms, ledger, parts.nameOfKm);
    this.#credit = new Credit(() => this.#session, ledger);
    const { onEvent } = parts;
    this.#gate = new Gate(options, { ledger, counters: this.#counters, onEvent });
    this.#load = new Load(ledger, () => this.#owners.strayed, parts.onOverload);
    this.#supplies = new Supplies<Held>({
      kms: kms.map(({ name }) => name),
      isBound: (held) => held.claimed,
      bind: (key, held, km, then) => this.#bind(key, held, km, then),
      clock,
      log,
      backoff,
      counters: this.#counters,
      allowed: () => ledger.failure === undefined && !halted(),
      delivered: (key, held) => this.#delivered(key, held),
      refused: (key, held, reason) => this.#quarantine(key, held, reason),
    });
    this.kms = new KmDecisions({
      owners: this.#owners,
      ledger,
      supplies: this.#supplies,
      unclaim: () => this.#held.unclaim(),
      read: (refs) => this.#session?.read(refs),
    });
    this.#desk = new OnRequestStore<Held>({
      clock,
      ledger,
      counters: this.#counters,
      halted,
      unitBits: options.keyBits ?? defaultUnitBits,
      ids: () => (this.#origin as Origin).ids,
      quarantine: (...key) => quarantine(parts, this.#counters, ...key),
      done: (held, keptBack) => this.#leave(Object.assign(held, { partial: keptBack })),
      over: options.onRequest ? undefined : (held) => this.#again(held),
    });
    const cut = formatOf(options, kms);
    this.#formatter = new Formatter(cut, () => (this.#origin as Origin).pair, ledger);
    this.#deliveries = new Deliveries(ledger, clock);
    this.keptBackKeys = new KeptBackKeys({
      ledger,
      session: () => this.#session,
      isHeld: (block) => this.#held.has(block),
      strays: () => this.#owners.waiting(),
      desk: this.#desk,
      pull: (keyId) => this.#supplies.pull(keyId),
      onEvent,
    });
  }

  /** Where KMs ask for keys; undefined where keys are supplied as they come, and always were. */
  get desk(): OnRequestKeys | undefined {
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
    const { ledger } = this.#parts;
    const origin = new Origin(session.identity, matchingModuleId, ledger, this.#parts.onEvent);
    const own = new OwnSession(session, origin);
    this.#session = own;
    this.#origin = origin;
    this.#releases.clear();
    const { complete, discarded } = dealtWith(ledger.blocks());
    ledger.whenDurable(() => {
      if (this.#session !== own) return;
      this.#releases.tell(complete);
      own.discard(discarded);
    });
    const { maxHeldBlocks, maxHeldBytes } = this.#options;
    // Whatever is configured, the longest block must fit, or the module could never send it.
    const bytes = Math.max(maxHeldBytes, session.identity.maxBlockBytes);
    this.#credit.begin(maxHeldBlocks - this.#held.size, bytes - this.#held.bytes);
  }

  moduleDown(): void {
    this.#session = undefined;
  }

  kmUp(km: KmLink, name = this.#owners.first): void {
    this.#supplies.kmUp(km, name);
  }

  /** What the KM did not answer for is supplied again, under the same IDs, in order. */
  kmDown(name = this.#owners.first): void {
    this.#supplies.kmDown(name);
  }

  /** A block arrived. It belongs to custody from here on. */
  block(block: KeyBlock): void {
    const { ledger } = this.#parts;
    const { ref } = block;
    const name = blockName(ref);
    const record = ledger.get(name);
    // Without a session nothing would follow from it: the module offers it again in the next one.
    const origin = this.#session && this.#origin;
    if (!origin || this.#held.has(name) || !this.#load.takes(ref)) return this.#drop(block);
    this.#owners.settled(name);
    // What the ledger says is about another module's block.
    if (origin.isForeign(ref)) {
      origin.tellForeign(ref);
      return this.#drop(block);
    }
    this.#formatter.pair(ref.epoch);
    const what = whenOffered[record?.state ?? "offered"];
    if (what !== "take") {
      this.#drop(block);
      if (what !== "leave") ledger.whenDurable(() => this.#releases.settle(ref, what));
      return;
    }
    if (block.bits === 0) return this.#empty(block);
    if (!this.#gate.passes(block, record)) return this.#drop(block);
    const held = this.#held.add(block);
    this.#owners.came(ref);
    origin.check(ref);
    this.#formatter.take(block, (cut) => {
      const known = ledger.get(name);
      held.asked = cut.onRequest;
      // In proactive mode it is supplied unasked, except what a request may have taken.
      const isKm = (claimant: string) => this.#owners.isKm(claimant);
      const asks = this.#options.onRequest || isAskedFor(known, isKm);
      if (cut.onRequest && asks) this.#desk.add(block, held, known, cut.keyBits);
      else this.#accept(block, held, known, cut);
    });
  }

  /** The module holds a block that it can't hand over undamaged. */
  damaged(facts: BlockFacts, why: string): void {
    const name = blockName(facts.ref);
    if (this.#session?.owns(facts.ref) !== true || !this.#load.takes(facts.ref)) return;
    this.#formatter.pair(facts.ref.epoch);
    const state = this.#parts.ledger.get(name)?.state ?? "offered";
    // Whole at the KM, or given up: what the module still has of it is of no use.
    if (isDamaged(state) || !isOpen(state)) return;
    this.#parts.ledger.append({ kind: "damaged", ref: facts.ref });
    this.#counters.quarantined++;
    this.#parts.onEvent({ type: "block_damaged", facts: { block: name, reason: why } });
  }

  /** The module let go of these blocks. */
  released(refs: readonly BlockRef[]): void {
    for (const ref of refs) {
      if (this.#session?.owns(ref) !== true) continue;
      const name = blockName(ref);
      const record = this.#parts.ledger.get(name);
      const wasTold = this.#releases.confirmed(name);
      this.#owners.settled(name);
      const isWanted = (record !== undefined && isOpen(record.state)) || this.#held.has(name);
      if (isWanted && !wasTold) this.#parts.onEvent({ type: "block_lost", facts: { block: name } });
      // Also of what was empty: a gap in the numbers would have to be remembered.
      if (record || wasTold) this.#parts.ledger.append({ kind: "released", ref });
      this.#counters.released_blocks++;
    }
  }

  /** Keys may not leave from now on: what was given to a KM's connection and not written does not. */
  halt(): void {
    this.#supplies.halt();
  }

  /** Keys may be supplied again: the ledger can be written, and nothing is halted. */
  resume(): void {
    this.#credit.resume();
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
    this.#credit.stop();
    await this.#supplies.stop();
    this.#deliveries.recordAll();
    this.#owners.close();
  }

  /** Wipes all key in memory; the last call. */
  wipe(): void {
    this.#credit.stop();
    this.#supplies.wipe();
    this.#desk.wipe();
    this.#forgetBlocks();
  }

  /** Wipes all key in memory, and goes on: what a module still has it offers in its next session. */
  forget(): void {
    this.#supplies.forget();
    this.#desk.forget();
    this.#credit.back(this.#held.size, this.#held.bytes);
    this.#forgetBlocks();
    this.#session?.read(this.#owners.forget());
  }

  #forgetBlocks(): void {
    this.#formatter.wipe();
    this.#deliveries.forget();
    this.#held.clear();
  }

  /** Has the module send a block again. */
  #again(held: Held): void {
    this.#held.remove(held);
    this.#drop(held.block);
    this.#session?.read([held.block.ref]);
  }

  #accept(block: KeyBlock, held: Held, record: BlockRecord | undefined, cut: KeyFormat): void {
    this.#parts.onSupply?.();
    const owners = this.#owners;
    const { ref } = block;
    const { ids } = this.#origin as Origin;
    const pieces = held.asked
      ? new UnitPieces(block, cut.keyBits ?? defaultUnitBits, record, ids)
      : new SplitBlock(block, cut.keyBits, ids);
    const claimant = this.#parts.ledger.claimantOf(ref);
    const isOurs = claimant === undefined || owners.kmOf(claimant) !== undefined;
    held.claimed = !held.asked && owners.isClaimed(ref, this.#owners.first);
    if (record === undefined && owners.alone && isOurs && pieces instanceof SplitBlock) {
      held.unanswered = pieces.left;
      return this.#supplies.pushLater(pieces, held);
    }
    const { keys, kms, elsewhere } = sortKeys(ref, pieces, record, owners);
    held.partial = elsewhere.size > 0 || (record?.quarantined.size ?? 0) > 0;
    held.unanswered = keys.length;
    if (elsewhere.size > 0) {
      owners.stray(ref, elsewhere);
      const km = [...elsewhere].map((claimant) => owners.nameOf(claimant)).join(", ");
      this.#parts.onEvent({ type: "key_waits_for_km", facts: { ...blockFacts(block.facts), km } });
    }
    if (keys.length === 0) return this.#leave(held);
    // A key that its stretch's claim speaks for is as free as a new one.
    this.#supplies.push(keys, held, (key) => (held.claimed ? undefined : kms.get(key)));
  }

  /** Records to which KM a key is going to be written. */
  #bind(key: QkdKey, held: Held, km: string, then: () => void): void {
    const { ledger } = this.#parts;
    const { ref } = held.block;
    if (this.#owners.alone && !held.asked) {
      return this.#owners.claim(ref, km, () => {
        held.claimed = this.#owners.isClaimed(ref, km);
        then();
      });
    }
    const place = { offset: key.offset, length: key.bits, claimant: this.#owners.claimantOf(km) };
    ledger.append({ kind: "assigned", ref, keyId: key.id, ...place });
    ledger.whenDurable(then);
  }

  /** Nothing of the block is to be supplied: the module is told so, and it is counted and told once. */
  #empty(block: KeyBlock): void {
    if (!this.#releases.wasTold(blockName(block.ref))) {
      this.#counters.empty_blocks++;
      this.#parts.onEvent({ type: "block_empty", facts: blockFacts(block.facts) });
    }
    this.#drop(block);
    this.#releases.tell([block.ref]);
  }

  /** Wipes a block that is not taken up, and gives its room back to the module. */
  #drop(block: KeyBlock): void {
    const bytes = block.byteLength;
    block.wipe();
    this.#credit.back(1, bytes);
  }

  #delivered(key: QkdKey, held: Held): void {
    key.wipe();
    held.unanswered--;
    if (held.unanswered > 0 || held.partial) this.#deliveries.answered(held.block.ref, key);
    this.#leave(held);
  }

  #quarantine(key: QkdKey, held: Held, reason: string): void {
    key.wipe();
    held.partial = true;
    held.unanswered--;
    quarantine(this.#parts, this.#counters, held.block.ref, key.id, reason);
    this.#leave(held);
  }

  /** Takes a block out of memory once all its keys were answered for. */
  #leave(held: Held): void {
    if (held.unanswered > 0) return;
    this.#held.remove(held);
    // Its keys were wiped one by one; this gives the memory back.
    this.#drop(held.block);
    if (held.partial) this.#leftInPart(held.block.ref);
    else this.#answeredWhole(held.block.ref);
  }

  /** Keys of it stay in the module; unless that was decided while others were on their way. */
  #leftInPart(ref: BlockRef): void {
    this.#deliveries.record(ref);
    const inQuarantine = this.#parts.ledger.get(blockName(ref))?.quarantined.size ?? 0;
    if (inQuarantine === 0 && !this.#owners.isStray(ref)) this.#session?.read([ref]);
  }

  #answeredWhole(ref: BlockRef): void {
    this.#deliveries.whole(ref);
    this.#parts.ledger.append({ kind: "complete", ref });
    this.#parts.ledger.whenDurable(() => this.#releases.tell([ref]));
  }
}
