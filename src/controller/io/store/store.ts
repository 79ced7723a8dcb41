/**
 * What the controller keeps: written together, in order, and never waited for. What was promised to a key manager or
 * an operator waits for {@link Store.settled}.
 */
import type { Clock, Timer } from "../../../base/clock.ts";
import { describe } from "../../../base/errors.ts";
import type { Log } from "../../../base/log.ts";
import { LogLimit } from "../../../base/log-limit.ts";
import type { ControllerWorld, Saved, SavedTable } from "../../core/world.ts";
import type { ChangeStatus } from "../../model/status.ts";
import { type Engine, longestRecord, periodIn, type Written } from "./port.ts";
import { summed, tables } from "./saved.ts";

export interface StoreParts {
  readonly engine: Pick<Engine, "write">;
  readonly clock: Clock;
  readonly log: Log;
  /** It can't be written: told each time; undefined: it can again. */
  readonly onTrouble: (why: string | undefined) => void;
}

/** Changes wait so long for others, ms; after a failure it is tried again after this. */
const gatherMs = 250;
const retryMs = 2_000;
/** Records that wait while the database is away; what is more is dropped, and counted: see {@link Store.dropped}. */
const mostWaiting = 100_000;
/** Tables of what is counted and not ordered. */
const counted: ReadonlySet<SavedTable> = new Set(["account", "session"]);

export class Store {
  readonly #parts: StoreParts;
  readonly #records = new Map<string, Written>();
  #changes: ChangeStatus[] = [];
  #timer: Timer | undefined;
  /** Whether all that it began with is durable then. */
  #writing: Promise<boolean> | undefined;
  #isClosed = false;
  /** All but accounts, as it is to be in the store: its records by table and ID. undefined: what is there is not known. */
  #kept: Map<string, Written> | undefined;
  /** What is in the store is of an earlier state. */
  #isEarlier = false;
  /**
   * Records and changes that were given up because the database was away for too long: the oldest accounts and
   * sessions first, and what was ordered last.
   */
  dropped = 0;
  /** Of them, those that the log was told. */
  #toldDropped = 0;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** What is in the store now, which may have to be written again: see {@link writeAll}. */
  began(saved: Saved): void {
    [this.#kept, this.#isEarlier] = [new Map(), false];
    for (const table of tables) {
      if (table === "account") continue;
      for (const [id, value] of saved[table]) {
        this.#keep({ table, id, value: summed(table, id, value) });
      }
    }
  }

  /** The store is of an earlier state: all but accounts is written again, as it is now. */
  writeAll(): void {
    this.#isEarlier = true;
    this.#soon(gatherMs);
  }

  #keep(record: Written): void {
    if (record.table === "account" || this.#kept === undefined) return;
    const key = `${record.table} ${record.id}`;
    if (record.value === undefined) this.#kept.delete(key);
    else this.#kept.set(key, record);
  }

  /** Records that wait to be written. */
  get waiting(): number {
    return this.#records.size + this.#changes.length;
  }

  readonly save: ControllerWorld["save"] = (table, id, value) => {
    if (this.#isClosed) return;
    const text = value === undefined ? undefined : summed(table, id, value);
    if (text !== undefined && text.length > longestRecord) {
      this.#parts.log.error("a record is too long to be kept", { table, limit: longestRecord });
      return;
    }
    const key = `${table} ${id}`;
    const record = { table, id, value: text };
    this.#records.delete(key);
    this.#keep(record);
    // What waits of a period that is forgotten would be written behind it.
    const period = periodIn(record);
    if (period !== undefined) this.#forget(period);
    this.#records.set(key, record);
    this.#bound();
    this.#soon(gatherMs);
  };

  #bound(): void {
    for (; this.#records.size > mostWaiting; this.#gaveUp()) {
      this.#records.delete(this.#leastWanted);
    }
    for (; this.#changes.length > mostWaiting; this.#gaveUp()) this.#changes.shift();
  }

  get #leastWanted(): string {
    for (const [key, { table }] of this.#records) if (counted.has(table)) return key;
    const [oldest = ""] = this.#records.keys();
    return oldest;
  }

  #gaveUp(): void {
    this.dropped++;
    if (this.dropped !== this.#toldDropped + 1) return;
    const what = "too much waits to be kept: the oldest of it is given up";
    this.#parts.log.error(what, { limit: mostWaiting });
  }

  #forget(period: string): void {
    for (const key of this.#records.keys()) {
      if (key.startsWith(`account ${period} `)) this.#records.delete(key);
    }
  }

  /** For the log of changes. */
  told(change: ChangeStatus): void {
    if (this.#isClosed) return;
    this.#changes.push(change);
    this.#bound();
    this.#soon(gatherMs);
  }

  /** Another controller leads: what waits is given up. */
  drop(): void {
    const facts = { records: this.#records.size, changes: this.#changes.length };
    const text = "another controller leads: what this one could not write is given up";
    if (this.waiting > 0) this.#parts.log.warn(text, facts);
    this.#records.clear();
    this.#changes = [];
    [this.#kept, this.#isEarlier] = [undefined, false];
  }

  /** Writes what was given so far. Never rejects. @returns whether it is durable; what is given meanwhile is another matter */
  async settled(): Promise<boolean> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#writing;
    return this.#write();
  }

  /** Writes what waits, and takes no more. Never rejects. */
  async close(): Promise<void> {
    await this.settled();
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #soon(ms: number): void {
    this.#timer ??= this.#parts.clock.after(ms, () => {
      this.#timer = undefined;
      void this.#write();
    });
  }

  #write(): Promise<boolean> {
    if (this.#writing !== undefined) return this.#writing;
    const isDue = () => this.waiting > 0 || this.#isEarlier;
    if (!isDue()) return Promise.resolve(true);
    this.#writing = this.#writeNow().finally(() => {
      this.#writing = undefined;
      if (isDue() && !this.#isClosed) this.#soon(retryMs);
    });
    return this.#writing;
  }

