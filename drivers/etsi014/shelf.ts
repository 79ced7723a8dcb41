/**
 * The batches of one end on its disk, and the blocks that they are: offered as far as credit goes, kept until
 * they are released. Both ends have one; what stands in it is a matter of theirs. Pure.
 */
import type { Clock, Timer } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import type { BatchSpool } from "../../src/port/batch-spool.ts";
import { type BlockRef, blockName, KeyBlock, keyMemory, wipeMemory } from "../../src/port/key.ts";
import type { ModuleSink } from "../../src/port/module.ts";
import { type Batch, type BatchFacts, goneOf, piecesOf, refOf } from "./batch.ts";
import { compare } from "./messages.ts";

interface Waiting {
  readonly batch: Batch;
  readonly place: number;
}

/** Batches of which not all blocks are let go of are written anew after this, ms. */
const tidyAfter = 300;

export class Shelf {
  readonly #spool: BatchSpool;
  readonly #sink: ModuleSink;
  /** Oldest first. */
  readonly #batches = new Map<string, Batch>();
  /** Of each block that is held. */
  readonly #held = new Map<string, Waiting>();
  /** Of each block that was let go of, which the disk does not show yet. */
  readonly #leaving = new Map<string, Waiting>();
  readonly #ids = new Set<string>();
  readonly #clock: Clock;
  #tidying: Timer | undefined;
  #queue: Waiting[] = [];
  readonly #credit = { blocks: 0, bytes: 0 };
  #offering: Promise<void> | undefined;
  #again = false;
  #shut = false;
  #bits = 0;
  /** What was read of the batch that is being offered. */
  #open: { readonly batch: Batch; readonly bytes: (Buffer | undefined)[] } | undefined;
  /** Told of batches all of whose keys are gone. */
  onSpent: (batch: Batch) => void = () => {};
  /** Told that `tidy` is to be called, when nothing else is done with the batches. */
  onUntidy: () => void = () => {};
  /** Told that credit came. */
  onCredit: () => void = () => {};
  /** Told that something is wrong with the disk: the session is to end. */
  onFailure: (error: unknown) => void = () => {};

  constructor(spool: BatchSpool, sink: ModuleSink, clock: Clock) {
    this.#clock = clock;
    this.#spool = spool;
    this.#sink = sink;
  }

