/**
 * Who leads of several controllers with one database. This one asks for the lock until it has it. One that leads and
 * loses the database goes on, since no order of two controllers can do harm, until it hears that another has the lock;
 * it has the lock again before others if all of them lost the database.
 */
import { type Clock, every, type Timer, within } from "../../../base/clock.ts";
import { describe, Fault } from "../../../base/errors.ts";
import type { Log } from "../../../base/log.ts";
import { LogLimit } from "../../../base/log-limit.ts";
import { placeOf } from "../../../host/life/crashes.ts";
import { nothingSaved, type Saved } from "../../core/world.ts";
import type { ChangeStatus } from "../../model/status.ts";
import { InDoubt } from "./in-doubt.ts";
import { type Engine, goodChanges, type StoredAccount } from "./port.ts";
import { type Found, type Standing, standingOf } from "./standing.ts";

/** A database with a lock. */
export interface LockingEngine extends Engine {
  /**
   * Takes the lock.
   * @returns how far the database is; undefined: another has the lock @throws Fault `db.io`
   */
  tryLead(): Promise<Found | undefined>;
  /** This one, which has the lock, begins to lead. @param term `next` of what it found @throws Fault `db.io` */
  lead(term: number): Promise<void>;
  /** Who may take part, by what was ordered. @throws Fault `db.*` */
  access(): Promise<Saved["access"]>;
  /** How often the database was written, with the last time on this connection; 0: it was not on this one. */
  readonly writes: number;
  /** How far the database is now; behind all that was asked of it before. @throws Fault `db.io` */
  found(): Promise<Found>;
}

export interface LeaderParts {
  /** Start of the period of accounts of now, ms since 1970 UTC. */
  readonly period: () => number;
  /** @param onEnd once, when the connection is over @throws Fault `db.*` */
  readonly open: (onEnd: (why: string) => void) => Promise<LockingEngine>;
  readonly clock: Clock;
  readonly log: Log;
  /** The store cannot be written; undefined: it can again. */
  readonly onTrouble: (why: string | undefined) => void;
}

export interface LeaderHandlers {
  onRole(role: "active" | "standby", saved: Saved, past: readonly ChangeStatus[]): void;
  /** The database is of an earlier state than what this one led with last: all that it knows is to be written again. */
  onEarlier(): void;
  /** Who may take part, while another leads. */
  onAccess(access: Saved["access"]): void;
}

/** How often the lock is asked for, and the database whether it is there, ms. */
const lookMs = 1_000;
const pastChanges = 200;
/** What is under way at the end is waited for so long, ms. */
const goodbyeMs = 1_000;
/** The server has given up a connection by then: see `postgres.ts`. */
const mostSilent = 2;
/** Who led before the database was away has the lock first: what it counted meanwhile is not written yet. ms */
const letFirstMs = 5_000;
/** While another leads it is asked so often who may take part, ms. */
const accessMs = 5_000;

export class Leader implements Pick<Engine, "write" | "accounts"> {
  readonly #parts: LeaderParts;
  readonly #limit: LogLimit;
  #engine: LockingEngine | undefined;
  #timer: Timer | undefined;
  #handlers: LeaderHandlers = { onRole: () => {}, onEarlier: () => {}, onAccess: () => {} };
  /** When it was asked last who may take part, monotonic, ms. */
  #accessAt = Number.NEGATIVE_INFINITY;
  /** It has the lock on the connection of now. */
  #locked = false;
  #leads = false;
  /** As it was when this one wrote last. */
  #left: Standing = { term: 0, writes: 0 };
  readonly #doubt = new InDoubt();
  #looking: Promise<void> | undefined;
  /** How often in a row the database did not answer. */
  #silent = 0;
  /** The connection before this one was lost: when this one began, monotonic, ms. */
  #backAt = Number.NEGATIVE_INFINITY;
  #wasLost = false;
  #isClosed = false;

  constructor(parts: LeaderParts) {
    this.#parts = parts;
    this.#limit = LogLimit.of(parts.log, parts.clock);
  }

