/**
 * The store of a key manager on a disk: QKD-keys that wait in sealed segments, extents in sealed volumes, books
 * in SQLite. What came since the last sync becomes durable with the next, together: keys first, then the rows that
 * speak of them; an extent beside its rows, which say of which keys it can be made once more. Keys that come, and changes
 * of the books, do so side by side: a change speaks of no key that is not durable.
 */
import type { Timer } from "../../../base/clock.ts";
import { keyMemory } from "../../../port/key.ts";
import type { Range } from "../../../wire/kx/messages.ts";
import { type ReceivedKeys, wholeBytes } from "../../keys/received.ts";
import type { BufferedKeys } from "../../store/buffered.ts";
import type {
  Change,
  Fullness,
  Handle,
  Handles,
  KeyStore,
  StoreUse,
  TagKey,
} from "../../store/port.ts";
import { Alone } from "./alone.ts";
import { booksChange, noChange } from "./books-change.ts";
import { both } from "./both.ts";
import { Cadence } from "./cadence.ts";
import { storeFault } from "./fault.ts";
import { type Group, GroupBuilder } from "./group.ts";
import { type HandleRun, runsOf } from "./handle-runs.ts";
import { HeldReads } from "./held-reads.ts";
import { giveKeyMemory, takeKeyMemory } from "./key-pool.ts";
import { Lane } from "./lane.ts";
import type { RedoRow } from "./ledger.ts";
import { closedWith, rowsOfBegun } from "./lost-keys.ts";
import { isUrgent, type Operation, type Put } from "./operation.ts";
import type { EngineParts } from "./parts.ts";
import type { NewBytes } from "./place.ts";
import { readRanges, readRangesAgain } from "./ranges.ts";
import { packMaking } from "./redo.ts";
import { Resealing } from "./resealing.ts";
import { isFull } from "./reserve.ts";
import { Shredder } from "./shredder.ts";
import { giveBackSpare } from "./spare-memory.ts";
import { tagOf } from "./tag.ts";
import { copyOf, WaitingGroups } from "./waiting-groups.ts";

/**
 * Keys that come share a sync for so many cycles of the books: no application waits for them, what becomes durable
 * together is compared together, and each batch costs both ends three transactions and as many messages. With two cycles
 * the record rate took a third more of a processor, and keys were stock no sooner.
 */
const putCycles = 4;
/** Keys that another KM has already came there about when they come here: the last of them are waited for so long, ms. */
const onWayMs = 2;
/** Of the limit, this part is for books alone. */
const forBooks = 0.05;

