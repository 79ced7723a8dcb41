/**
 * Sessions of applications (Q.4164 §7.3, §7.4; Q.4160 I.2): before an application of this KM is given keys that
 * another is to have too, a controller is asked, once for the two. Without a controller they have keys as without
 * sessions. A session for proactive supply is one that an application asks for itself, and there is none without a
 * controller. A session ends when a controller or its application says so, or is used no more. Pure.
 */
import type { CkMarks } from "../../wire/ck/marks.ts";
import type { CkMessageOf } from "../../wire/ck/messages.ts";
import { type CkReason, success } from "../../wire/ck/names.ts";
import type { SessionReport } from "../../wire/ck/state.ts";

/** How the destination of a session gets its keys; undefined: it asks for them. */
export type Supply = CkMarks["supply"];

/** What came of a question: a session; a refusal; nothing, since no controller is there. */
export type SessionAnswer = { readonly id: string } | { readonly refused: string } | undefined;

/** A session of which an application is to be told. */
export interface ToldSession {
  readonly id: string;
  readonly source: string;
  readonly destination: string;
}

export interface SessionsParts {
  /** Monotonic, ms. */
  readonly now: () => number;
  /** Never rejects. */
  readonly ask: (source: string, destination: string, supply: Supply) => Promise<SessionAnswer>;
  /** Asks an application of this KM whether it takes part. @param done once: why not; undefined: it does */
  readonly notify: (session: ToldSession, done: (why: CkReason | undefined) => void) => void;
  /** Tells an application of this KM that a session of which it was told is over. */
  readonly over: (session: ToldSession) => void;
  /** KM ID of an application; undefined: it is not known. */
  readonly kmOf: (application: string) => string | undefined;
  readonly mayShare: (one: string, other: string) => boolean;
  readonly me: string;
  /** Sessions are others than before: controllers are told. */
  readonly changed: () => void;
}

/** Sessions at a time, of each role; questions of one pair that wait for the same answer. */
const most = { sessions: 20_000, waiting: 256 } as const;
/** A session that is used no more ends after this; that it ended is told for so long; a refusal holds for so long, ms. */
const idleMs = 3_600_000;
const endedMs = 30_000;
const refusedMs = 2_000;

interface Session {
  readonly report: SessionReport;
  readonly supply: Supply;
  keys: number;
  usedAt: number;
}

type Answered = (answer: SessionAnswer) => void;

