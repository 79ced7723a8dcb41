/**
 * The stock that this KM has relayed to another: filled by policy, and on demand. Routes are tried in their order, the
 * next when one fails; AES-256-GCM in place of one-time pads only where that is allowed, and pads are short. Pure.
 */
import type { RelayFailure, RelayScheme } from "../../wire/kx/relay-messages.ts";
import { type PoolPolicy, RelayPool } from "./pool.ts";
import type { RelayLink } from "./ports.ts";
import { costBytes } from "./scheme.ts";
import type { RelayEnd, RelayOrder } from "./source.ts";

/** What is configured of a pair. */
export interface PairPolicy {
  /** KM IDs between, best route first. */
  readonly routes: readonly (readonly string[])[];
  readonly scheme: Exclude<RelayScheme, "aes">;
  readonly collector?: string | undefined;
  /** Pads that are short may be replaced by AES-256-GCM. */
  readonly aes: boolean;
  readonly pool: PoolPolicy;
  /** Stock is not filled over this, bits. */
  readonly high: number;
  /** Bytes of one relay of the pool. */
  readonly batch: number;
}

export interface PairParts {
  readonly far: RelayLink;
  readonly policy: PairPolicy;
  /** Bytes of the pair that are there: stock of both owners, and what waits for its match. */
  stock(): number;
  begin(order: RelayOrder, done: (end: RelayEnd) => void): void;
  /** Monotonic, ms; wall clock, ms since 1970 UTC. */
  now(): number;
  wall(): number;
}

/** What came of relays that this KM began, since its start. */
export interface PairCount {
  relays: number;
  bytes: number;
  /** Bytes of KMA-key of all links of the routes. */
  cost: number;
}

export interface PairFailure {
  readonly failure: RelayFailure;
  readonly at: string;
  readonly route: readonly string[];
  /** ms since 1970 UTC */
  readonly wall: number;
}

/** Relays of a pool that are under way at a time; and of one demand. */
const window = 16;
const mostDemands = 256;
/** A route that failed is tried after the others for so long, ms; all of them again after the first, doubling to the second. */
const avoidMs = 10_000;
const firstWaitMs = 250;
const lastWaitMs = 10_000;
/** Least bytes of a demand: both owners have half of what comes. */
const leastDemand = 64;

export class RelayPair {
  readonly #parts: PairParts;
  readonly #pool: RelayPool;
  readonly #counts = new Map<RelayScheme, PairCount>();
  readonly #avoid = new Map<number, number>();
  #underWay = 0;
  #filling = 0;
  #due = 0;
  #coming = 0;
  #came = 0;
  #ordered = 0;
  #waitMs = firstWaitMs;
  #notBefore = 0;
  #demands = 0;
  failed = 0;
  lastFailure: PairFailure | undefined;

  constructor(parts: PairParts) {
    this.#parts = parts;
    this.#pool = new RelayPool(parts.policy.pool, parts.policy.high);
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

  /** It has a route. */
  get begins(): boolean {
    return this.#parts.policy.routes.length > 0;
  }

  /** An operator wants so much more. @param bytes */
  order(bytes: number): void {
    this.#ordered += bytes;
    this.#notBefore = 0;
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
    this.#fill();
  }

  /** Begins what is ordered or due, as far as the window goes. */
  #fill(): void {
    const { now, far, policy } = this.#parts;
    if (!this.begins || !far.ready || now() < this.#notBefore) return;
    while (this.#filling < window) {
      const isOrder = this.#ordered > 0;
      const wanted = isOrder ? this.#ordered : this.#due;
      // Small ones cost more pad than they are worth: a rate is saved up for a whole one.
      const isSmall = !isOrder && policy.pool.kind !== "adaptive" && wanted < policy.batch;
      if (wanted <= 0 || isSmall) return;
      const length = Math.min(policy.batch, Math.max(leastDemand, Math.ceil(wanted)));
      if (isOrder) this.#ordered = Math.max(0, this.#ordered - length);
      else {
        this.#due -= length;
        this.#pool.begun(length);
      }
      this.#filling++;
      this.#relay(length, (end) => {
        this.#filling--;
        if (end !== undefined && isOrder) this.#ordered += length;
        this.#settle(end);
        if (end === undefined) this.#fill();
      });
    }
  }

  #settle(end: RelayEnd): void {
    if (end === undefined) {
      this.#waitMs = firstWaitMs;
      return;
    }
    this.#notBefore = this.#parts.now() + this.#waitMs;
    this.#waitMs = Math.min(lastWaitMs, this.#waitMs * 2);
  }

  /**
   * An application asks for more than is there.
   * @param done once: whether the destination has it; what both compare next is stock a moment later
   */
  demand(bytes: number, done: (end: RelayEnd) => void): void {
    const { policy, far } = this.#parts;
    if (policy.routes.length === 0 || !far.ready || this.#demands >= mostDemands) {
      return done({ failure: far.ready ? "busy" : "away", at: far.peer });
    }
    this.#demands++;
    const length = Math.min(policy.batch, Math.max(leastDemand, 2 * bytes));
    this.#relay(length, (end) => {
      this.#demands--;
      done(end);
    });
  }

  #relay(length: number, done: (end: RelayEnd) => void): void {
    this.#underWay++;
    this.#coming += length;
    const attempts = this.#attempts();
    const next = (before: RelayEnd) => {
      const attempt = attempts.shift();
      // AES is for where pads are short, and for nothing else.
      const skips = attempt?.scheme === "aes" && before !== undefined && before.failure !== "stock";
      if (attempt === undefined || skips) return this.#over(length, before, done);
      this.#attempt(attempt, length, (end) => {
        if (end === undefined) this.#over(length, end, done);
        else next(end);
      });
    };
    next(undefined);
  }

  #attempts(): { readonly scheme: RelayScheme; readonly route: number }[] {
    const { now, policy } = this.#parts;
    const late = (route: number) => (this.#avoid.get(route) ?? 0) > now();
    const routes = policy.routes.map((_, route) => route);
    const sorted = [...routes.filter((one) => !late(one)), ...routes.filter(late)];
    const of = (scheme: RelayScheme) => sorted.map((route) => ({ scheme, route }));
    return [...of(policy.scheme), ...(policy.aes ? of("aes") : [])];
  }

  #attempt(
    { scheme, route }: { readonly scheme: RelayScheme; readonly route: number },
    length: number,
    done: (end: RelayEnd) => void,
  ): void {
    const { policy, far, begin, now, wall } = this.#parts;
    const via = policy.routes[route] as readonly string[];
    const { collector } = policy;
    const order = { far, via, scheme, length, ...(scheme === "centralized" && { collector }) };
    begin(order, (end) => {
      if (end === undefined) {
        this.#avoid.delete(route);
        this.#count(scheme, via.length + 2, length);
      } else {
        this.failed++;
        this.#avoid.set(route, now() + avoidMs);
        this.lastFailure = { ...end, route: via, wall: wall() };
      }
      done(end);
    });
  }

  #count(scheme: RelayScheme, kms: number, length: number): void {
    const count = this.#counts.get(scheme) ?? { relays: 0, bytes: 0, cost: 0 };
    this.#counts.set(scheme, count);
    count.relays++;
    count.bytes += length;
    count.cost += costBytes(scheme, kms, length);
    this.#came += length;
  }

  #over(length: number, end: RelayEnd, done: (end: RelayEnd) => void): void {
    this.#underWay--;
    this.#coming -= length;
    done(end);
  }
}
