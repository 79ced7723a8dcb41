/**
 * The ledger on disk: append-only, written and fsynced in groups, compacted into a new file that
 * replaces the old one as a whole.
 */
import { type Clock, systemClock } from "../port/clock.ts";
import { describe, errorCode, Fault } from "../port/errors.ts";
import type { BlockRef } from "../port/key.ts";
import type { Log } from "../port/log.ts";
import {
  type FileSystem,
  type OpenFile,
  readWhole,
  replaceFile,
  writeAll,
} from "../state/files.ts";
import type { LedgerIndex } from "./ledger-index.ts";
import { encodeEntry, fileHeader, nextGroup, recordLength } from "./ledger-record.ts";
import { scan } from "./ledger-scan.ts";
import type { BlockRecord, Format, Ledger, LedgerEntry, ModulePair } from "./ports.ts";
import { Queue } from "./queue.ts";

/** A ledger is bounded by what the module holds unreleased; this many bytes are a million blocks. */
export const maxFile = 256 * 1024 * 1024;
export interface LedgerOptions {
  /** Most records that are written and synced at once; the next ones are a group of their own. */
  readonly groupRecords: number;
  /**
   * What is done is recorded this late at the most, ms; 0: what comes while a group is written is the
   * next. Each sync wears flash, at hundreds of blocks a second in a few years.
   */
  readonly groupDelayMs: number;
  /**
   * Room made in the file before it is needed, bytes: a sync then writes data alone, and a disk that
   * fills up does not keep what happened last from being recorded.
   */
  readonly reserveBytes: number;
  /** Made anew when it has more records than this and more than four times what is alive. */
  readonly compactAbove: number;
  readonly clock: Clock;
  /** Told of each group that is written; what it returns is called when that has ended. */
  readonly task: (name: string) => () => void;
}

const standard: LedgerOptions = {
  groupRecords: 4_096,
  groupDelayMs: 0,
  reserveBytes: 262_144,
  compactAbove: 32_768,
  clock: systemClock,
  task: () => () => {},
};

/**
 * What was done already: no key and no operator waits for it to be on disk. If it is lost, the module
 * offers its blocks again, and their keys are supplied again under the same IDs.
 */
const canWait: ReadonlySet<LedgerEntry["kind"]> = new Set([
  "delivered",
  "delivered_to",
  "complete",
  "released",
  "past",
]);

export class LedgerFile implements Ledger {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #log: Log;
  readonly #index: LedgerIndex;
  readonly #options: LedgerOptions;
  #file: OpenFile;
  #records: number;
  /** With more records than this it is time to see whether most say nothing any more. */
  #lookAbove: number;
  /** Length of the file, bytes; what is behind the records is zero. */
  #length: number;
  /** Of the records that were synced last. */
  #group: number;
  #failure: Fault | undefined;
  #closed = false;
  #recovering = false;
  #listener: (failure: Error) => void = () => {};

  #batch: LedgerEntry[] = [];
  /** Something in the batch can't wait. */
  #urgent = false;
  /** Ends the wait for more. */
  #hurry: (() => void) | undefined;
  /** Who waits, and for how many more entries to be on disk. In order. */
  readonly #waiting = new Queue<{ readonly upTo: number; readonly then: () => void }>();
  /** Entries since the start: recorded, and on disk. */
  #appended = 0;
  #durable = 0;
  #committing: Promise<void> | undefined;

  private constructor(
    files: FileSystem,
    path: string,
    log: Log,
    options: LedgerOptions,
    index: LedgerIndex,
    { file, records, length, group }: Opened,
  ) {
    this.#files = files;
    this.#path = path;
    this.#log = log;
    this.#options = options;
    this.#index = index;
    this.#file = file;
    this.#records = records;
    this.#lookAbove = options.compactAbove;
    this.#length = length;
    this.#group = group;
  }

  /**
   * Opens a ledger, or makes an empty one where there is none. A torn tail is cut and reported.
   * @throws Fault `ledger.corrupt` if intact records follow a damaged one, `ledger.io`
   */
  static async open(
    files: FileSystem,
    path: string,
    log: Log,
    options: Partial<LedgerOptions> = {},
  ): Promise<LedgerFile> {
    try {
      let bytes = await readWhole(files, path, maxFile);
      if (bytes === undefined) {
        bytes = fileHeader(0);
        await replaceFile(files, path, bytes);
      }
      const { index, end, group, clean } = scan(bytes, path);
      if (!clean) log.warn("ledger: torn tail cut", { file: path, bytes: bytes.length - end });
      const opened = await openCut(files, path, { end, group, clean, length: bytes.length });
      return new LedgerFile(files, path, log, { ...standard, ...options }, index, opened);
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault("ledger.io", "cannot open the ledger", {
        file: path,
        code: errorCode(error) ?? "unknown",
      });
    }
  }

