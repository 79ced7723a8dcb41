/**
 * The store of a key manager on a disk: QKD-keys that wait in sealed segments, extents in sealed volumes, books
 * in SQLite. What came since the last sync becomes durable with the next, together and in order: bytes first,
 * then the rows that speak of them.
 */
import { timingSafeEqual } from "node:crypto";
import { keyMemory, wipeMemory } from "../../../port/key.ts";
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
import { booksChange } from "./books-change.ts";
import { Cadence } from "./cadence.ts";
import { storeFault } from "./fault.ts";
import { gmac } from "./gmac.ts";
import { type Group, GroupBuilder } from "./group.ts";
import { runsOf } from "./handle-runs.ts";
import { isUrgent, type Operation } from "./operation.ts";
import type { EngineParts } from "./parts.ts";
import { readRanges, readRangesAgain } from "./ranges.ts";
import { Resealing } from "./resealing.ts";
import { isFull } from "./reserve.ts";
import { Shredder } from "./shredder.ts";
import { copyOf, WaitingGroups } from "./waiting-groups.ts";

/** Of the limit, this part is for books alone. */
const forBooks = 0.05;

export class Engine implements KeyStore {
  readonly #parts: EngineParts;
  readonly #waiting: WaitingGroups;
  readonly #shredder: Shredder;
  readonly #resealing: Resealing;
  #builders: GroupBuilder[] = [];
  #nextGroup: number;
  #queue: Operation[] = [];
  #running: Promise<void> | undefined;
  #failed = false;
  readonly #cadence: Cadence;
  /** Rejected when the store has failed: nothing is called back after. */
  readonly #ended = Promise.withResolvers<never>();
  /** A disk was full when keys came: it may have room again after the next round of shredding. */
  #noRoom = false;
  #closed = false;
  #extentBytes = 0;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#cadence = new Cadence(parts.clock, parts.cycleMs);
    this.#nextGroup = parts.next;
    this.#waiting = new WaitingGroups(parts.groups, parts.intake);
    for (const { length } of parts.volumes.extents) this.#extentBytes += length;
    this.#ended.promise.catch(() => {});
    this.#shredder = new Shredder(parts, this.#waiting.byNumber, {
      work: (run) => this.#enqueue({ type: "work", run }),
      failed: this.#ended.promise,
      lastGroup: () => this.#nextGroup - 1,
      round: () => this.#lookForRoom(),
    });
    this.#resealing = new Resealing(parts, {
      work: (run) => this.#enqueue({ type: "work", run }),
      piece: () => this.#shredder.resealOlder(),
      done: () => parts.onRekeyed?.(),
    });
    this.#resealing.resume();
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
    this.#enqueue({ type: "put", stored, done });
  }

  #builder(length: number): GroupBuilder {
    const last = this.#builders.at(-1);
    if (last?.hasRoom(length)) return last;
    const builder = new GroupBuilder(this.#nextGroup++);
    this.#builders.push(builder);
    return builder;
  }

  commit(change: Change, done?: () => void): void {
    this.#enqueue({ type: "commit", change, done });
  }

  #enqueue(operation: Operation): void {
    if (this.#failed || this.#closed) return;
    this.#queue.push(operation);
    if (isUrgent(operation)) this.#cadence.hurry();
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // What comes in the same turn shares the first sync.
    await null;
    while (this.#queue.length > 0 && !this.#failed) {
      await this.#cadence.next();
      const operations = this.#queue;
      this.#queue = [];
      try {
        await this.#cycle(operations);
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#running = undefined;
  }

  async #cycle(operations: readonly Operation[]): Promise<void> {
    const groups = this.#builders.map((builder) => builder.build());
    this.#builders = [];
    for (const group of groups) this.#waiting.add(group);
    const changes = operations.flatMap((it) => (it.type === "commit" ? [it.change] : []));
    const extents = await this.#gather(changes);
    const { reserve, volumes, ledger } = this.#parts;
    const [places, isTaken] = await Promise.all([
      extents.length > 0 ? reserve.use(() => volumes.write(extents)) : [],
      groups.length > 0 ? this.#append(groups) : true,
    ]);
    for (const { bytes } of extents) wipeMemory(bytes);
    const change = booksChange(changes, this.#waiting.touched, places);
    this.#waiting.touched.clear();
    if (change !== undefined) await reserve.use(() => ledger.apply(change));
    for (const place of places) {
      this.#extentBytes += place.length;
      this.#shredder.left(this.#parts.volumes.install(place));
    }
    for (const { link, number } of change?.gone ?? []) {
      const place = this.#parts.volumes.remove(link, number);
      this.#extentBytes -= place?.length ?? 0;
      this.#shredder.left(place);
    }
    this.#waiting.evict();
    for (const operation of operations) {
      if (operation.type === "put") this.#put(operation, isTaken);
      else if (operation.type === "commit") operation.done?.();
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

  #put({ stored, done }: Extract<Operation, { type: "put" }>, isTaken: boolean): void {
    if (isTaken) return done(stored);
    this.#waiting.keys -= stored.handles.length;
    for (const bits of stored.bits) this.#waiting.bytes -= wholeBytes(bits);
    done(undefined);
  }

  /** The bytes of new extents, from the groups that they are made of. */
  async #gather(changes: readonly Change[]) {
    const made = [];
    for (const { extents = [], dropped = [] } of changes) {
      for (const { link, number, length, handles } of extents) {
        const bytes = keyMemory(length);
        this.#waiting.consume(await copyOf(this.#waiting, handles, bytes));
        made.push({ link, number, bytes });
      }
      this.#waiting.consume(runsOf(dropped));
    }
    return made;
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    const fault = storeFault(error);
    this.#ended.reject(fault);
    this.#parts.onFailure(fault);
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
      extentBytes: this.#extentBytes,
      diskBytes: this.#diskBytes(),
      limitBytes: this.#parts.limitBytes,
    };
  }

  tagBuffered(handles: Handles, key: TagKey, done: (tag: Buffer | undefined) => void): void {
    const waiting = this.#waiting;
    const runs = runsOf(handles);
    if (!waiting.areLive(runs)) return queueMicrotask(() => done(undefined));
    if (waiting.areInMemory(runs)) {
      const tag = gmac(waiting.views(runs), key);
      return queueMicrotask(() => done(tag));
    }
    this.#enqueue({
      type: "work",
      run: async () => {
        await waiting.restore(runs);
        done(waiting.areLive(runs) ? gmac(waiting.views(runs), key) : undefined);
      },
    });
  }

  tagRanges(
    link: string,
    ranges: readonly Range[],
    key: TagKey,
    done: (tag: Buffer | undefined) => void,
  ): void {
    this.read(link, ranges, (bytes) => {
      const tag = bytes && gmac([bytes], key);
      if (bytes !== undefined) wipeMemory(bytes);
      done(tag);
    });
  }

  equals(handle: Handle, bytes: Uint8Array, done: (equal: boolean) => void): void {
    const copy = keyMemory(bytes.length);
    copy.set(bytes);
    this.#enqueue({
      type: "work",
      run: async () => {
        const runs = runsOf([handle]);
        const live = this.#waiting.areLive(runs);
        if (live) await this.#waiting.restore(runs);
        const [own] = live ? this.#waiting.views(runs) : [];
        const equal = own?.length === copy.length && timingSafeEqual(own, copy);
        wipeMemory(copy);
        done(equal);
      },
    });
  }

  /** Room may have come back: asked with each round of shredding. */
  async #lookForRoom(): Promise<void> {
    await this.#parts.reserve.make();
    this.#noRoom &&= !this.#parts.reserve.isThere;
  }

  read(link: string, ranges: readonly Range[], done: (bytes: Buffer | undefined) => void): void {
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
    this.#resealing.stop();
    // Of a store that failed nothing is written any more.
    await this.#shredder.stop().catch(() => {});
    while (this.#running !== undefined) await this.#running;
    this.#closed = true;
    const { intake, volumes, ledger, keyring } = this.#parts;
    await intake.close();
    await volumes.close();
    await ledger.close();
    keyring.wipe();
    this.#waiting.close();
  }
}
