/**
 * The durable outbox: alarm transitions and audit events on their way to the broker. An event is on
 * disk before it is published, and leaves only when the broker has acknowledged it; a repeat is the
 * same bytes with the same `event_id`.
 *
 * A disk that fails does not silence the node: what cannot be written is published from memory, and
 * the file is made anew as soon as that is possible.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { type FileSystem, type OpenFile, writeAll } from "../../host/disk/files.ts";
import { openLog, readRecord, rewriteLog } from "./outbox-file.ts";
import { OutboxQueue, type QueueLimits, type Waiting } from "./outbox-queue.ts";
import { encodeRecord } from "./outbox-record.ts";

export interface OutboxOptions {
  readonly files: FileSystem;
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: QueueLimits;
  /** An earlier start had one: if there is none, what waited in it is lost. */
  readonly expected?: boolean;
}

const standardLimits: QueueLimits = { items: 50_000, routine: 5_000 };
/** Most events that only memory has: while the disk fails, and while it takes its time. */
const mostInMemory = { failing: 1_000, waiting: 10_000 } as const;
/** So many of the next events are kept in memory, and read from disk at a time. */
const readAhead = 32;
/** Routine events are gathered for this long before they are written: flash wears, ms. */
const gatherMs = 1_000;
/** After a failure of the disk it is tried again this much later, ms. */
const retryMs = 30_000;
/** The file is made anew when it has this many bytes more than what waits, and twice as many. */
const slack = 1_048_576;

export interface OutboxItem {
  readonly payload: Buffer;
}

export class Outbox {
  /** Events that were given up. */
  dropped = 0;
  /** Called when something can be published, or could not be written. */
  onChange: () => void = () => {};
  readonly #options: OutboxOptions;
  readonly #queue: OutboxQueue;
  #file: OpenFile | undefined;
  #end = 0;
  #failure: Fault | undefined;
  /** Bytes that were found damaged when the file was opened, and left out. */
  #damage = 0;
  /** It was expected, and not there. */
  #missing = false;
  #retryAt = 0;
  #heldFrom = Number.POSITIVE_INFINITY;
  /** Some could not be read: those after them were given before. */
  #passedOver = false;

  /** What is to be appended: new events, and who is gone. */
  #batch: { item: Waiting | undefined; record: Buffer }[] = [];
  #inMemory = 0;
  #wanted = false;
  #working: Promise<void> | undefined;
  #gather: Timer | undefined;
  #retry: Timer | undefined;
  #closed = false;

  private constructor(options: OutboxOptions) {
    this.#options = options;
    this.#queue = new OutboxQueue(options.limits ?? standardLimits);
  }

  /**
   * Opens the outbox, or makes an empty one. Damage is cut out and counted; a disk that fails leaves
   * an outbox in memory. Never rejects.
   */
  static async open(options: OutboxOptions): Promise<Outbox> {
    const outbox = new Outbox(options);
    try {
      await outbox.#open();
    } catch (error) {
      outbox.#failed(error);
    }
    return outbox;
  }