export class Engine implements KeyStore {
  readonly #parts: EngineParts;
  readonly #waiting: WaitingGroups;
  readonly #shredder: Shredder;
  readonly #resealing: Resealing;
  #builders: GroupBuilder[] = [];
  #nextGroup: number;
  readonly #puts: Lane<Put>;
  readonly #books: Lane<Operation>;
  /** Segments are written to, and looked through, by one at a time. */
  readonly #segments = new Alone();
  /** What is sealed anew, and made unreadable. */
  readonly #aside = new Alone();
  readonly #held = new HeldReads();
  readonly #spare: Timer;
  #failed = false;
  /** Rejected when the store has failed: nothing is called back after. */
  readonly #ended = Promise.withResolvers<never>();
  /** A disk was full when keys came: it may have room again after the next round of shredding. */
  #noRoom = false;
  #closed = false;
  /** The last transaction of the books has rows of what its extents were made of. */
  #hasRedo = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    const failed = (error: unknown) => this.#fail(error);
    const lane = <T>(cycleMs: number, cycle: (all: readonly T[]) => Promise<void>) =>
      new Lane<T>({ cadence: new Cadence(parts.clock, cycleMs), cycle, failed });
    this.#puts = lane<Put>(parts.cycleMs * putCycles, (puts) => this.#store(puts));
    this.#books = lane<Operation>(parts.cycleMs, (all) => this.#cycle(all));
    this.#nextGroup = parts.next;
    this.#waiting = new WaitingGroups(parts.groups, parts.intake);
    this.#ended.promise.catch(() => {});
    const work = (run: () => Promise<void>) => void this.#aside.run(run).catch(failed);
    const between = <T>(run: () => Promise<T>) => this.#between(run);
    this.#shredder = new Shredder(parts, this.#waiting, {
      work,
      between,
      failed: this.#ended.promise,
      lastGroup: () => this.#nextGroup - 1,
      round: () => this.#roundOver(),
    });
    this.#resealing = new Resealing(parts, {
      work,
      between,
      piece: () => this.#shredder.resealOlder(),
      done: () => parts.onRekeyed?.(),
    });
    this.#resealing.resume();
    this.#spare = giveBackSpare(parts);
  }

  put(module: string, keys: ReceivedKeys, done: (stored: BufferedKeys | undefined) => void): void {
    const at = this.#parts.clock.wall();
    const handles = new Float64Array(keys.count);
    for (let from = 0; from < keys.count; ) {
      const builder = this.#builder(wholeBytes(keys.bits[from] as number));
      from = builder.add(module, keys, from, at, handles);
    }
    const stored: BufferedKeys = {
      module,
      at,
      handles,
      ids: Buffer.from(keys.ids),
      bits: keys.bits.slice(),
      generatedAt: keys.generatedAt.slice(),
      qber: keys.qber.slice(),
    };
    this.#waiting.keys += keys.count;
    this.#waiting.bytes += keys.bytes.length;
    if (!this.#failed && !this.#closed) this.#puts.add({ stored, done }, false);
  }

  #builder(length: number): GroupBuilder {
    const last = this.#builders.at(-1);
    if (last?.hasRoom(length)) return last;
    const builder = new GroupBuilder(this.#nextGroup++);
    this.#builders.push(builder);
    return builder;
  }

  hurry(): void {
    this.#puts.hurry(onWayMs);
  }

  commit(change: Change, done?: () => void): void {
    this.#enqueue({ type: "commit", change, done });
  }

  #enqueue(operation: Operation): void {
    if (this.#failed || this.#closed) return;
    this.#books.add(operation, isUrgent(operation));
  }

  /** Runs it between two cycles of either lane. */
  #between<T>(body: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<Promise<T>>();
    const run = async () => {
      await this.#forgetRedo();
      const result = this.#segments.run(body);
      // What becomes of its failure is for who asked.
      await result.catch(() => {});
      resolve(result);
    };
    this.#enqueue({ type: "work", run });
    return Promise.race([promise, this.#ended.promise]);
  }

  /** What is done aside is done, as far as it was begun. */
  quiet(): Promise<void> {
    return this.#aside.run(async () => {});
  }

  /** Keys that came become durable. */
  async #store(puts: readonly Put[]): Promise<void> {
    const groups = this.#builders.map((builder) => builder.build());
    this.#builders = [];
    for (const group of groups) this.#waiting.add(group);
    const isTaken = await this.#segments.run(() => this.#append(groups));
    if (this.#failed) return;
    for (const put of puts) this.#put(put, isTaken);
    // In a cycle of the books, which alone looks at keys that wait, and writes of segments that were begun.
    if (this.#waiting.areMany || this.#parts.intake.hasNew)
      this.#enqueue({ type: "work", run: async () => {} });
  }

  async #cycle(operations: readonly Operation[]): Promise<void> {
    const changes = operations.flatMap((it) => (it.type === "commit" ? [it.change] : []));
    const { extents, runs } = await this.#gather(changes);
    const { reserve, volumes, ledger, intake } = this.#parts;
    const isAny = extents.length > 0;
    const writing = isAny ? await reserve.use(() => volumes.prepare(extents)) : undefined;
    for (const { bytes } of extents) giveKeyMemory(bytes);
    const places = writing?.places ?? [];
    const redo: RedoRow[] = places.map((place, i) => {
      const { link, number } = place;
      return { link, number, runs: packMaking(place, runs[i] ?? []) };
    });
    const change = booksChange(changes, this.#waiting.touched, places, redo, rowsOfBegun(intake));
    this.#waiting.touched.clear();
    // Neither waits for the other's sync: the books say what the extents are made of, should they not be there.
    await both(
      writing && reserve.use(() => writing.write()),
      change && reserve.use(() => ledger.apply(change)),
    );
    if (change !== undefined) this.#hasRedo = isAny;
    for (const place of places) this.#shredder.left(this.#parts.volumes.install(place));
    for (const { link, number } of change?.gone ?? []) {
      this.#shredder.left(this.#parts.volumes.remove(link, number));
    }
    this.#waiting.evict();
    if (this.#failed) return;
    for (const operation of operations) {
      if (operation.type === "commit") operation.done?.();
    }
    // What is durable is told before anything else takes its time.
    const works = operations.filter((operation) => operation.type === "work");
    for (const work of works) if (work.isUrgent) await work.run();
    for (const work of works) if (!work.isUrgent) await work.run();
  }

  /** @returns false if there is no room for them: then they are gone, and the books keep theirs */
  async #append(groups: readonly Group[]): Promise<boolean> {
    try {
      await this.#parts.intake.append(groups);
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    this.#noRoom = true;
    for (const group of groups) this.#waiting.drop(group);
    return false;
  }

  #put({ stored, done }: Put, isTaken: boolean): void {
    if (isTaken) return done(stored);
    this.#waiting.keys -= stored.handles.length;
    for (const bits of stored.bits) this.#waiting.bytes -= wholeBytes(bits);
    done(undefined);
  }

  /** The bytes of new extents, from the groups that they are made of. */
  async #gather(changes: readonly Change[]) {
    const [made, all]: [NewBytes[], (readonly HandleRun[])[]] = [[], []];
    for (const { extents = [], dropped = [] } of changes) {
      for (const { link, number, length, handles } of extents) {
        const bytes = takeKeyMemory(length);
        const runs = await copyOf(this.#waiting, handles, bytes);
        this.#waiting.consume(runs);
        made.push({ link, number, bytes });
        all.push(runs);
      }
      this.#waiting.consume(runsOf(dropped));
    }
    return { extents: made, runs: all };
  }

  /** All extents are where the books say, and segments are about to change: see `redo.ts`. */
  async #forgetRedo(): Promise<void> {
    const { reserve, ledger } = this.#parts;
    if (!this.#hasRedo || this.#failed) return;
    await reserve.use(() => ledger.apply(noChange));
    this.#hasRedo = false;
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#puts.end();
    this.#books.end();
    const fault = storeFault(error);
    this.#ended.reject(fault);
    this.#parts.onFailure(fault);
  }

  /** Another file beside the store is written, any number of times: the reserve makes way for it, too. */
  withRoom<T>(write: () => Promise<T>): Promise<T> {
    return this.#parts.reserve.use(write);
  }

  full(): Fullness {
    const { limitBytes, reserve } = this.#parts;
    if (this.#noRoom || !reserve.isThere) return "full";
    return this.#diskBytes() > limitBytes * (1 - forBooks) ? "full" : undefined;
  }

  #diskBytes(): number {
    return this.#parts.intake.bytes + this.#parts.volumes.bytes;
  }

  use(): StoreUse {
    return {
      bufferedKeys: this.#waiting.keys,
      bufferedBytes: this.#waiting.bytes,
      diskBytes: this.#diskBytes(),
      limitBytes: this.#parts.limitBytes,
    };
  }

  tagBuffered(handles: Handles, key: TagKey, done: (tag: Buffer | undefined) => void): void {
    const waiting = this.#waiting;
    const runs = runsOf(handles);
    if (!waiting.areLive(runs)) return queueMicrotask(() => done(undefined));
    if (waiting.areInMemory(runs)) {
      const tag = tagOf(waiting.views(runs), key);
      return queueMicrotask(() => done(tag));
    }
    this.#enqueue({
      type: "work",
      run: async () => {
        await waiting.restore(runs);
        done(waiting.areLive(runs) ? tagOf(waiting.views(runs), key) : undefined);
      },
    });
  }

  tagRanges(
    link: string,
    ranges: readonly Range[],
    key: TagKey,
    done: (tag: Buffer | undefined) => void,
  ): void {
    const keep = this.#held.begin(link, ranges);
    this.#read(link, ranges, (bytes) => {
      const tag = bytes && tagOf([bytes], key);
      keep(bytes);
      done(tag);
    });
  }

  equals(handle: Handle, bytes: Uint8Array, done: (equal: boolean) => void): void {
    const copy = keyMemory(bytes.length);
    copy.set(bytes);
    const run = async () => done(await this.#waiting.equals(handle, copy));
    this.#enqueue({ type: "work", run });
  }

  /** A round of shredding is over: room may have come back. */
  async #roundOver(): Promise<void> {
    await this.#parts.reserve.make();
    this.#noRoom &&= !this.#parts.reserve.isThere;
  }

  read(link: string, ranges: readonly Range[], done: (bytes: Buffer | undefined) => void): void {
    const held = this.#held.take(link, ranges);
    if (held === undefined) return this.#read(link, ranges, done);
    queueMicrotask(() => done(held));
  }

  #read(link: string, ranges: readonly Range[], done: (bytes: Buffer | undefined) => void): void {
    if (this.#failed || this.#closed) return;
    const { volumes } = this.#parts;
    const bytes = readRangesAgain(volumes, link, ranges);
    if (bytes !== undefined) return queueMicrotask(() => done(bytes));
    // After what was committed before: an extent may be about to be written.
    const run = async () => done(await readRanges(volumes, link, ranges));
    this.#enqueue({ type: "work", isUrgent: true, run });
  }

  forget(link: string, ranges: readonly Range[]): void {
    const { volumes } = this.#parts;
    for (const { extent, start, end } of ranges) volumes.forget(link, extent, start, end);
    this.#held.forget(link, ranges);
    this.#shredder.forget(link, ranges);
  }

  /** See {@link Resealing.rekey}. @throws Fault `km_store.key`, `km_store.busy`; the store's own, if it failed */
  async rekey(masterKey: Uint8Array): Promise<void> {
    await Promise.race([this.#resealing.rekey(masterKey), this.#ended.promise]);
  }

  /** Bytes that are still to be sealed anew for the master key of now; undefined if none are. */
  get resealingBytes(): number | undefined {
    return this.#resealing.isRunning ? this.#resealing.bytesLeft : undefined;
  }

  /** What is used and still readable, is made unreadable now. */
  shred(): Promise<void> {
    return this.#shredder.now();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#spare.cancel();
    this.#resealing.stop();
    // Of a store that failed nothing is written any more.
    await this.#shredder.stop().catch(() => {});
    await this.#puts.drained();
    await this.#books.drained();
    await this.quiet();
    await this.#forgetRedo().catch(() => {});
    this.#closed = true;
    this.#held.clear();
    const { intake, volumes, ledger, keyring } = this.#parts;
    const closed = { ...noChange, consumed: [closedWith(this.#waiting.keys, intake.numbers)] };
    // A witness and no more: without it the store opens as after a power cut.
    if (!this.#failed) await ledger.apply(closed).catch(() => {});
    await intake.close();
    await volumes.close();
    await ledger.close();
    keyring.wipe();
    this.#waiting.close();
  }
}