export class KeySessions {
  readonly #parts: SessionsParts;
  /** By source, destination and supply. */
  readonly #open = new Map<string, Session>();
  /** Of other KMs' applications, by ID. */
  readonly #notified = new Map<string, Session>();
  /** Of these the last of each two applications that are not brought their keys, by {@link nameOf}: its ID. */
  readonly #last = new Map<string, string>();
  /** Of other KMs' applications, by ID: those of which this KM's application is asked. */
  readonly #joining = new Set<string>();
  /** Of other KMs' applications, by ID: those that did not come to be here, until when that is known. */
  readonly #declined = new Map<string, number>();
  /** Who waits for the same answer. */
  readonly #asking = new Map<string, Answered[]>();
  readonly #refused = new Map<string, { readonly why: string; readonly until: number }>();
  readonly #ended = new Map<string, { readonly report: SessionReport; readonly until: number }>();

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open.size + this.#notified.size;
  }

  /** Those that are open in which keys are brought: by role of this KM. */
  get proactive(): { readonly source: number; readonly destination: number } {
    const count = (all: ReadonlyMap<string, Session>) =>
      [...all.values()].filter(({ supply }) => supply === "proactive").length;
    return { source: count(this.#open), destination: count(this.#notified) };
  }

  /** Those that are open, and those that ended a moment ago. */
  list(): SessionReport[] {
    const now = this.#parts.now();
    for (const [id, { until }] of this.#ended) if (until <= now) this.#ended.delete(id);
    const open = [...this.#open.values(), ...this.#notified.values()];
    return [
      ...open.map(({ report, keys }) => ({ ...report, keys })),
      ...[...this.#ended.values()].map(({ report }) => report),
    ];
  }

  /** Ends those that are used no more. Once a second. */
  tick(): void {
    const now = this.#parts.now();
    for (const [name, one] of this.#open) {
      if (now - one.usedAt < idleMs) continue;
      this.#open.delete(name);
      this.#end(one);
    }
    for (const [name, { until }] of this.#refused) if (until <= now) this.#refused.delete(name);
    for (const [id, until] of this.#declined) if (until <= now) this.#declined.delete(id);
  }

  /**
   * An application wants keys with another.
   * @param done once: the reason of a controller that refuses; undefined: it may have them
   */
  admit(
    source: string,
    destination: string,
    keys: number,
    done: (why: string | undefined) => void,
  ): void {
    this.#obtain(source, destination, undefined, (answer) => {
      if (answer !== undefined && "refused" in answer) return done(answer.refused);
      if (answer !== undefined) this.use(answer.id, source, destination, keys, undefined);
      done(undefined);
    });
  }

  /**
   * An application wants a session in which the other is brought its keys. Asked for again it is the same.
   * @param done once
   */
  create(source: string, destination: string, done: Answered): void {
    this.#obtain(source, destination, "proactive", done);
  }

  /**
   * A session for proactive supply ends: its application says so, or the KM of the destination does not know it any more.
   * @returns false if there is none
   */
  close(source: string, destination: string): boolean {
    const name = nameOf(source, destination, "proactive");
    const session = this.#open.get(name);
    if (session === undefined) return false;
    this.#open.delete(name);
    this.#end(session);
    return true;
  }

  /** Keys are asked for in a session. @returns false if it is not open, or of others */
  use(id: string, source: string, destination: string, keys: number, supply: Supply): boolean {
    const session = this.#open.get(nameOf(source, destination, supply));
    if (session?.report.id !== id) return false;
    session.keys += keys;
    session.usedAt = this.#parts.now();
    return true;
  }

  /**
   * The applications of a session of which this KM's is to be brought keys.
   * @param km that brings them @returns undefined: it is not open, or of another KM
   */
  deliverable(id: string, km: string): ToldSession | undefined {
    const session = this.#notified.get(id);
    if (session?.supply !== "proactive") return undefined;
    const { source, destination } = session.report;
    return this.#parts.kmOf(source) === km ? { id, source, destination } : undefined;
  }

  /** Keys of a session were brought to its destination. */
  delivered(id: string, keys: number): void {
    const session = this.#notified.get(id);
    if (session !== undefined) session.keys += keys;
  }

  #obtain(source: string, destination: string, supply: Supply, done: Answered): void {
    const name = nameOf(source, destination, supply);
    const session = this.#open.get(name);
    if (session !== undefined) return done({ id: session.report.id });
    const refused = this.#refused.get(name);
    if (refused !== undefined && refused.until > this.#parts.now()) {
      return done({ refused: refused.why });
    }
    const asking = this.#asking.get(name);
    if (asking !== undefined) {
      if (asking.length >= most.waiting) return done({ refused: "busy" });
      return void asking.push(done);
    }
    if (this.#open.size + this.#asking.size >= most.sessions) return done({ refused: "busy" });
    const waiting = [done];
    this.#asking.set(name, waiting);
    this.#parts.ask(source, destination, supply).then((answer) => {
      this.#asking.delete(name);
      this.#answered(source, destination, supply, answer);
      for (const one of waiting) one(answer);
    });
  }

  #answered(source: string, destination: string, supply: Supply, answer: SessionAnswer): void {
    if (answer === undefined) return;
    const name = nameOf(source, destination, supply);
    const now = this.#parts.now();
    if ("refused" in answer) {
      this.#refused.set(name, { why: answer.refused, until: now + refusedMs });
      return;
    }
    const report = { id: answer.id, source, destination, role: "source", keys: 0 } as const;
    this.#open.set(name, { report, supply, keys: 0, usedAt: now });
    this.#parts.changed();
  }

  /** A controller tells of a session, or that one is over (§8.8). @param done once */
  notified(
    message: CkMessageOf<"sessionNotification">,
    { ended, supply }: Pick<CkMarks, "ended" | "supply">,
    done: (answer: CkMessageOf<"sessionNotificationResponse">) => void,
  ): void {
    const { sessionId } = message;
    const answer = (why: CkReason | undefined) =>
      done({ type: "sessionNotificationResponse", sessionId, response: why ?? success });
    if (ended === true) answer(this.#over(message));
    else this.#begun(message, supply, answer);
  }

  #begun(
    message: CkMessageOf<"sessionNotification">,
    supply: Supply,
    done: (why: CkReason | undefined) => void,
  ): void {
    const { sourceApp: source, destinationApp: destination, sourceKm, sessionId: id } = message;
    const { kmOf, mayShare, me, notify } = this.#parts;
    if (kmOf(destination) !== me || kmOf(source) === undefined) return done("unknown_application");
    if (kmOf(source) !== sourceKm || !mayShare(source, destination)) return done("unauthorized");
    if (this.#notified.has(id)) return done(undefined);
    const isNext = supply === undefined && this.#last.has(nameOf(source, destination, supply));
    const isFull = !isNext && this.#notified.size + this.#joining.size >= most.sessions;
    if (isFull || this.#joining.has(id)) return done("busy");
    if (supply === undefined) {
      this.#joined(message, supply);
      return done(undefined);
    }
    this.#joining.add(id);
    notify({ id, source, destination }, (why) => {
      // The controller may have ended it meanwhile.
      const isWanted = this.#joining.delete(id);
      if (why !== undefined) this.#decline(id);
      else if (isWanted) this.#joined(message, supply);
      done(why ?? (isWanted ? undefined : "unknown_session"));
    });
  }

  #decline(id: string): void {
    if (this.#declined.size >= most.sessions) return;
    this.#declined.set(id, this.#parts.now() + endedMs);
  }

  #joined(
    {
      sourceApp: source,
      destinationApp: destination,
      sessionId: id,
      number,
    }: CkMessageOf<"sessionNotification">,
    supply: Supply,
  ): void {
    const limit = number === undefined ? {} : { number };
    const report = { id, source, destination, role: "destination", keys: 0, ...limit } as const;
    if (supply === undefined) this.#next(id, nameOf(source, destination, supply));
    this.#notified.set(id, { report, supply, keys: 0, usedAt: this.#parts.now() });
    this.#parts.changed();
  }

  /**
   * A KM has one session of two applications at a time: the one before is over. A controller that knows no more than
   * Q.4164 has no word for that.
   */
  #next(id: string, name: string): void {
    const before = this.#leave(this.#last.get(name));
    if (before !== undefined) this.#end(before);
    this.#last.set(name, id);
  }

  /** @returns the session of another KM's application that was of this ID */
  #leave(id: string | undefined): Session | undefined {
    const session = id === undefined ? undefined : this.#notified.get(id);
    if (id === undefined || session === undefined) return undefined;
    this.#notified.delete(id);
    const { source, destination } = session.report;
    const name = nameOf(source, destination, session.supply);
    if (this.#last.get(name) === id) this.#last.delete(name);
    return session;
  }

  #over(message: CkMessageOf<"sessionNotification">): CkReason | undefined {
    const { sessionId: id, sourceApp: source, destinationApp: destination } = message;
    const wasAsked = this.#joining.delete(id);
    const there = this.#leave(id);
    if (there !== undefined) this.#end(there);
    // One that is not known may be of before this KM began anew; who fetches keys was told of none.
    const { kmOf, me, over } = this.#parts;
    const isKnown = this.#declined.has(id) || this.#ended.has(`${id} destination`);
    const isNews = kmOf(destination) === me && !isKnown;
    if (there === undefined ? isNews : there.supply === "proactive") {
      over({ id, source, destination });
    }
    if (wasAsked) return undefined;
    for (const [name, one] of this.#open) {
      if (one.report.id !== id) continue;
      this.#open.delete(name);
      this.#end(one);
      return undefined;
    }
    return there === undefined ? "unknown_session" : undefined;
  }

  #end({ report, keys }: Session): void {
    const until = this.#parts.now() + endedMs;
    // Of very many at a time the oldest are told by the next whole report alone.
    const [oldest] = this.#ended.keys();
    if (this.#ended.size >= most.sessions && oldest !== undefined) this.#ended.delete(oldest);
    this.#ended.set(`${report.id} ${report.role}`, {
      report: { ...report, keys, ended: true },
      until,
    });
    this.#parts.changed();
  }
}

function nameOf(source: string, destination: string, supply: Supply): string {
  return `${source}\0${destination}\0${supply ?? ""}`;
}