  /** Reads what is on disk. @throws Fault `state.io` */
  async load(): Promise<void> {
    for (const first of this.#spool.list()) {
      let facts: BatchFacts;
      try {
        const found = await this.#spool.get(first);
        if (found === undefined) continue;
        wipeMemory(found.key);
        facts = found.facts as BatchFacts;
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== "state.corrupt") throw error;
        // It stays where it is: which blocks these are is not known any more.
        void this.#later(() => {
          this.#sink.damaged({ ref: first, bits: 0 }, "spooled keys can't be read");
        });
        continue;
      }
      const batch = { first, facts, gone: goneOf(facts), leaving: [] };
      this.#batches.set(blockName(first), batch);
      this.#know(batch);
      if (facts.state === "both") this.#hold(batch);
    }
  }

  batches(): Iterable<Batch> {
    return this.#batches.values();
  }

  get(first: BlockRef): Batch | undefined {
    return this.#batches.get(blockName(first));
  }

  get oldest(): Batch | undefined {
    return this.#batches.values().next().value;
  }

  get newest(): Batch | undefined {
    let newest: Batch | undefined;
    for (const one of this.#batches.values()) {
      if (newest === undefined || compare(one.first, newest.first) > 0) newest = one;
    }
    return newest;
  }

  /** Whether a key_ID is of a batch that is here. */
  knows(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Key bits of blocks that are held. */
  get bits(): number {
    return this.#bits;
  }

  /** Blocks that could be offered beside those that wait. */
  get wanted(): number {
    return Math.max(0, this.#credit.blocks - this.#queue.length);
  }

  /** Bytes of the same, and of what waits. */
  get wantedBytes(): number {
    return this.#credit.bytes;
  }

  get room(): number {
    return this.#spool.room;
  }

  /**
   * Has a batch on disk; a later call replaces what was said of it, and its key.
   * @param bytes of each place, undefined where it is lost; stay the caller's
   * @throws Fault `state.io`
   */
  async put(
    first: BlockRef,
    facts: BatchFacts,
    bytes: readonly (Buffer | undefined)[],
  ): Promise<Batch> {
    const key = keyMemory(bytes.reduce((sum, one) => sum + (one?.length ?? 0), 0));
    try {
      let at = 0;
      for (const one of bytes) at += one?.copy(key, at) ?? 0;
      await this.#spool.put(first, facts, key);
    } finally {
      wipeMemory(key);
    }
    const known = this.get(first);
    const batch = known ?? { first, facts, gone: new Set(), leaving: [] };
    batch.facts = facts;
    for (const place of [...facts.lost, ...facts.gone]) batch.gone.add(place);
    if (known === undefined) this.#batches.set(blockName(first), batch);
    this.#know(batch);
    return batch;
  }

  /** Both ends have it: its blocks are offered from now on. */
  ready(batch: Batch): void {
    this.#hold(batch);
    if (batch.gone.size >= batch.facts.count) this.onSpent(batch);
    this.#offer();
  }

  /** Bytes by place, as they are on disk; undefined if it is not there. @throws Fault */
  async bytesOf(batch: Batch): Promise<(Buffer | undefined)[] | undefined> {
    const found = await this.#spool.get(batch.first);
    if (found === undefined) return undefined;
    // What is on disk may still have what was let go of meanwhile.
    return piecesOf(found.facts as BatchFacts, found.key);
  }

  /** What became of a batch whose keys are gone is kept, and nothing else. @throws Fault `state.io` */
  async spend(batch: Batch): Promise<void> {
    if (batch.facts.state === "spent") return;
    for (const { id } of batch.facts.keys) this.#ids.delete(id);
    await this.put(batch.first, { ...batch.facts, state: "spent", keys: [] }, []);
    this.#left(batch, batch.leaving.splice(0));
  }

  /** @throws Fault `state.io` */
  async remove(batch: Batch): Promise<void> {
    await this.#spool.remove(batch.first);
    this.#batches.delete(blockName(batch.first));
    this.#unhold(batch);
    this.#left(batch, batch.leaving.splice(0));
  }

  grant(blocks: number, bytes: number): void {
    this.#credit.blocks += blocks;
    this.#credit.bytes += bytes;
    this.#offer();
    this.onCredit();
  }

  /** Lets go of blocks; it is told once that is on disk: with the last of their batch, or a moment later. */
  release(refs: readonly BlockRef[]): void {
    const unknown: BlockRef[] = [];
    const touched = new Set<Batch>();
    for (const ref of refs) {
      const name = blockName(ref);
      const found = this.#held.get(name) ?? this.#leaving.get(name);
      if (found === undefined) {
        unknown.push(ref);
        continue;
      }
      const { batch, place } = found;
      if (this.#held.delete(name)) {
        this.#bits -= batch.facts.keys[place]?.bits ?? 0;
        this.#leaving.set(name, found);
      }
      batch.gone.add(place);
      batch.leaving.push(place);
      touched.add(batch);
    }
    if (unknown.length > 0) void this.#later(() => this.#sink.released(unknown));
    if (touched.size === 0) return;
    this.#queue = this.#queue.filter(({ batch, place }) => !batch.gone.has(place));
    for (const batch of touched) if (batch.gone.size >= batch.facts.count) this.onSpent(batch);
    this.#tidying ??= this.#clock.after(tidyAfter, () => {
      this.#tidying = undefined;
      if (!this.#shut) this.onUntidy();
    });
  }

  read(refs: readonly BlockRef[]): void {
    const again = refs.flatMap((ref) => this.#held.get(blockName(ref)) ?? []);
    const names = new Set(again);
    this.#queue = [...again, ...this.#queue.filter((one) => !names.has(one))];
    this.#offer();
  }

  /** Nothing is offered from now on; what was let go of is on disk when this resolves. Never rejects. */
  async close(): Promise<void> {
    this.#shut = true;
    this.#tidying?.cancel();
    await this.#offering;
    this.#close();
    await this.tidy().catch(() => {});
  }

  /** Writes batches anew of which some blocks were let go of, and others not. @throws Fault `state.io` */
  async tidy(): Promise<void> {
    for (const batch of [...this.#batches.values()]) {
      if (batch.leaving.length > 0 && batch.facts.state === "both") await this.#rewrite(batch);
    }
  }

  /** Destroys all of it. @throws Fault `state.io` if anything may be left */
  async zeroize(): Promise<void> {
    this.#queue = [];
    this.#close();
    try {
      await this.#spool.zeroize();
    } finally {
      for (const batch of this.#batches.values()) this.#left(batch, batch.leaving.splice(0));
      this.#batches.clear();
      this.#held.clear();
      this.#ids.clear();
      this.#bits = 0;
    }
  }

  /** The owner is never told from within a call to the session. */
  async #later(tell: () => void): Promise<void> {
    await undefined;
    tell();
  }

  /** Without the bytes of what was let go of. */
  async #rewrite(batch: Batch): Promise<void> {
    const bytes = await this.bytesOf(batch);
    if (bytes === undefined || this.get(batch.first) !== batch) return;
    const leaving = batch.leaving.splice(0);
    const lost = new Set(batch.facts.lost);
    const gone = [...batch.gone].filter((place) => !lost.has(place)).sort((a, b) => a - b);
    const left = bytes.map((one, place) => (batch.gone.has(place) ? undefined : one));
    try {
      await this.put(batch.first, { ...batch.facts, gone }, left);
      this.#left(batch, leaving);
    } catch (error) {
      batch.leaving.push(...leaving);
      throw error;
    } finally {
      for (const one of bytes) if (one !== undefined) wipeMemory(one);
    }
  }

  /** The disk shows that these were let go of. */
  #left(batch: Batch, places: readonly number[]): void {
    const refs = places.map((place) => refOf(batch, place));
    for (const ref of refs) this.#leaving.delete(blockName(ref));
    if (refs.length > 0) this.#sink.released(refs);
  }

  #know({ facts }: Batch): void {
    for (const { id } of facts.keys) this.#ids.add(id);
  }

  #hold(batch: Batch): void {
    batch.facts.keys.forEach(({ bits }, place) => {
      const name = blockName(refOf(batch, place));
      if (batch.gone.has(place) || this.#held.has(name)) return;
      const waiting = { batch, place };
      this.#held.set(name, waiting);
      this.#queue.push(waiting);
      this.#bits += bits;
    });
  }

  #unhold(batch: Batch): void {
    batch.facts.keys.forEach(({ id, bits }, place) => {
      this.#ids.delete(id);
      if (this.#held.delete(blockName(refOf(batch, place)))) this.#bits -= bits;
    });
    this.#queue = this.#queue.filter((one) => one.batch !== batch);
  }

  #offer(): void {
    this.#again = true;
    if (this.#offering !== undefined || this.#shut) return;
    this.#again = false;
    this.#offering = this.#offerAll()
      .catch((error: unknown) => this.onFailure(error))
      .finally(() => {
        this.#offering = undefined;
        if (this.#again) this.#offer();
      });
  }

  async #offerAll(): Promise<void> {
    // Never from within a call to the session.
    await undefined;
    while (!this.#shut && this.#credit.blocks > 0) {
      const next = this.#queue[0];
      if (next === undefined || !this.#fits(next)) return;
      const { batch, place } = next;
      if (this.#open?.batch !== batch || this.#open.bytes[place] === undefined) {
        this.#close();
        const bytes = await this.#load(batch);
        if (this.#queue[0] !== next) {
          for (const one of bytes ?? []) if (one !== undefined) wipeMemory(one);
          continue;
        }
        if (bytes?.[place] === undefined) {
          this.#damaged(batch);
          continue;
        }
        this.#open = { batch, bytes };
      }
      this.#offerOf(batch, this.#open.bytes);
    }
  }

  async #load(batch: Batch): Promise<(Buffer | undefined)[] | undefined> {
    try {
      return await this.bytesOf(batch);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "state.corrupt") throw error;
      return undefined;
    }
  }

  /** Offers what is next of this batch, as far as credit goes. */
  #offerOf(batch: Batch, bytes: (Buffer | undefined)[]): void {
    for (;;) {
      const next = this.#queue[0];
      if (next?.batch !== batch) return this.#close();
      if (this.#shut || this.#credit.blocks < 1 || !this.#fits(next)) return;
      const one = bytes[next.place];
      const name = batch.facts.keys[next.place];
      if (one === undefined || name === undefined) return;
      this.#queue.shift();
      bytes[next.place] = undefined;
      this.#credit.blocks--;
      this.#credit.bytes -= one.length;
      const { qber, at } = batch.facts;
      const facts = {
        ref: refOf(batch, next.place),
        bits: name.bits,
        ...(qber !== undefined && { qber }),
        generatedAt: at,
        uuid: name.id,
      };
      this.#sink.block(new KeyBlock(facts, one));
    }
  }

  /** Wipes what was read for the next offers. */
  #close(): void {
    for (const one of this.#open?.bytes ?? []) if (one !== undefined) wipeMemory(one);
    this.#open = undefined;
  }

  #damaged(batch: Batch): void {
    const here = this.#queue.filter((one) => one.batch === batch);
    this.#queue = this.#queue.filter((one) => one.batch !== batch);
    for (const { place } of here) {
      const facts = { ref: refOf(batch, place), bits: batch.facts.keys[place]?.bits ?? 0 };
      this.#sink.damaged(facts, "spooled keys can't be read");
    }
  }

  #fits({ batch, place }: Waiting): boolean {
    return Math.ceil((batch.facts.keys[place]?.bits ?? 0) / 8) <= this.#credit.bytes;
  }
}
