/**
 * Bounds the log lines that a peer can cause: a few of each message for
 * each peer, not many for all peers together. What was left out is counted and told once a minute. Pure.
 */
import { type Allowance, Bucket, Buckets } from "./bucket.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Log, LogFacts } from "./log.ts";

/** Of one message and one peer. */
const ofPeer = { burst: 5, refillMs: 30_000 } as const;
/** Of all that pass here. */
const ofAll = { burst: 60, refillMs: 2_000 } as const;
/** Pairs of message and peer that are counted apart. */
const mostPairs = 512;
/** For peers that are all registered: in place of what serves strangers. */
export interface LogBounds {
  /** Of all that pass. */
  readonly all: Allowance;
  /** Pairs of message and peer that are counted apart. */
  readonly pairs: number;
}

/** How long lines are counted before it is told that they were left out, ms. */
export const tellLeftOutAfter = 60_000;

interface LeftOut {
  readonly peer: string;
  readonly message: string;
  lines: number;
}

const byLog = new WeakMap<Log, LogLimit>();

export class LogLimit {
  readonly #log: Log;
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #pairs: Buckets;
  readonly #all: Bucket;
  readonly #leftOut = new Map<string, LeftOut>();
  #lines = 0;
  #timer: Timer | undefined;

  constructor(
    log: Log,
    clock: Pick<Clock, "now" | "after">,
    { all, pairs }: LogBounds = { all: ofAll, pairs: mostPairs },
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#pairs = new Buckets(ofPeer, pairs);
    this.#all = new Bucket(all, clock.now());
  }

  /** The one of this log: a peer that connects anew has no new allowance. */
  static of(log: Log, clock: Pick<Clock, "now" | "after">): LogLimit {
    let limit = byLog.get(log);
    if (limit === undefined) {
      limit = new LogLimit(log, clock);
      byLog.set(log, limit);
    }
    return limit;
  }

  /**
   * Writes a line, or counts it.
   * @param peer who caused it, as people know it: an address, a KM; on the line as `from`. Empty where
   *   there is only one
   * @param message of a fixed set: nothing that the peer sent
   */
  warn(peer: string, message: string, facts?: LogFacts): void {
    this.#write("warn", peer, message, facts);
  }

  /** The same of less weight. */
  info(peer: string, message: string, facts?: LogFacts): void {
    this.#write("info", peer, message, facts);
  }

  #write(level: "warn" | "info", peer: string, message: string, facts: LogFacts = {}): void {
    const now = this.#clock.now();
    const pair = `${message}\0${peer}`;
    if (this.#pairs.take(pair, now) && this.#all.take(now)) {
      this.#log[level](message, { ...(peer !== "" && { from: peer }), ...facts });
      return;
    }
    this.#lines++;
    const known = this.#leftOut.get(pair);
    if (known !== undefined) known.lines++;
    else if (this.#leftOut.size < mostPairs) this.#leftOut.set(pair, { peer, message, lines: 1 });
    this.#timer ??= this.#clock.after(tellLeftOutAfter, () => this.#tell());
  }

  #tell(): void {
    const all = [...this.#leftOut.values()];
    const [worst] = all.toSorted((a, b) => b.lines - a.lines);
    this.#log.warn("lines were left out", {
      lines: this.#lines,
      // Beyond the table they are not told apart.
      peers: new Set(all.map(({ peer }) => peer)).size,
      most_from: worst?.peer || undefined,
      most_of: worst?.message,
      most_lines: worst?.lines,
    });
    this.#lines = 0;
    this.#leftOut.clear();
    this.#timer = undefined;
  }
}
