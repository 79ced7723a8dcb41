/**
 * Records in append-only files of bounded size: when all are as large as they may be, the oldest goes. Written in
 * groups off the way of keys, each synced: what was told half a second ago is durable, what is younger a crash
 * may lose. A failure to write never holds up keys: it is told, and how many records are missing is a record.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import { type FileSystem, type OpenFile, writeAll } from "../../host/disk/files.ts";
import {
  countIn,
  encodeRecord,
  longestRecord,
  type RecordView,
  shortestRecord,
  viewsIn,
} from "../records/codec.ts";
import {
  fileHeader,
  groupHeader,
  groupLength,
  groupOf,
  headerOf,
  headIn,
  longestGroup,
  payloadOf,
} from "../records/groups.ts";
import type { LifeRecord } from "../records/record.ts";
import { Reader } from "./records-reader.ts";

/** What comes within this time is written together, ms; at once when it is as long as the other, bytes. */
const groupMs = 500;
const groupBytes = 1_048_576;
/** Records that wait for a disk that does not write, bytes: more are dropped and counted. */
const mostWaiting = longestGroup - longestRecord;
/** Parts of the limit that are one file each. */
const parts = 16;

/** Behind a record: where to go on. Texts of two positions of one store compare as numbers do. */
export type Position = string;

/** A record with its number: they rise by one, over restarts too. A number that is left out is a record that is gone. */
export type Numbered = LifeRecord & { readonly number: number };

interface WrittenGroup {
  readonly payload: Buffer;
  /** Number of its first record; for what follows it, plus as many as it has. */
  readonly first: number;
  /** Where it ends in its file. */
  readonly end: number;
}

export interface RecordLogOptions {
  readonly files: FileSystem;
  readonly folder: string;
  /** Bytes of all files. */
  readonly limitBytes: number;
  readonly clock: Clock;
  /** Records could not be written; told once until they can be again. */
  readonly onFailure: (fault: Fault) => void;
}

/** @throws Fault `km_store.io` */
export async function openRecordLog(options: RecordLogOptions): Promise<RecordLog> {
  const log = new RecordLog(options);
  try {
    await log.open();
  } catch (error) {
    throw fault(options.folder, error);
  }
  return log;
}

/** Records that there is room for in so many bytes: what cannot be read had no more. */
function room(bytes: number): number {
  return Math.ceil(Math.max(0, bytes) / shortestRecord);
}

function fault(folder: string, error: unknown): Fault {
  const code = errorCode(error) ?? "unknown";
  const why = error instanceof Fault ? { why: describe(error) } : {};
  return new Fault("km_store.io", "records cannot be written or read", { folder, code, ...why });
}

export class RecordLog {
  /** Called when records were written. */
  onWritten: () => void = () => {};
  /** Does what needs so many bytes on the disk, once more if room can be made. Until it is set, none is. */
  withRoom: <T>(bytes: number, write: () => Promise<T>) => Promise<T> = (_, write) => write();
  readonly #options: RecordLogOptions;
  /** Sizes of the files there are, by number, rising. */
  readonly #sizes = new Map<number, number>();
  #file: OpenFile | undefined;
  #number = 0;
  /** Number of the next record that is written. */
  #next = 1;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #failing = false;
  #missing = 0;
  /** Records of the write that is under way. */
  #unwritten = 0;

  constructor(options: RecordLogOptions) {
    this.#options = options;
  }