  async #writeNow(): Promise<boolean> {
    const { engine, onTrouble, log, clock } = this.#parts;
    const records = [...this.#records.values()];
    const changes = this.#changes;
    const all = this.#isEarlier ? this.#kept : undefined;
    const isAll = all !== undefined;
    const accounts = records.filter(({ table }) => table === "account");
    this.#records.clear();
    this.#changes = [];
    this.#isEarlier = false;
    try {
      await engine.write(isAll ? [...accounts, ...all.values()] : records, changes, isAll);
      onTrouble(undefined);
      const given_up = this.dropped - this.#toldDropped;
      this.#toldDropped = this.dropped;
      if (given_up > 0) log.warn("it can be kept again; of what waited some is lost", { given_up });
      return true;
    } catch (error) {
      this.#putBack(records);
      this.#isEarlier ||= isAll;
      this.#changes = [...changes, ...this.#changes];
      this.#bound();
      const facts = { why: describe(error), waiting: this.waiting };
      LogLimit.of(log, clock).warn("", "nothing can be kept", facts);
      onTrouble(describe(error));
      return false;
    }
  }

  /** What could not be written waits again, before what came meanwhile, which is newer. */
  #putBack(records: readonly Written[]): void {
    const newer = [...this.#records];
    const forgotten = new Set(newer.map(([, one]) => periodIn(one)));
    const isNewer = new Set(newer.map(([key]) => key));
    this.#records.clear();
    for (const one of records) {
      const key = `${one.table} ${one.id}`;
      const isForgotten = one.table === "account" && forgotten.has(one.id.split(" ")[0] ?? "");
      if (!isForgotten && !isNewer.has(key)) this.#records.set(key, one);
    }
    for (const [key, one] of newer) this.#records.set(key, one);
  }
}
