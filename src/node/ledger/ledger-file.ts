/**
 * The ledger on disk: append-only, written and fsynced in groups, compacted into a new file that
 * replaces the old one as a whole.
 */

import { assert } from "../../base/assert.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { type Duration, ms } from "../../base/duration.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import { exists, type FileSystem, writeAll } from "../../host/disk/files.ts";
import type { Ledger, LedgerEntry } from "../keys/ports.ts";
import type { LedgerIndex } from "./ledger-index.ts";
import { openPlace } from "./ledger-open.ts";
import { digestOf, nextGroup, recordLength } from "./ledger-record.ts";
import { LedgerView } from "./ledger-view.ts";
import { checkLength, encodeGroup, type Place, placeLedger, writingTo } from "./ledger-write.ts";

/** What a disk may lose at once, bytes. */
const diskBlock = 4_096;

export interface LedgerOptions {
  /** Most records that are written and synced at once; the next ones are a group of their own. */
  readonly groupRecords: number;
  /**
   * What is done is recorded this late at the most, ms; 0: what comes while a group is written is the
   * next. Each sync wears flash, at hundreds of blocks a second in a few years.
   */
  readonly groupDelay: Duration;
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
  groupDelay: ms(0),
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
  "sent",
  "returned",
  "complete",
  "released",
  "past",
]);

export class LedgerFile extends LedgerView implements Ledger {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #log: Log;
  readonly #options: LedgerOptions;
  /** What was synced, and where it ends. */
  #place: Place;
  /** With more records than this it is time to see whether most say nothing any more. */
  #lookAbove: number;
  /** End of what was written and could not be synced, bytes; 0: nothing of that kind. */
  #doubtfulTo = 0;
  /** The seal that is being written while no group is. */
  #sealing: Promise<void> | undefined;
  #failure: Fault | undefined;
  #closing: Promise<void> | undefined;
  #recovering: Promise<void> | undefined;
  #listener: (failure: Error) => void = () => {};