  get leads(): boolean {
    return this.#leads;
  }

  start(handlers: LeaderHandlers): void {
    this.#handlers = handlers;
    this.#look();
    this.#timer = every(this.#parts.clock, lookMs, () => this.#look());
  }

  /** @throws Fault `db.*`: also if this controller does not have the lock */
  async write(...[records, changes, isAll]: Parameters<Engine["write"]>): Promise<void> {
    if (this.#engine === undefined || !this.#locked) throw notThere();
    const engine = this.#engine;
    if (this.#doubt.isOpen) {
      await this.#compare(engine, await engine.found());
      if (this.#engine !== engine) throw notThere();
    }
    const { term } = this.#left;
    const missing = this.#doubt.missing(changes);
    try {
      await engine.write(records, missing, isAll);
    } catch (error) {
      // In a database that was put back meanwhile nothing is in doubt: it has none of it.
      if (this.#left.term === term) this.#doubt.failed(missing);
      throw error;
    }
    this.#doubt.clear();
    if (this.#engine !== engine || this.#left.term !== term) return;
    const isNext = engine.writes === this.#left.writes + 1;
    this.#left = { term, writes: engine.writes };
    // It was put back under this connection: what was written now is all that it has of late.
    if (!isNext) this.#writeAgain();
  }

  /** @throws Fault `db.*` */
  async changes(count: number): Promise<ChangeStatus[]> {
    return goodChanges(await this.#there.changes(count), this.#limit);
  }

  /** @throws Fault `db.*` */
  async accounts(after: string, count: number): Promise<readonly StoredAccount[]> {
    return this.#there.accounts(after, count);
  }

  /** Gives the lock to the next; what is being read, or opened, is given up. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const engine = this.#engine;
    this.#engine = undefined;
    // Millions of records take longer to be read than a stop has: without its connection the reading ends.
    await engine?.close();
    if (this.#looking === undefined) return;
    const late = () => new Fault("stopped", "the database is still being opened");
    await within(this.#parts.clock, goodbyeMs, this.#looking, late).catch(() => {});
  }

  /** @throws Fault `db.open` */
  get #there(): LockingEngine {
    if (this.#engine !== undefined) return this.#engine;
    throw new Fault("db.open", "the controller's database is not there");
  }

  #look(): void {
    this.#looking ??= this.#lookNow()
      .catch((error: unknown) => {
        // What was given up by the end of the program is no trouble of the database.
        if (this.#isClosed) return;
        // A defect in what is done with what was read must not end a controller: it is asked again.
        const isDefect = !(error instanceof Fault);
        const why = `${isDefect ? "internal error: " : ""}${describe(error)}${isDefect ? placeOf(error) : ""}`;
        this.#limit.warn("database", "the database cannot be used", { why });
        this.#parts.onTrouble(why);
      })
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #lookNow(): Promise<void> {
    const engine = await this.#connected();
    if (engine === undefined) return;
    if (this.#locked || this.#letsFirst) await this.#aliveOrEnd(engine);
    else await this.#askOrEnd(engine);
    this.#parts.onTrouble(undefined);
  }

  get #letsFirst(): boolean {
    return !this.#leads && this.#parts.clock.now() - this.#backAt < letFirstMs;
  }

  async #connected(): Promise<LockingEngine | undefined> {
    if (this.#engine !== undefined || this.#isClosed) return this.#engine;
    let isOver = false;
    let made: LockingEngine | undefined;
    const engine = await this.#parts.open((why) => {
      isOver = true;
      if (made !== undefined && this.#engine === made) this.#lost(why);
    });
    made = engine;
    if (isOver) return undefined;
    if (this.#isClosed) return void (await engine.close());
    this.#engine = engine;
    if (this.#wasLost) this.#backAt = this.#parts.clock.now();
    this.#wasLost = false;
    return engine;
  }

  /** A connection that is dead may say so never, and another may lead meanwhile: it is given up. @throws Fault `db.io` */
  async #aliveOrEnd(engine: LockingEngine): Promise<void> {
    try {
      const found = await engine.found();
      if (this.#engine === engine && this.#locked) await this.#compare(engine, found);
      this.#silent = 0;
    } catch (error) {
      this.#silent++;
      if (this.#silent >= mostSilent && this.#engine === engine) {
        this.#lost("the database does not answer");
        await engine.close();
      }
      throw error;
    }
  }

  /** Who cannot lead keeps the lock from no other: it goes with the connection. @throws Fault `db.*` */
  async #askOrEnd(engine: LockingEngine): Promise<void> {
    try {
      await this.#ask(engine);
    } catch (error) {
      if (this.#engine === engine) this.#engine = undefined;
      this.#locked = false;
      await engine.close();
      throw error;
    }
  }

  async #ask(engine: LockingEngine): Promise<void> {
    const found = await engine.tryLead();
    const isOver = () => this.#engine !== engine || this.#isClosed;
    if (isOver()) return;
    if (found === undefined) {
      this.#follow();
      return this.#askAccess(engine);
    }
    if (this.#leads && (await this.#compare(engine, found))) {
      if (isOver()) return;
      this.#locked = true;
      return;
    }
    // What cannot be read now is asked for again: no controller leads without it.
    const saved = await engine.load(this.#parts.period());
    const past = goodChanges(await engine.changes(pastChanges), this.#limit);
    if (isOver()) return;
    await engine.lead(found.next);
    if (isOver()) return;
    // Another has led meanwhile: what this one knows is of before that.
    this.#follow();
    this.#left = { term: found.next, writes: found.writes };
    [this.#locked, this.#leads] = [true, true];
    this.#parts.log.info("this controller leads");
    try {
      this.#handlers.onRole("active", saved, past);
    } catch (error) {
      this.#follow();
      throw error;
    }
  }

  /**
   * What a leader that has the lock finds is what it left, or the database was put back under it.
   * @returns false: another has led since @throws Fault `db.io`
   */
  async #compare(engine: LockingEngine, found: Found): Promise<boolean> {
    const standing = standingOf(found, this.#left);
    if (standing === "later") {
      // Under the lock only one that was put back shows that: what is in it is asked for on a new connection.
      if (this.#locked) {
        this.#lost("the database is another");
        await engine.close();
      }
      return false;
    }
    if (standing === "earlier") {
      await this.#goOn(engine, found);
      return true;
    }
    this.#doubt.settle(found.writes > this.#left.writes);
    this.#left = { ...this.#left, writes: found.writes };
    return true;
  }

  /** No controller knows more than this one, which led last: it leads on, and writes all of it. @throws Fault `db.io` */
  async #goOn(engine: LockingEngine, { next, writes }: Found): Promise<void> {
    // The answer may be lost: a term that is in the database then is this one's own, and not another leader's.
    this.#left = { term: next, writes };
    this.#doubt.clear();
    this.#writeAgain();
    await engine.lead(next);
  }

  #writeAgain(): void {
    this.#parts.log.warn("the database is of an earlier state: all that is known is written again");
    this.#handlers.onEarlier();
  }

  #follow(): void {
    if (!this.#leads) return;
    this.#leads = false;
    this.#doubt.clear();
    this.#parts.log.warn("another controller leads now, or has led");
    this.#handlers.onRole("standby", nothingSaved(), []);
  }

  /** Key managers that were registered with the one that leads come here, too. @throws Fault `db.*` */
  async #askAccess(engine: LockingEngine): Promise<void> {
    const now = this.#parts.clock.now();
    if (now - this.#accessAt < accessMs) return;
    this.#accessAt = now;
    const access = await engine.access();
    if (this.#engine === engine && !this.#leads) this.#handlers.onAccess(access);
  }

  #lost(why: string): void {
    this.#silent = 0;
    this.#wasLost = true;
    this.#engine = undefined;
    this.#locked = false;
    this.#limit.warn("database", "the connection to the database is over", { why });
  }
}

function notThere(): Fault {
  return new Fault("db.open", "the controller's database is not there, or another leads");
}
