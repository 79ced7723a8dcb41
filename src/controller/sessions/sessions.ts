/**
 * Sessions of applications (Q.4164 §7.3, §7.4; IMDA RS QKDN §7.5): each has a start and an end, and both key managers
 * know it by one ID. Bounded, of each application too; ten thousand cost a look a second.
 */
import type { ControllerStatus, SessionStatus } from "../model/status.ts";

export interface Session {
  readonly id: string;
  readonly source: string;
  readonly destination: string;
  readonly sourceKm: string;
  readonly destinationKm: string;
  /** ms since 1970 UTC */
  readonly since: number;
  /** It ends by itself then, ms since 1970 UTC: for a controller that begins anew. */
  readonly until: number;
  /** The same, monotonic, ms: a clock that is set ends nothing. */
  readonly endsAt: number;
  /** KSA-keys at most. */
  readonly number?: number;
  /** When the source's KM began, as that said: one that began since knows nothing of the session. */
  readonly began?: number;
  /** Since when it is known here; monotonic, ms. */
  readonly knownAt: number;
  /** When the source's KM told of it last; monotonic, ms. */
  toldAt?: number;
  /** Classes of its applications. */
  readonly classes: readonly string[];
  /** The destination's KM has not answered yet. */
  isOpen: boolean;
}

export interface SessionLimits {
  readonly sessions: number;
  readonly ofApplication: number;
}

export class Sessions {
  readonly #limits: SessionLimits;
  readonly #all = new Map<string, Session>();
  readonly #ofApplication = new Map<string, number>();
  readonly #ofPair = new Map<string, Set<Session>>();
  readonly #pairOf: (a: string, b: string) => string;
  readonly #refused = new Map<string, number>();
  #open = 0;
  #opened = 0;
  #ended = 0;

  /** @param pairOf name of the pair of two KMs */
  constructor(limits: SessionLimits, pairOf: (a: string, b: string) => string) {
    this.#limits = limits;
    this.#pairOf = pairOf;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Since the start. */
  get counted(): ControllerStatus["counted_sessions"] {
    const refused = Object.fromEntries(this.#refused);
    return { opened: this.#opened, ended: this.#ended, refused };
  }

  refused(why: string): void {
    this.#refused.set(why, (this.#refused.get(why) ?? 0) + 1);
  }

  get open(): number {
    return this.#open;
  }

  get(id: string): Session | undefined {
    return this.#all.get(id);
  }

  values(): Iterable<Session> {
    return this.#all.values();
  }

  /** Sessions between applications of two KMs. */
  ofPair(pair: string): ReadonlySet<Session> {
    return this.#ofPair.get(pair) ?? none;
  }

  /** There is room for one more. @param most of the application; default: the limit of all */
  hasRoom(source: string, most = this.#limits.ofApplication): boolean {
    return this.#all.size < this.#limits.sessions && (this.#ofApplication.get(source) ?? 0) < most;
  }

  add(session: Session): void {
    this.#all.set(session.id, session);
    this.#ofApplication.set(session.source, (this.#ofApplication.get(session.source) ?? 0) + 1);
    const pair = this.#pairOf(session.sourceKm, session.destinationKm);
    const others = this.#ofPair.get(pair) ?? new Set();
    this.#ofPair.set(pair, others.add(session));
    if (session.isOpen) this.#open++;
  }

  opened(session: Session): void {
    if (session.isOpen) return;
    session.isOpen = true;
    this.#open++;
    this.#opened++;
  }

  remove(id: string): Session | undefined {
    const session = this.#all.get(id);
    if (session === undefined) return undefined;
    this.#all.delete(id);
    if (session.isOpen) {
      this.#open--;
      this.#ended++;
    }
    const left = (this.#ofApplication.get(session.source) ?? 1) - 1;
    if (left > 0) this.#ofApplication.set(session.source, left);
    else this.#ofApplication.delete(session.source);
    const pair = this.#pairOf(session.sourceKm, session.destinationKm);
    const others = this.#ofPair.get(pair);
    others?.delete(session);
    if (others?.size === 0) this.#ofPair.delete(pair);
    return session;
  }

  /** Those that are over by now. @param now monotonic, ms */
  due(now: number): Session[] {
    const due: Session[] = [];
    for (const one of this.#all.values()) if (one.endsAt <= now) due.push(one);
    return due;
  }

  /** The newest first. */
  status(most: number): SessionStatus[] {
    const newest = [...this.#all.values()].slice(-most).reverse();
    return newest.map(
      ({ id, source, destination, sourceKm, destinationKm, since, number, isOpen }) => ({
        session: id,
        source,
        destination,
        source_km: sourceKm,
        destination_km: destinationKm,
        since: new Date(since).toISOString(),
        ...(number !== undefined && { number }),
        state: isOpen ? "open" : "creating",
      }),
    );
  }
}

const none: ReadonlySet<Session> = new Set();