  #batch: LedgerEntry[] = [];
  /** It is to be seen whether the file is there still. */
  #lookForFile = false;
  /** It was not when it was looked for last. */
  #removed = false;
  /** Something in the batch can't wait. */
  #urgent = false;
  /** Ends the wait for more. */
  #flushNow: (() => void) | undefined;
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
    place: Place,
  ) {
    super(index);
    this.#files = files;
    this.#path = path;
    this.#log = log;
    this.#options = options;
    this.#place = place;
    this.#lookAbove = options.compactAbove;
  }

  /**
   * Opens a ledger, or makes an empty one where there is none. A torn tail is cut and reported.
   * @throws Fault `ledger.corrupt` if something that was synced is damaged, `ledger.io`
   */
  static async open(
    files: FileSystem,
    path: string,
    log: Log,
    options: Partial<LedgerOptions> = {},
  ): Promise<LedgerFile> {
    const all = { ...standard, ...options };
    try {
      const { index, place } = await openPlace(files, path, log, all.reserveBytes);
      return new LedgerFile(files, path, log, all, index, place);
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

  append(entry: LedgerEntry): void {
    assert(
      this.index.allows(entry),
      `the ledger takes no move that the table of a block's life lacks`,
    );
    this.index.apply(entry);
    this.#batch.push(entry);
    this.#appended++;
    if (!canWait.has(entry.kind)) this.#urgent = true;
    if (this.#isDue()) this.#flushNow?.();
    if (this.#failure === undefined) this.#committing ??= this.#commit();
  }

  whenDurable(then: () => void): void {
    if (this.#durable === this.#appended && this.#failure === undefined) then();
    else this.#waiting.push({ upTo: this.#appended, then });
  }

  look(): void {
    if (this.#failure !== undefined || this.#closing) return;
    this.#lookForFile = true;
    this.#committing ??= this.#commit();
  }

  /**
   * After a failure: writes the whole ledger anew. What a failed sync left behind can still be read
   * from the old file, and yet not be on the disk. To be called by a schedule; afterwards `failure`
   * tells how it went.
   */
  async recover(): Promise<void> {
    if (this.#failure === undefined || this.#closing || this.#recovering) return;
    this.#recovering = this.#recover();
    await this.#recovering;
  }

  async #recover(): Promise<void> {
    try {
      await this.#sealing;
      await this.#place.file.close().catch(() => {});
      if (this.#removed && (await exists(this.#files, this.#path))) throw this.#replaced();
      this.#removed = false;
      await this.#replace();
      this.#failure = undefined;
      this.#committing = this.#commit();
      await this.#committing;
      if (this.#failure === undefined) this.#log.info("ledger: written again");
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#recovering = undefined;
    }
  }

  /** What is there may be another node's ledger: what it says is looked at when one begins. */
  #replaced(): Fault {
    const why = "another file is where the ledger was: restart the node";
    return new Fault("ledger.io", why, { file: this.#path });
  }

  /** Makes everything durable, if that is possible, and closes the file; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#flushNow?.();
    await this.#recovering;
    while (this.#committing !== undefined) await this.#committing;
    await this.#sealing;
    const { file, end, length } = this.#place;
    if (this.#failure === undefined) {
      this.#seal();
      await this.#sealing;
      // In another block than the records: one that is lost does not take all that tells of them.
      const last = length - (length % recordLength) - recordLength;
      if (last - end >= diskBlock) this.#seal(last);
      await this.#sealing;
      await file.datasync().catch(() => {});
    }
    await file.close().catch(() => {});
  }

  /** Writes and syncs groups until nothing is left; what comes meanwhile forms the next group. */
  async #commit(): Promise<void> {
    // What else this turn of the event loop records belongs to the same group.
    await Promise.resolve();
    let entries: LedgerEntry[] = [];
    try {
      while (this.#batch.length > 0 || this.#lookForFile) {
        if (this.#lookForFile) await this.#assertThere();
        if (this.#batch.length === 0) break;
        await this.#gather();
        entries = this.#batch.splice(0, this.#options.groupRecords);
        if (this.#batch.length === 0) this.#urgent = false;
        const written = this.#options.task(writingTo(this.#path));
        await this.#write(entries).finally(written);
        this.#durable += entries.length;
        entries = [];
        if (this.#batch.length === 0 || !this.#isDue()) this.#seal();
        this.#tell();
        if (this.#records > this.#lookAbove) await this.#lookAtLength();
      }
      this.#committing = undefined;
      this.#tell();
    } catch (error) {
      this.#committing = undefined;
      this.#giveBack(entries);
      this.#fail(error);
    }
  }

  /** What is written to a file that was removed is gone with this process. @throws Fault `ledger.io` */
  async #assertThere(): Promise<void> {
    this.#lookForFile = false;
    const { nlink } = await this.#place.file.stat();
    if (nlink !== 0) return;
    this.#removed = true;
    throw new Fault("ledger.io", "the ledger's file was removed", { file: this.#path });
  }

  /** Entries that could not be written come before those that came later. */
  #giveBack(entries: LedgerEntry[]): void {
    this.#batch = [...entries, ...this.#batch];
    this.#urgent = true;
  }

  get #records(): number {
    return (this.#place.end - this.#place.firstAt) / recordLength;
  }

  #isDue(): boolean {
    const { groupDelay, groupRecords } = this.#options;
    const hurry = this.#urgent || this.#closing !== undefined || groupDelay === 0;
    return hurry || this.#batch.length >= groupRecords;
  }

  /** Waits for more, as long as nothing hurries. */
  async #gather(): Promise<void> {
    const { groupDelay, clock } = this.#options;
    if (this.#isDue()) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        timer.cancel();
        this.#flushNow = undefined;
        resolve();
      };
      const timer = clock.after(groupDelay, done);
      this.#flushNow = done;
    });
  }

  /** One group; and with it, where it does not fit any more, room for the next ones. */
  async #write(entries: readonly LedgerEntry[]): Promise<void> {
    const { file, end, digest, length } = this.#place;
    const group = nextGroup(this.#place.group);
    const next = end + (entries.length + 1) * recordLength;
    // The next group's seal has room too: without that, each would make the file longer.
    const needed = next + recordLength;
    checkLength(needed, this.#path);
    const grown = needed <= length ? length : needed + this.#options.reserveBytes;
    const upTo = grown > length ? grown : next;
    const bytes = encodeGroup(entries, group, end, digest, upTo - end);
    this.#doubtfulTo = upTo;
    await writeAll(file, bytes, end);
    await file.datasync();
    this.#doubtfulTo = 0;
    const written = bytes.subarray(0, next - end);
    this.#place = {
      ...this.#place,
      end: next,
      digest: digestOf(written, digest),
      length: grown,
      group,
    };
  }

  /**
   * Says in the file that all of it was synced. Not synced itself, and no key waits for it: the next
   * group has the same seal. If it is lost, damage in the last group is taken for a torn write.
   * @param at position in the file, bytes; elsewhere than where the records end it is a copy
   */
  #seal(at = this.#place.end): void {
    const { file, end, digest, group } = this.#place;
    const bytes = encodeGroup([], nextGroup(group), end, digest);
    this.#sealing = writeAll(file, bytes, at).catch(() => {});
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
    const again = this.#failure !== undefined || this.#recovering !== undefined;
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
    const live = this.index.live();
    this.#lookAbove = Math.max(this.#options.compactAbove, 4 * live);
    if (this.#records > this.#lookAbove) await this.#compact();
  }

  async #compact(): Promise<void> {
    const before = this.#records;
    const { file } = this.#place;
    await this.#replace();
    this.#tell();
    await this.#sealing;
    await file.close().catch(() => {});
    this.#log.debug("ledger compacted", { before, after: this.#records });
  }

  /**
   * Puts a new file in the place of the old one. The index has what waits in the batch, which so counts
   * as written with it: to write it again behind that would undo what came after it.
   */
  async #replace(): Promise<void> {
    const taken = this.#batch;
    this.#batch = [];
    this.#urgent = false;
    try {
      this.#place = await placeLedger(this.#files, this.#path, {
        entries: [...this.index.entries()],
        group: nextGroup(this.#place.group),
        reserveBytes: this.#options.reserveBytes,
        doubtfulTo: this.#doubtfulTo,
      });
      this.#doubtfulTo = 0;
      this.#durable += taken.length;
    } catch (error) {
      this.#giveBack(taken);
      throw error;
    }
  }
}
