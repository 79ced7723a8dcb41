/**
 * The stock that this KM has relayed to another: filled by policy, on demand, and as a controller orders. Routes are
 * tried in their order, the next when one fails; a controller is asked for one where none is known. AES-256-GCM in
 * place of one-time pads only where that is allowed, and pads are short. Pure.
 */
import type { IsWanted } from "../../base/wanted.ts";
import { limits } from "../../wire/kx/names.ts";
import type { RelayScheme } from "../../wire/kx/relay-messages.ts";
import type { LinkEvent } from "../peer/events.ts";
import { Asking } from "./asking.ts";
import { type Attempt, Attempts } from "./attempts.ts";
import { Demands, leastDemand } from "./demands.ts";
import type { PairCount, PairFailure, PairParts, PairPolicy, TellRelay } from "./pair-parts.ts";
import { RelayPool } from "./pool.ts";
import { PoolPads } from "./pool-pads.ts";
import { PoolWait } from "./pool-wait.ts";
import { costBytes } from "./scheme.ts";
import type { RelayEnd } from "./source.ts";
import { WaitingKeys } from "./waiting.ts";
import { nameOf, PairWays, type Via } from "./ways.ts";

/** Relays of a pool that are under way at a time. */
const window = 16;
/** Bytes of them: what is in memory of it, at each KM of the route, is some times as much. */
const windowBytes = 4_194_304;
/** After a route was found to carry no long keys, the next of them is tried after this, ms. */
const shortForMs = 600_000;
/** Relays of one order of a controller that are under way at a time. */
const orderWindow = 4;

interface FailedAttempt {
  readonly via: Via;
  readonly end: NonNullable<RelayEnd>;
}

export class RelayPair {
  readonly #parts: PairParts;
  readonly #pool: RelayPool;
  readonly #counts = new Map<RelayScheme, PairCount>();
  readonly ways: PairWays;
  readonly #pads: PoolPads;
  readonly #waiting = new WaitingKeys();
  readonly #asking: Asking;
  #underWay = 0;
  #filling = 0;
  #due = 0;
  #coming = 0;
  #came = 0;
  #ordered = 0;
  readonly #attempts: Attempts;
  readonly #wait = new PoolWait();
  #shortUntil = 0;
  readonly #demands: Demands;
  failed = 0;
  lastFailure: PairFailure | undefined;
  /** Since when nothing came though it was wanted, ms since 1970 UTC. */
  failingSince: number | undefined;

  constructor(parts: PairParts) {
    this.#parts = parts;
    const { me, policy, known } = parts;
    this.#pool = new RelayPool(policy.pool, policy.high);
    this.ways = new PairWays(
      policy.routing,
      policy.routes,
      known,
      (next) => parts.isReserved?.(next) === true,
    );
    this.#pads = new PoolPads(parts, this.ways);
    this.#attempts = new Attempts(me, policy, parts.now);
    this.#asking = new Asking(parts.ask, () => this.ways.askedInVain(parts.now()));
    const relay = (length: number, done: (end: RelayEnd) => void) =>
      this.#relay(length, done, true);
    this.#demands = new Demands({ me, batch: () => this.batch, relay });
  }

