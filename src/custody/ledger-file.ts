/**
 * The ledger on disk: append-only, written and fsynced in groups, compacted into a new file that
 * replaces the old one as a whole.
 */
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
import { LedgerIndex } from "./ledger-index.ts";
import {
  decodeEntry,
  encodeEntry,
  fileHeader,
  groupOf,
  isHeader,
  isIntact,
  nextGroup,
  recordLength,
} from "./ledger-record.ts";
import type { BlockRecord, Cut, Ledger, LedgerEntry } from "./ports.ts";

/** A ledger is bounded by what the module holds unreleased; this many bytes are a million blocks. */
const maxFile = 256 * 1024 * 1024;
/** Compact when the file has more records than this and more than four times what is alive. */
const compactAbove = 4_096;

export class LedgerFile implements Ledger {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #log: Log;
  readonly #index: LedgerIndex;
  #file: OpenFile;
  #records: number;
  /** Of the records that were synced last. */
  #group: number;
  #failure: Fault | undefined;
  #closed = false;
  #recovering = false;
  #listener: (failure: Error) => void = () => {};

  #batch: LedgerEntry[] = [];
  #waiting: (() => void)[] = [];
  #committing: Promise<void> | undefined;

  private constructor(
    files: FileSystem,
    path: string,
    log: Log,
    index: LedgerIndex,
    file: OpenFile,
    records: number,
    group: number,
  ) {
    this.#files = files;
    this.#path = path;
    this.#log = log;
    this.#index = index;
    this.#file = file;
    this.#records = records;
    this.#group = group;
  }

  /**
   * Opens a ledger, or makes an empty one where there is none. A torn tail is cut and reported.
   * @throws Fault `ledger.corrupt` if intact records follow a damaged one, `ledger.io`
   */
  static async open(files: FileSystem, path: string, log: Log): Promise<LedgerFile> {
    try {
      let bytes = await readWhole(files, path, maxFile);
      if (bytes === undefined) {
        bytes = fileHeader(0);
        await replaceFile(files, path, bytes);
      }
      const { index, end, group } = scan(bytes, path);
      if (end < bytes.length) {
        log.warn("ledger: torn tail cut", { file: path, bytes: bytes.length - end });
      }
      const file = await openCut(files, path, end, bytes.length);
      return new LedgerFile(files, path, log, index, file, end / recordLength - 1, group);
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

  cutOf(ref: BlockRef): Cut | undefined {
    return this.#index.cuts.of(ref);
  }

  get anyOnRequest(): boolean {
    return this.#index.cuts.anyOnRequest;
  }

  append(entry: LedgerEntry): void {
    this.#index.apply(entry);
    this.#batch.push(entry);
    if (this.#failure === undefined) this.#committing ??= this.#commit();
  }

  whenDurable(then: () => void): void {
    if (this.#committing === undefined && this.#failure === undefined) then();
    else this.#waiting.push(then);
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
      const { end, group } = scan(bytes, this.#path);
      this.#file = await openCut(this.#files, this.#path, end, bytes.length);
      this.#records = end / recordLength - 1;
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
    while (this.#committing !== undefined) await this.#committing;
    await this.#file.close().catch(() => {});
  }

  /** Writes and syncs groups until nothing is left; what comes meanwhile forms the next group. */
  async #commit(): Promise<void> {
    // What else this turn of the event loop records belongs to the same group.
    await Promise.resolve();
    let entries: LedgerEntry[] = [];
    let waiting: (() => void)[] = [];
    try {
      while (this.#batch.length > 0) {
        entries = this.#batch;
        waiting = this.#waiting;
        this.#batch = [];
        this.#waiting = [];
        const group = nextGroup(this.#group);
        const records = entries.map((entry) => encodeEntry(entry, group));
        const position = (this.#records + 1) * recordLength;
        await writeAll(this.#file, Buffer.concat(records), position);
        await this.#file.datasync();
        this.#records += entries.length;
        this.#group = group;
        const durable = waiting;
        entries = [];
        waiting = [];
        for (const then of durable) then();
        if (this.#records > compactAbove && this.#records > 4 * this.#index.live()) {
          await this.#compact();
        }
      }
      this.#committing = undefined;
      const durable = this.#waiting;
      this.#waiting = [];
      for (const then of durable) then();
    } catch (error) {
      this.#committing = undefined;
      this.#batch = [...entries, ...this.#batch];
      this.#waiting = [...waiting, ...this.#waiting];
      this.#fail(error);
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

  async #compact(): Promise<void> {
    const before = this.#records;
    // The index already has what waits in the batch; writing that again after this is harmless,
    // since applying an entry twice changes nothing.
    const group = nextGroup(this.#group);
    const entries = [...this.#index.entries()].map((entry) => encodeEntry(entry, group));
    await replaceFile(this.#files, this.#path, Buffer.concat([fileHeader(group), ...entries]));
    const file = await this.#files.open(this.#path, "r+", 0o600);
    await this.#file.close();
    this.#file = file;
    this.#records = entries.length;
    this.#group = group;
    this.#log.debug("ledger compacted", { before, after: entries.length });
  }
}

/** Opens a ledger for writing, without what stands behind its intact part. */
async function openCut(
  files: FileSystem,
  path: string,
  end: number,
  length: number,
): Promise<OpenFile> {
  const file = await files.open(path, "r+", 0o600);
  try {
    if (end < length) {
      await file.truncate(end);
      await file.datasync();
    }
    return file;
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

interface Scan {
  readonly index: LedgerIndex;
  /** Where the intact part of the file ends. */
  readonly end: number;
  /** Group of its last record. */
  readonly group: number;
}

/** Applies all records up to the first that is damaged. @throws Fault `ledger.corrupt` */
function scan(bytes: Buffer, path: string): Scan {
  const index = new LedgerIndex();
  if (!isHeader(bytes)) {
    throw new Fault("ledger.corrupt", "not a ledger of this version", { file: path });
  }
  let at = recordLength;
  for (; isIntact(bytes, at); at += recordLength) {
    const entry = decodeEntry(bytes, at);
    if (entry === undefined) {
      throw new Fault("ledger.corrupt", "record of a later version", { file: path, offset: at });
    }
    index.apply(entry);
  }
  const group = groupOf(bytes, at - recordLength);
  let tornGroup: number | undefined;
  for (let later = at + recordLength; later < bytes.length; later += recordLength) {
    if (!isIntact(bytes, later)) continue;
    // The rest of the group that was being written when power failed, and of no other.
    tornGroup ??= groupOf(bytes, later);
    const torn = groupOf(bytes, later) === tornGroup;
    if (!torn || (tornGroup !== group && tornGroup !== nextGroup(group))) {
      throw new Fault("ledger.corrupt", "damaged record before intact ones", {
        file: path,
        offset: at,
      });
    }
  }
  return { index, end: at, group };
}