  /**
   * What is the matter with the file, if anything: it can't be written, or was damaged or gone when it
   * was opened.
   */
  get trouble(): Fault | undefined {
    if (this.#failure !== undefined) return this.#failure;
    const { path: file } = this.#options;
    if (this.#missing) {
      return new Fault("state.corrupt", "outbox was gone: events that waited are lost", { file });
    }
    if (this.#damage === 0) return undefined;
    const facts = { file, bytes: this.#damage };
    return new Fault("state.corrupt", "outbox was damaged: some events are lost", facts);
  }

  /** Defined while events can't be written; they are published from memory then. */
  get failure(): Fault | undefined {
    return this.#failure;
  }

  /** Events that wait. */
  get length(): number {
    return this.#queue.length;
  }

  /**
   * Takes an event.
   * @param id greater than all before
   * @param kept false for routine events, the first to be given up
   */
  push(id: number, payload: Buffer, kept: boolean): void {
    const record = encodeRecord(kept ? "kept" : "routine", id, payload);
    const item: Waiting = { id, kept, at: -1, length: record.length, payload, gone: false };
    this.#giveUp(this.#queue.push(item));
    this.#inMemory++;
    this.#batch.push({ item, record });
    this.#boundMemory();
    if (kept) this.#work();
    else this.#gather ??= this.#options.clock.after(gatherMs, () => this.#work());
  }

  /**
   * Holds events back, from this id on: given to the broker only when what they say is recorded
   * elsewhere as well. Undefined: none.
   */
  hold(from: number | undefined): void {
    this.#heldFrom = from ?? Number.POSITIVE_INFINITY;
    this.onChange();
  }

  /** What is kept and waits, with a greater id than this one; oldest first. */
  async after(id: number): Promise<Buffer[]> {
    const file = this.#file;
    const found: Buffer[] = [];
    for (const item of this.#queue.waiting()) {
      if (!item.kept || item.id <= id) continue;
      const payload =
        item.payload ?? (file && (await readRecord(file, item).catch(() => undefined)));
      if (payload !== undefined) found.push(payload);
    }
    return found;
  }

  /** The oldest event that the connection at hand was not given; it counts as given now. */
  next(): OutboxItem | undefined {
    const item = this.#queue.peek();
    if (item === undefined || item.id >= this.#heldFrom) return undefined;
    if (item.at < 0 && this.#failure === undefined) return undefined;
    if (item.payload === undefined) {
      this.#wanted = true;
      this.#work();
      return undefined;
    }
    this.#queue.sent();
    return item as OutboxItem;
  }

  /** The broker has it. */
  done(given: OutboxItem): void {
    const item = given as Waiting;
    if (!this.#queue.remove(item)) return;
    this.#gone(item);
    this.#gather ??= this.#options.clock.after(gatherMs, () => this.#work());
  }

  /** The broker will never take it. */
  drop(given: OutboxItem): void {
    if (!(given as Waiting).gone) this.dropped++;
    this.done(given);
  }

  /** The connection is gone: what it did not acknowledge is given again, in order. */
  rewind(): void {
    this.#queue.rewind();
  }

  /** Resolves once everything taken so far is on disk, or can't be written. Never rejects. */
  async durable(): Promise<void> {
    if (this.#batch.length > 0) this.#work();
    while (this.#working !== undefined) await this.#working;
  }

  /** Writes what waits to be written, and closes the file. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.durable();
    this.#gather?.cancel();
    this.#retry?.cancel();
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
  }

  #giveUp(items: readonly Waiting[]): void {
    for (const item of items) {
      this.dropped++;
      this.#gone(item);
    }
  }

  #gone(item: Waiting): void {
    item.payload = undefined;
    if (item.at < 0) this.#inMemory--;
    else this.#batch.push({ item: undefined, record: encodeRecord("gone", item.id) });
  }

  /** What is not on disk is in memory: it must not grow while the disk fails, or hangs. */
  #boundMemory(): void {
    const most = this.#failure === undefined ? mostInMemory.waiting : mostInMemory.failing;
    if (this.#inMemory <= most) return;
    for (const item of this.#queue.waiting()) {
      if (this.#inMemory <= most) break;
      if (item.at < 0 && this.#queue.remove(item)) this.#giveUp([item]);
    }
    this.#batch = this.#batch.filter(({ item }) => item === undefined || !item.gone);
  }

  #work(): void {
    this.#gather?.cancel();
    this.#gather = undefined;
    this.#working ??= this.#run().finally(() => {
      this.#working = undefined;
      this.onChange();
    });
  }

  /** All file operations, one after the other. */
  async #run(): Promise<void> {
    // What else this turn of the event loop adds belongs to the same group.
    await Promise.resolve();
    const { clock, log, path } = this.#options;
    try {
      if (this.#failure !== undefined) {
        if (this.#wanted) await this.#loadFromFailing();
        if (clock.now() < this.#retryAt && !this.#closed) return;
        if (this.#file === undefined) await this.#open();
        else await this.#rewrite(this.#file);
        this.#failure = undefined;
        // Those that were passed over come now; what is on its way comes twice.
        if (this.#passedOver) this.#queue.rewind();
        this.#passedOver = false;
        log.info("outbox can be written again", { file: path });
      }
      for (;;) {
        const file = this.#file as OpenFile;
        if (this.#batch.length > 0) await this.#commit(file);
        else if (this.#wanted) await this.#load(file);
        else if (this.#end > slack + 2 * this.#queue.bytes) await this.#rewrite(file);
        else return;
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  async #open(): Promise<void> {
    const { files, path, log, expected } = this.#options;
    const { file, end, waiting, damaged, made } = await openLog(files, path);
    if (made && expected === true) {
      this.#missing = true;
      log.error("outbox was gone", { file: path });
    }
    this.#file = file;
    this.#end = end;
    this.#giveUp(this.#queue.prepend(waiting));
    this.#damage += damaged;
    if (damaged > 0) log.error("outbox was damaged", { file: path, bytes: damaged });
  }

  async #commit(file: OpenFile): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    const live = batch.filter(({ item }) => item === undefined || !item.gone);
    let at = this.#end;
    try {
      await writeAll(file, Buffer.concat(live.map(({ record }) => record)), at);
      // This record may be lost: then the broker gets a repeat.
      if (live.some(({ item }) => item !== undefined)) await file.datasync();
    } catch (error) {
      this.#batch = [...batch, ...this.#batch];
      throw error;
    }
    for (const { item, record } of live) {
      if (item !== undefined) this.#written(item, at);
      at += record.length;
    }
    this.#end = at;
    this.onChange();
  }

  /** An item is on disk; unless it is next soon, its bytes need not be in memory as well. */
  #written(item: Waiting, at: number): void {
    if (item.at < 0 && !item.gone) this.#inMemory--;
    item.at = at;
    if (item.gone) this.#batch.push({ item: undefined, record: encodeRecord("gone", item.id) });
    else if (this.#queue.distance > readAhead) item.payload = undefined;
  }

  async #load(file: OpenFile): Promise<void> {
    this.#wanted = false;
    for (const item of this.#queue.ahead(readAhead)) {
      if (item.payload !== undefined || item.at < 0) continue;
      const payload = await readRecord(file, item);
      if (item.gone) continue;
      if (payload !== undefined) item.payload = payload;
      else if (this.#queue.remove(item)) this.#giveUp([item]);
    }
    this.onChange();
  }

  /** A disk that is full, or takes no writes, can be read. What can't be read holds up nothing behind it. */
  async #loadFromFailing(): Promise<void> {
    try {
      await this.#load(this.#file as OpenFile);
    } catch {
      this.#wanted = false;
      this.#passedOver = this.#queue.passUnread() || this.#passedOver;
    }
  }

  /** Makes the file anew from what waits. */
  async #rewrite(old: OpenFile): Promise<void> {
    const { files, path, log } = this.#options;
    const before = this.#end;
    const items = [...this.#queue.waiting()];
    const { file, places, end } = await rewriteLog(files, path, items, old);
    await old.close().catch(() => {});
    this.#file = file;
    this.#end = end;
    for (const item of items) {
      const at = places.get(item);
      if (at !== undefined) this.#written(item, at);
      else if (this.#queue.remove(item)) this.#giveUp([item]);
    }
    // What was written is not to be written again; what came meanwhile is.
    this.#batch = this.#batch.filter(({ item }) => item === undefined || item.at < 0);
    log.debug("outbox compacted", { before, after: end });
  }

  #failed(error: unknown): void {
    const { path, clock, log } = this.#options;
    const facts = { file: path, code: errorCode(error) ?? "unknown" };
    this.#failure = new Fault(
      "state.io",
      "cannot write the outbox: events are in memory only",
      facts,
    );
    this.#retryAt = clock.now() + retryMs;
    log.error(this.#failure.message, facts);
    this.#retry?.cancel();
    this.#retry = this.#closed ? undefined : clock.after(retryMs, () => this.#work());
    this.#boundMemory();
  }
}