  get counts(): ReadonlyMap<RelayScheme, Readonly<PairCount>> {
    return this.#counts;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Bits a second that are used of late. */
  get usedRate(): number {
    return this.#pool.usedRate;
  }

  /** It has a route, or may ask for one. */
  get begins(): boolean {
    return this.ways.any;
  }

  get policy(): PairPolicy {
    return this.#parts.policy;
  }

  /** Bytes of a relay, at most: less than the policy says where a KM of a route speaks an older version. */
  get batch(): number {
    const { policy, now } = this.#parts;
    const isShort = now() < this.#shortUntil;
    return isShort ? Math.min(policy.batch, limits.shortRelayBytes) : policy.batch;
  }

  get isReady(): boolean {
    return this.#parts.far.ready;
  }

  /** An operator wants so much more. @param bytes @returns false: there is less room, and nothing is ordered */
  order(bytes: number): boolean {
    if (bytes > this.room) return false;
    this.#ordered += bytes;
    this.#wait.end();
    return true;
  }

  /** Bytes that may be ordered: up to the most that there is to be, beside all that comes or was ordered before. */
  get room(): number {
    return Math.max(0, this.#room - this.#ordered);
  }

  /** Stock under this is little, where the policy says so: bytes. */
  get low(): number | undefined {
    const { pool } = this.#parts.policy;
    return pool.kind === "adaptive" ? pool.low / 8 : undefined;
  }

  get ordered(): number {
    return this.#ordered;
  }

  /** Fills the pool. Some ten times a second. */
  tick(): void {
    const { now, wall, stock } = this.#parts;
    const came = this.#came;
    this.#came = 0;
    this.#due = this.#pool.due(now(), wall(), stock(), came, this.#coming);
    if (this.#isFilled) this.failingSince = undefined;
    this.#fill();
  }

  /** There is as much as the pool is to have, whichever end brought it: nothing that failed before is wanted still. */
  get #isFilled(): boolean {
    const isWanted = this.#due > 0 || this.#ordered > 0 || this.#underWay > 0;
    return this.low !== undefined && !isWanted;
  }

  /** Begins what is ordered or due, as far as the window goes. */
  #fill(): void {
    const { now, far, policy } = this.#parts;
    if (!this.begins || !far.ready || !this.#wait.isOver(now())) return;
    const { batch } = this;
    const most = Math.max(2, Math.min(window, Math.floor(windowBytes / batch)));
    // What fails at once, as with a first KM that is away, is not tried again in this turn.
    while (this.#filling < Math.min(most, this.#wait.together) && this.#wait.isOver(now())) {
      const isOrder = this.#ordered > 0;
      // What applications had relayed meanwhile has taken its room, perhaps.
      const wanted = isOrder ? Math.min(this.#ordered, this.#room) : this.#due;
      // Small ones cost more pad than they are worth: a rate is saved up for a whole one.
      const isSmall = !isOrder && policy.pool.kind !== "adaptive" && wanted < batch;
      if (wanted <= 0 || isSmall) return;
      const longest = Math.min(batch, this.#wait.most, Math.max(leastDemand, Math.ceil(wanted)));
      const length = this.#pads.lengthFor(longest);
      if (length === undefined) return this.#short();
      if (length === 0) return;
      if (isOrder) this.#ordered = Math.max(0, this.#ordered - length);
      else {
        this.#due -= length;
        this.#pool.begun(length);
      }
      this.#filling++;
      this.#pads.begun(length);
      this.#relay(length, (end) => {
        this.#filling--;
        this.#pads.over(length);
        if (end !== undefined && isOrder) this.#ordered += length;
        if (end !== undefined) return this.#wait.failed(end, length, now());
        this.#wait.worked();
        this.#fill();
      });
    }
  }

  /** No pads for a relay of the pool: it waits, and that is no attempt that failed. */
  #short(): void {
    if (this.#filling > 0) return;
    const { wall, now, me } = this.#parts;
    // Relays that failed before have burnt the pads, perhaps: why they did is what has to be mended.
    if (this.failingSince !== undefined) return;
    this.failingSince = wall();
    const [route] = this.ways.list(now());
    // Of a link that is reserved the routes of the configuration are none.
    const failure = route === undefined ? "route" : "stock";
    this.lastFailure = { failure, at: me, route: route ?? [], wall: wall() };
  }

  /**
   * An application asks for more than is there.
   * @param isWanted whether it still waits
   * @param done once: whether the destination has it; what both compare next is stock a moment later
   */
  demand(bytes: number, isWanted: IsWanted, done: (end: RelayEnd) => void): void {
    const { far } = this.#parts;
    const isTaken = this.begins && far.ready && this.#demands.ask(bytes, isWanted, done);
    if (!isTaken) done({ failure: far.ready ? "busy" : "away", at: far.peer });
  }

  /** A session with another KM begins. */
  linkReady(peer: string): void {
    this.#attempts.mended(([first]) => first === peer || peer === this.#parts.far.peer);
  }

  /**
   * A controller orders relays by one way, which is the first from now on.
   * @param bytes 0: none now, and it is told as a better one than before @param deadline monotonic, ms
   * @param done once, with what both ends have by it
   */
  orderBy(via: Via, bytes: number, deadline: number, done: TellRelay): void {
    const { far, now } = this.#parts;
    if (bytes > 0 && !far.ready) return done({ failure: "away", at: far.peer }, 0);
    if (bytes === 0) this.#attempts.mended((one) => nameOf(one) === nameOf(via));
    let left = bytes;
    let [came, underWay] = [0, 0];
    let failed: RelayEnd;
    const go = () => {
      // Looked at before each: other orders, and the pool, fill the same stock meanwhile.
      left = Math.min(left, this.#room);
      while (left > 0 && underWay < orderWindow && failed === undefined && now() < deadline) {
        const length = Math.min(this.batch, Math.max(leastDemand, left));
        left -= Math.min(left, length);
        underWay++;
        this.#coming += length;
        this.#underWay++;
        this.#run(this.#attempts.of([via]), length, false, (end) => {
          underWay--;
          this.#over(length);
          if (end === undefined) came += length;
          else failed = end;
          go();
        });
      }
      if (underWay > 0) return;
      underWay = Number.POSITIVE_INFINITY;
      if (failed === undefined && left > 0) failed = { failure: "late", at: this.#parts.me };
      done(failed, came);
    };
    go();
  }

  #relay(length: number, done: (end: RelayEnd) => void, isDemand = false): void {
    this.#underWay++;
    this.#coming += length;
    const over = (end: RelayEnd) => {
      this.#over(length);
      done(end);
    };
    const go = (tell: TellRelay | undefined, asked: boolean) => {
      const { now } = this.#parts;
      const { given } = this.ways;
      const all = this.#attempts.of(this.ways.list(now()));
      this.#run(all, length, isDemand, (end, failures, by) => {
        // Where another way brought the key, what was wrong with its own is what the controller has to know.
        const failed = failures.find(({ via }) => given.includes(via))?.end;
        const own = by !== undefined && given.includes(by) ? end : (failed ?? end);
        tell?.(own, own === undefined ? length : 0);
        if (end === undefined || asked || !this.ways.mayAsk(now())) return over(end);
        // The ways that were known are no good: the controller may know another.
        this.#asking.ask(length, (next) => {
          if (next === undefined) over(end);
          else go(next, true);
        });
      });
    };
    if (!this.ways.mayAsk(this.#parts.now())) return go(undefined, false);
    this.#asking.ask(length, (tell) => go(tell, true));
  }

  /**
   * Attempts in their order, until one goes well: AES where the one-time pads of the same way were short, whatever
   * failed on others. @param done with those that did not, and the way that did
   */
  #run(
    attempts: Attempt[],
    length: number,
    isDemand: boolean,
    done: (end: RelayEnd, failures: readonly FailedAttempt[], by?: Via) => void,
  ): void {
    const failures: FailedAttempt[] = [];
    const wasShort = (way: Via) =>
      this.#attempts.wasShort(way) ||
      failures.some(({ via, end }) => via === way && end.failure === "stock");
    const next = () => {
      let attempt = attempts.shift();
      while (attempt?.scheme === "aes" && !wasShort(attempt.via)) attempt = attempts.shift();
      if (attempt === undefined) return done(failures.at(-1)?.end, failures);
      const { via } = attempt;
      const ended = (end: RelayEnd) => {
        if (end === undefined) return done(end, failures, via);
        failures.push({ via, end });
        next();
      };
      const isUntrue = this.ways.isDistrusted(via, this.#parts.now());
      const paused = isDemand || isUntrue ? this.#attempts.paused(attempt) : undefined;
      if (paused !== undefined) ended(paused);
      else this.#attempt(attempt, length, ended);
    };
    if (attempts.length > 0) return next();
    const end = { failure: "route", at: this.#parts.me } as const;
    this.lastFailure = { ...end, route: [], wall: this.#parts.wall() };
    done(end, failures);
  }

  #attempt(attempt: Attempt, length: number, done: (end: RelayEnd) => void): void {
    const { scheme, via } = attempt;
    const { policy, far, begin, now, wall } = this.#parts;
    const { collector } = policy;
    const order = { far, via, scheme, length, ...(scheme === "centralized" && { collector }) };
    begin(order, (end) => {
      if (end === undefined) {
        // Of a way whose keys were others, a key is one when both ends have compared it.
        if (!this.ways.isDistrusted(via, now())) this.#worked(attempt);
        this.#count(scheme, via.length + 2, length);
      } else {
        this.failed++;
        this.failingSince ??= wall();
        this.ways.failed(via, now());
        this.#attempts.failed(attempt, end);
        if (end.failure === "long") this.#shortUntil = now() + shortForMs;
        this.lastFailure = { ...end, route: via, wall: wall() };
      }
      done(end);
    });
  }

  #worked(attempt: Attempt): void {
    this.failingSince = undefined;
    this.ways.worked(attempt.via);
    this.#attempts.worked(attempt);
  }

  /** The destination says that it has the key of a relay. @param relay 16 bytes in hexadecimal */
  kept(relay: string, attempt: Attempt): void {
    this.#waiting.add(relay, attempt);
  }

  /** What became of keys of this pair: who changes them on their way, or says that they came, is found here alone. */
  told(event: LinkEvent): void {
    const { far, now, wall } = this.#parts;
    if (event.type === "matched") {
      for (const attempt of this.#waiting.take(event.batch.ids)) {
        if (this.ways.isDistrusted(attempt.via, now())) this.#worked(attempt);
      }
    }
    if (event.type !== "differs" && event.type !== "expired") return;
    for (const attempt of this.#waiting.take(event.ids)) {
      const route = attempt.via;
      this.failed++;
      this.failingSince ??= wall();
      this.ways.distrust(route, now());
      this.#attempts.untrue(attempt);
      this.lastFailure = { failure: event.type, at: far.peer, route, wall: wall() };
    }
  }

  #count(scheme: RelayScheme, kms: number, length: number): void {
    const count = this.#counts.get(scheme) ?? { relays: 0, bytes: 0, cost: 0 };
    this.#counts.set(scheme, count);
    count.relays++;
    count.bytes += length;
    count.cost += costBytes(scheme, kms, length);
    this.#came += length;
  }

  /** Bytes up to the most that there is to be, beside what is on its way. */
  get #room(): number {
    const { policy, stock } = this.#parts;
    return Math.max(0, Math.floor(policy.high / 8) - stock() - this.#coming);
  }

  #over(length: number): void {
    this.#underWay--;
    this.#coming -= length;
  }
}
