/**
 * The store of a key manager on a disk: QKD-keys that wait in sealed segments, extents in sealed volumes, books
 * in SQLite. What came since the last sync becomes durable with the next, together and in order: bytes first,
 * then the rows that speak of them.
 */
import { timingSafeEqual } from "node:crypto";
import { keyMemory, wipeMemory } from "../../../port/key.ts";
import type { Range } from "../../../wire/kx/messages.ts";
import type { ReceivedKey } from "../../keys/received.ts";
import type {
  Buffered,
  Change,
  Fullness,
  Handle,
  KeyStore,
  StoreUse,
  TagKey,
} from "../../store/port.ts";
import { booksChange } from "./books-change.ts";
import { Cadence } from "./cadence.ts";
import { storeFault } from "./fault.ts";
import { gmac } from "./gmac.ts";
import { type Group, GroupBuilder, groupOf, placeOf } from "./group.ts";
import { isUrgent, type Operation } from "./operation.ts";
import type { EngineParts } from "./parts.ts";
import { readRanges, readRangesAgain } from "./ranges.ts";
import { Resealing } from "./resealing.ts";
import { isFull } from "./reserve.ts";
import { Shredder } from "./shredder.ts";

/** Key of the buffer that is kept in memory beside the disk, bytes. */
const memoryBytes = 33_554_432;
/** Of the limit, this part is for books alone. */
const forBooks = 0.05;

export class Engine implements KeyStore {
  readonly #parts: EngineParts;
  readonly #groups = new Map<number, Group>();
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
  #buffered = 0;
  #bufferedBytes = 0;
  /** Bytes of groups in memory, at most: looked at closely when it is much. */
  #held = 0;
  #extentBytes = 0;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#cadence = new Cadence(parts.clock, parts.cycleMs);
    this.#nextGroup = parts.next;
    for (const group of parts.groups) {
      this.#groups.set(group.number, group);
      this.#buffered += group.live;
      for (let i = 0; i < group.count; i++) {
        if (group.isLive(i)) this.#bufferedBytes += group.lengthOf(i);
      }
    }
    for (const { length } of parts.volumes.extents) this.#extentBytes += length;
    this.#ended.promise.catch(() => {});
    this.#shredder = new Shredder(parts, this.#groups, {
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

  put(
    module: string,
    keys: readonly ReceivedKey[],
    done: (stored: readonly Buffered[]) => void,
  ): void {
    const at = this.#parts.clock.wall();
    const stored = keys.map((key) => {
      const buffered = this.#builder(Math.floor(key.bits / 8)).add(module, key, at);
      this.#bufferedBytes += buffered.length;
      return buffered;
    });
    this.#buffered += keys.length;
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
    for (const group of groups) {
      this.#groups.set(group.number, group);
      this.#held += group.length;
    }
    const changes = operations.flatMap((it) => (it.type === "commit" ? [it.change] : []));
    const extents = await this.#gather(changes);
    const { reserve, volumes, ledger } = this.#parts;
    const [places, isTaken] = await Promise.all([
      extents.length > 0 ? reserve.use(() => volumes.write(extents)) : [],
      groups.length > 0 ? this.#append(groups) : true,
    ]);
    for (const { bytes } of extents) wipeMemory(bytes);
    const change = booksChange(changes, this.#touched, places);
    this.#touched.clear();
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
    this.#evict();
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
    for (const group of groups) {
      this.#groups.delete(group.number);
      this.#held -= group.length;
      group.evict();
    }
    return false;
  }

  #put({ stored, done }: Extract<Operation, { type: "put" }>, isTaken: boolean): void {
    if (isTaken) return done(stored);
    this.#buffered -= stored.length;
    for (const { length } of stored) this.#bufferedBytes -= length;
    done([]);
  }

  /** The bytes of new extents, from the groups that they are made of. */
  async #gather(changes: readonly Change[]) {
    const made = [];
    for (const { extents = [], dropped = [] } of changes) {
      for (const { link, number, length, handles } of extents) {
        const bytes = keyMemory(length);
        let at = 0;
        for (const handle of handles) {
          const group = await this.#restored(handle);
          const part = group.bytesOf(placeOf(handle)) as Uint8Array;
          bytes.set(part, at);
          at += part.length;
        }
        if (at !== length) throw new Error("an extent has the length of its keys");
        for (const handle of handles) this.#consume(handle);
        made.push({ link, number, bytes });
      }
      for (const handle of dropped) this.#consume(handle);
    }
    return made;
  }

  readonly #touched = new Set<Group>();

  #consume(handle: Handle): void {
    const group = this.#groups.get(groupOf(handle));
    const place = placeOf(handle);
    if (group === undefined || !group.isLive(place)) return;
    this.#buffered--;
    this.#bufferedBytes -= group.lengthOf(place);
    group.consume(place);
    this.#touched.add(group);
    if (group.live === 0) this.#groups.delete(group.number);
  }

  async #restored(handle: Handle): Promise<Group> {
    const group = this.#groups.get(groupOf(handle));
    if (!group?.isLive(placeOf(handle))) throw new Error("a key is not in the buffer any more");
    await this.#restore(group);
    return group;
  }

  async #restore(group: Group): Promise<void> {
    if (group.plain !== undefined) return;
    await this.#parts.intake.restore(group);
    this.#held += group.length;
  }

  /** Keeps the newest groups in memory, as many as there is room for. */
  #evict(): void {
    if (this.#held <= memoryBytes) return;
    let held = 0;
    for (const group of this.#groups.values()) held += group.plain?.length ?? 0;
    for (const group of this.#groups.values()) {
      if (held <= memoryBytes / 2) break;
      held -= group.plain?.length ?? 0;
      group.evict();
    }
    this.#held = held;
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
      bufferedKeys: this.#buffered,
      bufferedBytes: this.#bufferedBytes,
      extentBytes: this.#extentBytes,
      diskBytes: this.#diskBytes(),
      limitBytes: this.#parts.limitBytes,
    };
  }

  tagBuffered(
    handles: readonly Handle[],
    key: TagKey,
    done: (tag: Buffer | undefined) => void,
  ): void {
    const groups = handles.map((handle) => this.#groups.get(groupOf(handle)));
    const there = groups.every((group, i) => group?.isLive(placeOf(handles[i] as Handle)));
    if (!there) return queueMicrotask(() => done(undefined));
    if (groups.every((group) => group?.plain !== undefined)) {
      const tag = gmac(this.#views(handles), key);
      return queueMicrotask(() => done(tag));
    }
    this.#enqueue({
      type: "work",
      run: async () => {
        for (const group of new Set(groups)) {
          if (group !== undefined && group.live > 0) await this.#restore(group);
        }
        const live = handles.every((handle) =>
          this.#groups.get(groupOf(handle))?.isLive(placeOf(handle)),
        );
        done(live ? gmac(this.#views(handles), key) : undefined);
      },
    });
  }

  *#views(handles: readonly Handle[]): Generator<Uint8Array> {
    for (const handle of handles) {
      yield this.#groups.get(groupOf(handle))?.bytesOf(placeOf(handle)) as Uint8Array;
    }
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
        const live = this.#groups.get(groupOf(handle))?.isLive(placeOf(handle));
        const group = live ? await this.#restored(handle) : undefined;
        const own = group?.bytesOf(placeOf(handle));
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
    for (const group of this.#groups.values()) group.evict();
  }
}
