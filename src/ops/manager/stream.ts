/** Messages that are told in order and each at least once: events, from the outbox. Pure. */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Log, LogFacts } from "../../base/log.ts";
import type { MqttSession } from "../mqtt/session.ts";
import type { Topic } from "../mqtt/topic.ts";

export interface StreamItem {
  readonly payload: Buffer;
}

/** Where they come from, the oldest first; durable where they must be. */
export interface Source {
  /** Called when something can be told. */
  onChange: () => void;
  /** The oldest that the connection at hand was not given; it counts as given now. */
  next(): StreamItem | undefined;
  /** The broker has it. */
  done(item: StreamItem): void;
  /** The broker will never take it. */
  drop(item: StreamItem): void;
  /** The connection is gone: what it did not acknowledge is given again, in order. */
  rewind(): void;
}

export interface StreamOptions {
  /** What they are, for the log. */
  readonly name: string;
  readonly source: Source;
  readonly topic: string;
  readonly kind: Topic;
  /** Unacknowledged at a time: the rest of what a broker takes is for others. Default: all. */
  readonly window?: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A broker that refused one is asked again this much later, ms. */
const refusedPause = 30_000;
/** A refusal so long after the last, ms, is told as a first one. */
const anewAfter = 20 * refusedPause;

export class Stream {
  readonly #options: StreamOptions;
  #pause: Timer | undefined;
  #given = 0;
  /** The last refusal, and how often it came in a row. */
  #refusal: { readonly why: string; readonly times: number; readonly at: number } | undefined;
  /** Tells answers over a connection from those over one that was. */
  #connection = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  /** There is another connection: what was not acknowledged is given again. */
  rewind(): void {
    this.#connection++;
    this.#given = 0;
    this.#options.source.rewind();
  }

  /**
   * Gives the broker the next.
   * @param pump called when there is room for more
   * @returns whether there was one that it may have now
   */
  send(session: MqttSession, pump: () => void): boolean {
    const { source, topic, kind, window = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#pause !== undefined || this.#given >= window) return false;
    const item = source.next();
    if (item === undefined) return false;
    const connection = this.#connection;
    const answered = () => {
      if (connection === this.#connection) this.#given--;
    };
    this.#given++;
    session.send(
      { topic, payload: item.payload, kind },
      {
        acknowledged: () => {
          answered();
          source.done(item);
          pump();
        },
        refused: (why, forever) => {
          answered();
          if (!forever) return this.#hold(why, pump);
          const { length: bytes } = item.payload;
          this.#tell("one is given up", why, { bytes });
          source.drop(item);
          return pump();
        },
      },
    );
    return true;
  }

  /** The broker takes none now: they wait, and everything else goes on. */
  #hold(why: string, pump: () => void): void {
    if (this.#pause !== undefined) return;
    this.#tell("they wait", why, { retry_ms: refusedPause });
    this.#pause = this.#options.clock.after(refusedPause, () => {
      this.#pause = undefined;
      this.rewind();
      pump();
    });
  }

  /** The same every half minute for a month would bury what matters: it is said at powers of 2. */
  #tell(what: string, why: string, facts: LogFacts): void {
    const { name, log, clock } = this.#options;
    const last = this.#refusal;
    const now = clock.now();
    const isAgain = last?.why === why && now - last.at < anewAfter;
    const times = isAgain ? last.times + 1 : 1;
    this.#refusal = { why, times, at: now };
    if ((times & (times - 1)) === 0) {
      log.warn(`broker refuses ${name}: ${what}`, { why, ...facts, times });
    }
  }

  stop(): void {
    this.#pause?.cancel();
  }
}
