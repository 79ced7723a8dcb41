/**
 * The ledger on disk: append-only, written and fsynced in groups, compacted into a new file that
 * replaces the old one as a whole.
 */
import { describe, errorCode, Fault } from "../port/errors.ts";
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
  isHeader,
  isIntact,
  recordLength,
} from "./ledger-record.ts";
import type { BlockRecord, Ledger, LedgerEntry } from "./ports.ts";

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
  #failure: Error | undefined;

  #batch: Buffer[] = [];
  #waiting: (() => void)[] = [];
  #committing: Promise<void> | undefined;

  private constructor(
    files: FileSystem,
    path: string,
    log: Log,
    index: LedgerIndex,
    file: OpenFile,
    records: number,
  ) {
    this.#files = files;
    this.#path = path;
    this.#log = log;
    this.#index = index;
    this.#file = file;
    this.#records = records;
  }

  /**
   * Opens a ledger, or makes an empty one where there is none. A torn tail is cut and reported.
   * @throws Fault `ledger.corrupt` if intact records follow a damaged one, `ledger.io`
   */
  static async open(files: FileSystem, path: string, log: Log): Promise<LedgerFile> {
    try {
      let bytes = await readWhole(files, path, maxFile);
      if (bytes === undefined) {
        bytes = fileHeader();
        await replaceFile(files, path, bytes);
      }
      const { index, end } = scan(bytes, path);
      const file = await files.open(path, "r+", 0o600);
      if (end < bytes.length) {
        log.warn("ledger: torn tail cut", { file: path, bytes: bytes.length - end });
        await file.truncate(end);
        await file.datasync();
      }
      return new LedgerFile(files, path, log, index, file, end / recordLength - 1);
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault("ledger.io", "cannot open the ledger", {
        file: path,
        code: errorCode(error) ?? "unknown",
      });
    }
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  get(block: string): BlockRecord | undefined {
    return this.#index.get(block);
  }

  blocks(): Iterable<BlockRecord> {
    return this.#index.blocks();
  }

  append(entry: LedgerEntry): void {
    this.#index.apply(entry);
    this.#batch.push(encodeEntry(entry));
    this.#committing ??= this.#commit();
  }

  whenDurable(then: () => void): void {
    if (this.#failure !== undefined) return;
    if (this.#committing === undefined) then();
    else this.#waiting.push(then);
  }

  /** Makes everything durable and closes the file; never rejects. */
  async close(): Promise<void> {
    while (this.#committing !== undefined) await this.#committing;
    await this.#file.close().catch(() => {});
  }

  /** Writes and syncs groups until nothing is left; what comes meanwhile forms the next group. */
  async #commit(): Promise<void> {
    // What else this turn of the event loop records belongs to the same group.
    await Promise.resolve();
    try {
      while (this.#batch.length > 0) {
        const group = this.#batch;
        const waiting = this.#waiting;
        this.#batch = [];
        this.#waiting = [];
        const position = (this.#records + 1) * recordLength;
        await writeAll(this.#file, Buffer.concat(group), position);
        await this.#file.datasync();
        this.#records += group.length;
        for (const then of waiting) then();
        if (this.#records > compactAbove && this.#records > 4 * this.#index.live()) {
          await this.#compact();
        }
      }
      this.#committing = undefined;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const then of waiting) then();
    } catch (error) {
      this.#committing = undefined;
      this.#failure = new Fault("ledger.io", "cannot write the ledger: no key is supplied", {
        file: this.#path,
        code: errorCode(error) ?? "unknown",
      });
      this.#log.error(describe(this.#failure));
    }
  }

  async #compact(): Promise<void> {
    const before = this.#records;
    // The index already has what waits in the batch; writing that again after this is harmless,
    // since applying an entry twice changes nothing.
    const entries = [...this.#index.entries()].map(encodeEntry);
    await replaceFile(this.#files, this.#path, Buffer.concat([fileHeader(), ...entries]));
    const file = await this.#files.open(this.#path, "r+", 0o600);
    await this.#file.close();
    this.#file = file;
    this.#records = entries.length;
    this.#log.debug("ledger compacted", { before, after: entries.length });
  }
}

/** Applies all records. @returns the index, and where the intact part of the file ends */
function scan(bytes: Buffer, path: string): { index: LedgerIndex; end: number } {
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
  for (let later = at + recordLength; later < bytes.length; later += recordLength) {
    if (isIntact(bytes, later)) {
      throw new Fault("ledger.corrupt", "damaged record before intact ones", {
        file: path,
        offset: at,
      });
    }
  }
  return { index, end: at };
}