  get failure(): Fault | undefined {
    return this.#failure;
  }

  watch(listener: (failure: Error) => void): void {
    this.#listener = listener;
  }

  get(block: string): BlockRecord | undefined {
    return this.#index.get(block);
  }

  blocks(): Iterable<BlockRecord> {
    return this.#index.blocks();
  }

  cutOf(ref: BlockRef): Format | undefined {
    return this.#index.cuts.of(ref);
  }

  claimantOf(ref: BlockRef): string | undefined {
    return this.#index.claims.of(ref);
  }

  claimEnd(epoch: string): number | undefined {
    return this.#index.claims.endOf(epoch);
  }

  get module(): ModulePair | undefined {
    return this.#index.pairs.module;
  }

  pairOf(epoch: string): ModulePair | undefined {
    return this.#index.pairs.of(epoch);
  }

  namingOf(pair: ModulePair): readonly LedgerEntry[] {
    return this.#index.pairs.naming(pair);
  }

  get size(): { readonly blocks: number; readonly epochs: number } {
    return this.#index.size;
  }

  get isRepaired(): boolean {
    return this.#index.doubts.repaired;
  }

  get anyOnRequest(): boolean {
    return this.#index.cuts.anyOnRequest;
  }

  isPast(ref: BlockRef): boolean | "unknown" {
    return this.#index.past.has(ref);
  }

  isDoubtful(ref: BlockRef): boolean {
    return this.#index.doubts.has(ref);
  }

