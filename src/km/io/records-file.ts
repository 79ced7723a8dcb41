/**
 * Records in append-only files of bounded size: when all are as large as they may be, the oldest goes. Written in
 * groups off the way of keys, each synced: what was told half a second ago is durable, what is younger a crash
 * may lose. A failure to write never holds up keys: it is told, and how many records are missing is a record.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import { type FileSystem, type OpenFile, writeAll } from "../../host/disk/files.ts";
import { encodeRecord, longestRecord, type RecordView, viewsIn } from "../records/codec.ts";
import {
  fileHeader,
  groupHeader,
  groupLength,
  groupOf,
  headerOf,
  longestGroup,
  numberIn,
  payloadOf,
} from "../records/groups.ts";
import type { LifeRecord } from "../records/record.ts";

/** What comes within this time is written together, ms; at once when it is as long as the other, bytes. */
const groupMs = 500;
const groupBytes = 1_048_576;
/** Records that wait for a disk that does not write, bytes: more are dropped and counted. */
const mostWaiting = longestGroup - longestRecord;
/** Parts of the limit that are one file each. */
const parts = 16;
/** A file is read in such pieces, bytes: other work comes between. */
const pieceBytes = 1_048_576;

/** Behind a record: where to go on. Texts of two positions of one store compare as numbers do. */
export type Position = string;

interface WrittenGroup {
  readonly payload: Buffer;
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

function fault(folder: string, error: unknown): Fault {
  const code = errorCode(error) ?? "unknown";
  return new Fault("km_store.io", "records cannot be written or read", { folder, code });
}

export class RecordLog {
  readonly #options: RecordLogOptions;
  /** Sizes of the files there are, by number, rising. */
  readonly #sizes = new Map<number, number>();
  #file: OpenFile | undefined;
  #number = 0;
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

  /** Cuts off what was not written to its end. A file whose header is torn is not written again. */
  async #resume(): Promise<void> {
    const number = this.#number;
    let end = 0;
    for await (const group of this.#groups(number, 0)) end = group.end;
    if (end === 0) return;
    this.#file = await this.#options.files.open(this.#path(number), "r+", 0o600);
    await this.#file.truncate(end);
    await this.#file.datasync();
    this.#sizes.set(number, end);
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
    const size = this.#sizes.get(this.#number) ?? 0;
    const isFull = size > fileHeader && size + length > this.#options.limitBytes / parts;
    if (this.#file === undefined || isFull) await this.#begin();
    const group = groupOf([...told, ...records], this.#number);
    const at = this.#sizes.get(this.#number) ?? fileHeader;
    const file = this.#file as unknown as OpenFile;
    await writeAll(file, group, at);
    await file.datasync();
    this.#sizes.set(this.#number, at + group.length);
    this.#missing -= missing;
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
    this.#file = file;
    await writeAll(file, headerOf(number), 0);
    await files.syncFolder(folder);
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
  async *#readable(number: number, from: number): AsyncGenerator<WrittenGroup> {
    const groups = this.#groups(number, from);
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
  ): Promise<{ readonly records: readonly LifeRecord[]; readonly position: Position | undefined }> {
    const [file = 0, offset = 0] = after?.split(".").map(Number) ?? [];
    const records: LifeRecord[] = [];
    let position = after;
    let length = 0;
    for (const number of [...this.#sizes.keys()]) {
      if (number < file) continue;
      for await (const { payload, end } of this.#readable(number, number === file ? offset : 0)) {
        if (length > 0 && length + payload.length > mostBytes) return { records, position };
        for (const view of viewsIn(payload)) records.push(view.decode());
        length += payload.length;
        position = `${String(number).padStart(12, "0")}.${String(end).padStart(12, "0")}`;
      }
    }
    return { records, position };
  }

  /** Whole groups of a file; the first, empty, is its header. */
  async *#groups(number: number, from: number): AsyncGenerator<WrittenGroup> {
    // One that was dropped meanwhile has no more.
    const file = await this.#options.files.open(this.#path(number), "r", 0).catch(() => undefined);
    if (file === undefined) return;
    try {
      const size = number === this.#number ? this.#sizes.get(number) : undefined;
      const reader = new Reader(file, size ?? Number.POSITIVE_INFINITY);
      if (numberIn(await reader.read(0, fileHeader)) !== number) return;
      if (from === 0) yield { payload: Buffer.alloc(0), end: fileHeader };
      for (let at = Math.max(from, fileHeader); ; ) {
        const length = groupLength(await reader.read(at, groupHeader), 0);
        if (length === undefined) return;
        const group = await reader.read(at, length);
        const payload = group.length === length ? payloadOf(group, number) : undefined;
        if (payload === undefined) return;
        at += length;
        yield { payload, end: at };
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

/** Reads a file in pieces. */
class Reader {
  readonly #file: OpenFile;
  readonly #end: number;
  #piece: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(file: OpenFile, end: number) {
    this.#file = file;
    this.#end = end;
  }

  /** @returns fewer bytes where the file ends before; they are good until the next call */
  async read(at: number, length: number): Promise<Buffer> {
    const inside = at >= this.#start && at + length <= this.#start + this.#piece.length;
    if (!inside) {
      const wanted = Math.min(Math.max(length, pieceBytes), Math.max(0, this.#end - at));
      const piece = Buffer.allocUnsafe(wanted);
      let got = 0;
      while (got < wanted) {
        const { bytesRead } = await this.#file.read(piece, got, wanted - got, at + got);
        if (bytesRead === 0) break;
        got += bytesRead;
      }
      this.#piece = piece.subarray(0, got);
      this.#start = at;
    }
    return this.#piece.subarray(at - this.#start, at - this.#start + length);
  }
}