  /** Bytes of all files. */
  get bytes(): number {
    return [...this.#sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  /** Records that could not be written since the start, and are not told as missing yet. */
  get missing(): number {
    return this.#missing;
  }

  async open(): Promise<void> {
    const { files, folder } = this.#options;
    await files.makeFolder(folder);
    const numbers = (await files.list(folder))
      .flatMap((name) => /^(\d{1,15})\.records$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    for (const number of numbers) this.#sizes.set(number, await this.#sizeOf(number));
    this.#number = numbers.at(-1) ?? 0;
    if (this.#number === 0) return;
    // One that cannot be read is left as it is, and another is begun.
    await this.#resume().catch((error: unknown) => this.#options.onFailure(fault(folder, error)));
  }

  async #sizeOf(number: number): Promise<number> {
    const file = await this.#options.files.open(this.#path(number), "r", 0);
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  }

  /**
   * Goes on in the newest file, if all of it can be read. Else another is begun: numbers of records follow one
   * another within a file, and those of what cannot be read may have been told.
   */
  async #resume(): Promise<void> {
    const number = this.#number;
    const size = this.#sizes.get(number) ?? 0;
    let end = 0;
    try {
      for await (const group of this.#groups(number, 0)) {
        end = group.end;
        this.#next = group.first + countIn(group.payload);
      }
    } finally {
      this.#next = end === 0 ? await this.#beyondAll() : this.#next + room(size - end);
    }
    // One of no bytes was made as power failed: it has no header to go on behind.
    if (end > 0 && end === size)
      this.#file = await this.#options.files.open(this.#path(number), "r+", 0o600);
  }

  /** A number that no record has, where the newest file cannot be read. */
  async #beyondAll(): Promise<number> {
    let beyond = 1;
    for (const [number, size] of [...this.#sizes].reverse()) {
      beyond += room(size);
      const first = await this.#firstOf(number).catch(() => undefined);
      if (first !== undefined) return first + beyond;
    }
    return beyond;
  }

  async #firstOf(number: number): Promise<number | undefined> {
    const file = await this.#options.files.open(this.#path(number), "r", 0);
    try {
      return headIn(await new Reader(file, fileHeader).read(0, fileHeader))?.first;
    } finally {
      await file.close();
    }
  }

  #path(number: number): string {
    return `${this.#options.folder}/${String(number).padStart(12, "0")}.records`;
  }

  /** Takes note of a record. Durable within a second; {@link flush} makes it so now. */
  append(record: LifeRecord): void {
    const bytes = encodeRecord(record);
    if (bytes.length > longestRecord || this.#pendingBytes + bytes.length > mostWaiting) {
      this.#missing++;
      return;
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= groupBytes) this.#start();
    else this.#timer ??= this.#options.clock.after(groupMs, () => this.#start());
  }

  /** @returns when all that was appended is durable @throws Fault `km_store.io` */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#start();
    await this.#writing;
    if (this.#failing) throw fault(this.#options.folder, undefined);
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#writing !== undefined || this.#pending.length === 0) return;
    const records = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#writing = this.#write(records)
      .then(
        () => {
          this.#failing = false;
        },
        (error: unknown) => this.#failed(error),
      )
      .then(() => {
        this.#writing = undefined;
        if (this.#pendingBytes >= groupBytes && !this.#failing) this.#start();
        else if (this.#pending.length > 0) {
          this.#timer ??= this.#options.clock.after(groupMs, () => this.#start());
        }
      });
  }

  async #failed(error: unknown): Promise<void> {
    this.#missing += this.#unwritten;
    // Their numbers may be in the file.
    this.#next += this.#unwritten + 1;
    // How much of the group is in the file is not known: the next begins a file.
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
    if (this.#failing) return;
    this.#failing = true;
    this.#options.onFailure(fault(this.#options.folder, error));
  }

  async #write(records: readonly Buffer[]): Promise<void> {
    this.#unwritten = records.length;
    for (let from = 0; from < records.length; ) {
      let to = from;
      let length = 0;
      while (to < records.length && (to === from || length < groupBytes)) {
        length += (records[to++] as Buffer).length;
      }
      await this.#writeGroup(records.slice(from, to), length);
      this.#unwritten -= to - from;
      from = to;
    }
  }