  append(entry: LedgerEntry): void {
    this.#index.apply(entry);
    this.#batch.push(entry);
    this.#appended++;
    if (!canWait.has(entry.kind)) this.#urgent = true;
    if (this.#isDue()) this.#hurry?.();
    if (this.#failure === undefined) this.#committing ??= this.#commit();
  }

  whenDurable(then: () => void): void {
    if (this.#durable === this.#appended && this.#failure === undefined) then();
    else this.#waiting.push({ upTo: this.#appended, then });
  }

  /**
   * After a failure: tries to write again what could not be written. To be called by a schedule;
   * afterwards `failure` tells how it went.
   */
  async recover(): Promise<void> {
    if (this.#failure === undefined || this.#closed || this.#recovering) return;
    this.#recovering = true;
    try {
      await this.#file.close().catch(() => {});
      const bytes = await readWhole(this.#files, this.#path, maxFile);
      if (bytes === undefined) throw new Fault("ledger.io", "ledger is gone", { file: this.#path });
      // What the file has beyond the last group that was synced is not relied upon.
      const { end, group, clean } = scan(bytes, this.#path);
      const found = { end, group, clean, length: bytes.length };
      const opened = await openCut(this.#files, this.#path, found);
      this.#file = opened.file;
      this.#records = opened.records;
      this.#length = opened.length;
      this.#group = group;
      this.#failure = undefined;
      this.#committing = this.#commit();
      await this.#committing;
      if (this.#failure === undefined) this.#log.info("ledger: written again");
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#recovering = false;
    }
  }

  /** Makes everything durable, if that is possible, and closes the file; never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#hurry?.();
    while (this.#committing !== undefined) await this.#committing;
    await this.#file.close().catch(() => {});
  }

  /** Writes and syncs groups until nothing is left; what comes meanwhile forms the next group. */
  async #commit(): Promise<void> {
    // What else this turn of the event loop records belongs to the same group.
    await Promise.resolve();
    let entries: LedgerEntry[] = [];
    try {
      while (this.#batch.length > 0) {
        await this.#gather();
        entries = this.#batch.splice(0, this.#options.groupRecords);
        if (this.#batch.length === 0) this.#urgent = false;
        const written = this.#options.task(`${this.#path}: writing`);
        await this.#write(entries).finally(written);
        this.#durable += entries.length;
        entries = [];
        this.#tell();
        if (this.#records > this.#lookAbove) await this.#lookAtLength();
      }
      this.#committing = undefined;
      this.#tell();
    } catch (error) {
      this.#committing = undefined;
      this.#batch = [...entries, ...this.#batch];
      this.#fail(error);
    }
  }

  #isDue(): boolean {
    return this.#urgent || this.#closed || this.#batch.length >= this.#options.groupRecords;
  }

  /** Waits for more, as long as nothing hurries. */
  async #gather(): Promise<void> {
    const { groupDelayMs, clock } = this.#options;
    if (groupDelayMs === 0 || this.#isDue()) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        timer.cancel();
        this.#hurry = undefined;
        resolve();
      };
      const timer = clock.after(groupDelayMs, done);
      this.#hurry = done;
    });
  }

  /** One group; and with it, where it does not fit any more, room for the next ones. */
  async #write(entries: readonly LedgerEntry[]): Promise<void> {
    const group = nextGroup(this.#group);
    const position = (this.#records + 1) * recordLength;
    const end = position + entries.length * recordLength;
    if (end > maxFile) {
      throw new Fault("ledger.io", "the module holds more than the ledger can have", {
        file: this.#path,
        limit_bytes: maxFile,
      });
    }
    const { reserveBytes } = this.#options;
    const length = end <= this.#length ? this.#length : end + reserveBytes;
    const bytes = Buffer.alloc((length > this.#length ? length : end) - position);
    encodeAll(entries, group, bytes, 0);
    await writeAll(this.#file, bytes, position);
    await this.#file.datasync();
    this.#length = length;
    this.#records += entries.length;
    this.#group = group;
  }

  /** Tells those who wait for what is on disk now. */
  #tell(): void {
    if (this.#failure !== undefined) return;
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      if (next.upTo > this.#durable) return;
      this.#waiting.shift();
      next.then();
    }
  }

  #fail(error: unknown): void {
    const again = this.#failure !== undefined || this.#recovering;
    this.#failure =
      error instanceof Fault
        ? error
        : new Fault("ledger.io", "cannot write the ledger: no key is supplied", {
            file: this.#path,
            code: errorCode(error) ?? "unknown",
          });
    if (again) return;
    this.#log.error(describe(this.#failure));
    this.#listener(this.#failure);
  }

  /** Counting what is alive takes as long as there is of it: it is looked at ever more rarely. */
  async #lookAtLength(): Promise<void> {
    const live = this.#index.live();
    this.#lookAbove = Math.max(this.#options.compactAbove, 4 * live);
    if (this.#records > this.#lookAbove) await this.#compact();
  }

  async #compact(): Promise<void> {
    const before = this.#records;
    // The index already has what waits in the batch; writing that again after this is harmless,
    // since applying an entry twice changes nothing.
    const group = nextGroup(this.#group);
    const entries = [...this.#index.entries()];
    const used = (entries.length + 1) * recordLength;
    const bytes = Buffer.alloc(used + this.#options.reserveBytes);
    fileHeader(group).copy(bytes);
    encodeAll(entries, group, bytes, recordLength);
    await replaceFile(this.#files, this.#path, bytes);
    const file = await this.#files.open(this.#path, "r+", 0o600);
    await this.#file.close();
    this.#file = file;
    this.#records = entries.length;
    this.#length = bytes.length;
    this.#group = group;
    this.#log.debug("ledger compacted", { before, after: entries.length });
  }
}

function encodeAll(entries: readonly LedgerEntry[], group: number, target: Buffer, at: number) {
  let next = at;
  for (const entry of entries) {
    encodeEntry(entry, group, target, next);
    next += recordLength;
  }
}

interface Found {
  /** Where the intact part of the file ends, bytes. */
  readonly end: number;
  readonly group: number;
  /** What is behind it is zero. */
  readonly clean: boolean;
  readonly length: number;
}

interface Opened {
  readonly file: OpenFile;
  readonly records: number;
  readonly length: number;
  readonly group: number;
}

/** Opens a ledger for writing, without what is torn behind its intact part. */
async function openCut(files: FileSystem, path: string, found: Found): Promise<Opened> {
  const { end, group, clean } = found;
  const length = clean ? Math.max(found.length, end) : end;
  const file = await files.open(path, "r+", 0o600);
  try {
    if (!clean) {
      await file.truncate(end);
      await file.datasync();
    }
    return { file, records: end / recordLength - 1, length, group };
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}
