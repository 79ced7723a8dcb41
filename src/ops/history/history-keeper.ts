/**
 * Keeps the last day of figures over restarts: for each subject (a module, a link) two files in the state folder, of at most
 * a day each, appended to in turn. Gentle to flash: one write in ten minutes, and nothing waits for the
 * disk. A crash costs the last minutes of a plot; an error of the disk costs the file, and no key.
 */

import { type Clock, clockProblem, every, type Timer } from "../../base/clock.ts";
import { describe, errorCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { type FileSystem, type OpenFile, readWhole, writeAll } from "../../host/disk/files.ts";
import { type DayBucket, dayStepMs, type TelemetryHistory } from "./history.ts";
import { decodeSegment, encodeHead, encodeRecord, recordLength } from "./record.ts";

const saveMs = 600_000;
const day = 86_400_000;
/** Records of one file: a day. */
const mostRecords = day / dayStepMs;
/** A longer file is not ours. */
const mostBytes = 4_194_304;

export interface HistoryKeeperOptions {
  readonly files: FileSystem;
  /** The state folder. */
  readonly folder: string;
  /** What figures are of: names of modules, or of links. */
  readonly subjects: readonly string[];
  readonly recorder: {
    /** Undefined: nothing is remembered of it. */
    history(subject: string): TelemetryHistory<string> | undefined;
  };
  readonly clock: Clock;
  readonly log: Log;
}

interface Kept {
  readonly subject: string;
  /** Which of the two files is appended to. */
  which: 0 | 1;
  /** Length of that file, bytes; undefined: it is begun anew. */
  length: number | undefined;
  records: number;
  /** Buckets from this time on are not on disk yet, monotonic ms. */
  from: number;
}

export class HistoryKeeper {
  readonly #options: HistoryKeeperOptions;
  readonly #kept = new Map<string, Kept>();
  #timer: Timer | undefined;
  #work: Promise<void> = Promise.resolve();
  #failed = false;
  readonly #begun: number;

  constructor(options: HistoryKeeperOptions) {
    this.#options = options;
    this.#begun = aligned(options.clock.now());
  }

  /** Reads what was, and saves from now on. */
  start(): void {
    this.#timer = every(this.#options.clock, saveMs, () => this.#then(() => this.#saveAll(false)));
    this.#then(() => this.#restoreAll());
  }

  /** Resolves once nothing is being read or written. Never rejects. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** Saves what is not on disk yet. Never rejects. */
  stop(): Promise<void> {
    this.#timer?.cancel();
    this.#then(() => this.#saveAll(true));
    return this.#work;
  }

  /** One after the other; what fails is told once, until something works again. */
  #then(act: () => Promise<void>): void {
    this.#work = this.#work.then(act).then(
      () => {
        this.#failed = false;
      },
      (error) => {
        const { log } = this.#options;
        if (!this.#failed) log.warn("plots of the past are not kept", { why: describe(error) });
        this.#failed = true;
      },
    );
  }

  /** A clock that cannot be right says nothing of when something was: later, then. */
  get #known(): boolean {
    return clockProblem(this.#options.clock.wall()) === undefined;
  }

  async #restoreAll(): Promise<void> {
    if (!this.#known) return;
    for (const subject of this.#options.subjects) {
      if (!this.#kept.has(subject)) this.#kept.set(subject, await this.#restore(subject));
    }
  }

  async #restore(subject: string): Promise<Kept> {
    const { files, recorder, clock } = this.#options;
    const history = recorder.history(subject);
    const names = history?.names ?? [];
    const segments = [];
    for (const which of [0, 1] as const) {
      const bytes = await readWhole(files, this.#path(subject, which), mostBytes).catch((error) => {
        if (error instanceof RangeError) return undefined;
        throw error;
      });
      const segment = decodeSegment(bytes ?? Buffer.alloc(0), names);
      segments.push({ which, length: bytes?.length ?? 0, ...segment });
    }
    const [wall, now] = [clock.wall(), clock.now()];
    for (const { buckets } of segments) {
      for (const bucket of buckets) {
        // What is of the future was written under another clock.
        if (!(bucket.at <= wall && bucket.at > wall - day)) continue;
        history?.restore({ ...bucket, at: aligned(bucket.at - wall + now) });
      }
    }
    const newest = ({ buckets }: { buckets: readonly DayBucket[] }) =>
      Math.max(0, ...buckets.map(({ at }) => at));
    const last = segments.toSorted((a, b) => newest(b) - newest(a))[0];
    const from = this.#begun;
    if (last === undefined || !last.usable) {
      return { subject, which: last?.which === 0 ? 1 : 0, length: undefined, records: 0, from };
    }
    const { which, length, buckets } = last;
    return { subject, which, length, records: buckets.length, from };
  }

  /** @param all also the bucket that is not over yet */
  async #saveAll(all: boolean): Promise<void> {
    if (!this.#known) return;
    await this.#restoreAll();
    for (const kept of this.#kept.values()) await this.#save(kept, all);
  }

  async #save(kept: Kept, all: boolean): Promise<void> {
    const { recorder, clock } = this.#options;
    const history = recorder.history(kept.subject);
    const [wall, now] = [clock.wall(), clock.now()];
    const to = all ? now : aligned(now);
    const fresh = history?.buckets(kept.from, to) ?? [];
    if (history === undefined || fresh.length === 0) return;
    if (kept.length !== undefined && kept.records >= mostRecords) {
      kept.which = kept.which === 0 ? 1 : 0;
      kept.length = undefined;
    }
    const records = fresh.map((bucket) => encodeRecord({ ...bucket, at: bucket.at - now + wall }));
    if (kept.length === undefined) {
      kept.records = 0;
      records.unshift(encodeHead(history.names));
    }
    const bytes = Buffer.concat(records);
    const at = kept.length ?? 0;
    const file = await this.#open(kept, at === 0);
    try {
      await writeAll(file, bytes, at);
      kept.length = at + bytes.length;
      kept.records += fresh.length;
      kept.from = to;
    } finally {
      // What was cut in the middle is written over the next time: the length is that of before.
      await file.close();
    }
  }

  async #open(kept: Kept, anew: boolean): Promise<OpenFile> {
    const { files } = this.#options;
    const path = this.#path(kept.subject, kept.which);
    if (anew) {
      await files.remove(path);
      return files.open(path, "wx", 0o600);
    }
    try {
      return await files.open(path, "r+", 0o600);
    } catch (error) {
      // The file was removed: the next write begins a new one.
      if (errorCode(error) === "ENOENT") kept.length = undefined;
      throw error;
    }
  }

  #path(subject: string, which: 0 | 1): string {
    return `${this.#options.folder}/history-${subject}.${which}`;
  }
}

/** Bytes that are written in a day for each subject, at the most. */
export function bytesADay(figures: number): number {
  return mostRecords * recordLength(figures);
}

/** When the bucket of this moment began. */
function aligned(ms: number): number {
  return Math.floor(ms / dayStepMs) * dayStepMs;
}