  async #writeGroup(records: readonly Buffer[], length: number): Promise<void> {
    const missing = this.#missing;
    const told = missing > 0 ? [encodeRecord(this.#missed(missing))] : [];
    const all = [...told, ...records];
    const bytes = all.reduce((sum, one) => sum + one.length, fileHeader + groupHeader);
    // With the file that it begins: where there is room for no more than that, each try would leave another file.
    await this.withRoom(bytes, async () => {
      const size = this.#sizes.get(this.#number) ?? 0;
      const isFull = size > fileHeader && size + length > this.#options.limitBytes / parts;
      if (this.#file === undefined || isFull) await this.#begin();
      const group = groupOf(all, this.#number);
      const at = this.#sizes.get(this.#number) ?? fileHeader;
      const file = this.#file as unknown as OpenFile;
      await writeAll(file, group, at);
      await file.datasync();
      this.#sizes.set(this.#number, at + group.length);
    });
    this.#next += all.length;
    this.#missing -= missing;
    this.onWritten();
  }

  #missed(count: number): LifeRecord {
    const at = this.#options.clock.wall();
    return { kind: "missing", at, ids: Buffer.alloc(0), ranges: [], facts: { count } };
  }

  async #begin(): Promise<void> {
    const { files, folder, limitBytes } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    const number = this.#number + 1;
    // One that was not begun to its end.
    await files.remove(this.#path(number));
    const file = await files.open(this.#path(number), "wx", 0o600);
    try {
      await writeAll(file, headerOf({ number, first: this.#next }), 0);
      await files.syncFolder(folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#file = file;
    this.#number = number;
    this.#sizes.set(number, fileHeader);
    // The new one may become as large as any.
    for (const oldest of [...this.#sizes.keys()]) {
      if (oldest === number || this.bytes <= limitBytes * (1 - 1 / parts)) break;
      await files.remove(this.#path(oldest));
      this.#sizes.delete(oldest);
    }
  }

  /** Shows all records that are written, oldest first. What is damaged is left out; it is told if it cannot be read. */
  async scan(visit: (view: RecordView) => void): Promise<void> {
    for (const number of [...this.#sizes.keys()]) {
      for await (const { payload } of this.#readable(number, 0)) {
        for (const view of viewsIn(payload)) visit(view);
      }
    }
  }

  /** Groups of a file up to where it cannot be read. */
  async *#readable(number: number, from: number, next = 0): AsyncGenerator<WrittenGroup> {
    const groups = this.#groups(number, from, next);
    for (;;) {
      const next = await groups.next().catch((error: unknown) => {
        this.#options.onFailure(fault(this.#options.folder, error));
        return undefined;
      });
      if (next === undefined || next.done === true) return;
      yield next.value;
    }
  }

  /**
   * Records behind a position, oldest first, for who passes them on: as many groups as have `mostBytes`, or one.
   * @param after undefined: from the oldest; records that were dropped meanwhile are skipped
   */
  async since(
    after: Position | undefined,
    mostBytes = groupBytes,
  ): Promise<{ readonly records: readonly Numbered[]; readonly position: Position | undefined }> {
    const [file = 0, offset = 0, next = 0] = after?.split(".").map(Number) ?? [];
    const records: Numbered[] = [];
    let position = after;
    let length = 0;
    for (const number of [...this.#sizes.keys()]) {
      if (number < file) continue;
      const from = number === file ? offset : 0;
      for await (const { payload, first, end } of this.#readable(number, from, next)) {
        if (length > 0 && length + payload.length > mostBytes) return { records, position };
        let at = first;
        for (const view of viewsIn(payload)) records.push({ ...view.decode(), number: at++ });
        length += payload.length;
        position = [number, end, at].map((part) => String(part).padStart(12, "0")).join(".");
      }
    }
    return { records, position };
  }

  /**
   * Whole groups of a file; the first, empty, is its header.
   * @param from where to begin; 0: at its header @param next number of the record there
   */
  async *#groups(number: number, from: number, next = 0): AsyncGenerator<WrittenGroup> {
    // One that was dropped meanwhile has no more.
    const file = await this.#options.files.open(this.#path(number), "r", 0).catch(() => undefined);
    if (file === undefined) return;
    try {
      const size = number === this.#number ? this.#sizes.get(number) : undefined;
      const reader = new Reader(file, size ?? Number.POSITIVE_INFINITY);
      const head = headIn(await reader.read(0, fileHeader));
      if (head?.number !== number) return;
      if (from === 0) yield { payload: Buffer.alloc(0), first: head.first, end: fileHeader };
      let first = from === 0 ? head.first : next;
      for (let at = Math.max(from, fileHeader); ; ) {
        const length = groupLength(await reader.read(at, groupHeader), 0);
        if (length === undefined) return;
        const group = await reader.read(at, length);
        const payload = group.length === length ? payloadOf(group, number) : undefined;
        if (payload === undefined) return;
        at += length;
        yield { payload, first, end: at };
        first += countIn(payload);
      }
    } finally {
      await file.close();
    }
  }

  /** Writes what is left, and closes. Never rejects. */
  async close(): Promise<void> {
    await this.flush().catch(() => {});
    this.#timer?.cancel();
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
  }
}
