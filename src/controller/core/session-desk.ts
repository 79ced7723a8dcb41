/**
 * Sessions, from request to end (Q.4164 §7.3, §7.4; Q.4160 I.2): the destination's KM is asked before the source's is
 * answered, both are told the end, and those that are open survive a restart of the controller.
 */
import { refusalOf } from "../../wire/ck/check.ts";
import { markExtensions, marksIn } from "../../wire/ck/marks.ts";
import type { CkMessageOf } from "../../wire/ck/messages.ts";
import { type CkReason, reasons, success } from "../../wire/ck/names.ts";
import type { SessionReport } from "../../wire/ck/state.ts";
import type { Session } from "../sessions/sessions.ts";
import { UnconfirmedSessions } from "../sessions/unconfirmed.ts";
import { type CoreParts, newId } from "./parts.ts";
import { refusal } from "./refusal.ts";
import type { Reply, SavedSession } from "./world.ts";

/** The destination's application is asked, too: ms. */
const notifyMs = 10_000;
const endMs = 10_000;
/** A KM tells of a session of its applications within this, ms. */
const tellMs = 300_000;
/** Ends that a KM is told at a time: other commands have room beside them. */
const mostAsked = 64;
/** Ends that are remembered. */
const mostEnded = 10_000;

/** What key managers are told of a session. */
type Told = Pick<Session, "id" | "source" | "destination" | "sourceKm" | "number">;

export class SessionDesk {
  readonly #parts: CoreParts;
  /** Sessions that have ended: a KM that was away may still think that one is open. */
  readonly #ended = new Map<string, Told>();
  readonly #unconfirmed = new UnconfirmedSessions();
  /** Ends that key managers are to be told, and are told now. */
  readonly #ends = new Map<string, { readonly waiting: Told[]; asked: number }>();

  constructor(parts: CoreParts, saved: ReadonlyMap<string, SavedSession>) {
    this.#parts = parts;
    const { world, policy } = parts;
    for (const [id, one] of saved) {
      const left = Math.min(Math.max(0, one.until - world.wall()), policy.rules.sessionMs);
      const endsAt = world.now() + left;
      const now = { knownAt: world.now(), classes: this.#classesOf(one), isOpen: true };
      parts.sessions.add({ ...one, id, endsAt, ...now });
    }
  }

  /** A KM asks for a session of one of its applications. */
  requested(km: string, message: CkMessageOf<"sessionRequest">, reply: Reply): void {
    const { repository, sessions, classes, policy, topology, world } = this.#parts;
    const refuse = (why: CkReason) => {
      sessions.refused(why);
      reply(refusal(message, why));
    };
    const { sourceApp, destinationApp, number } = message;
    const source = repository.application(sourceApp);
    if (source === undefined || (source.km !== undefined && source.km !== km)) {
      return refuse("unauthorized");
    }
    const destination = repository.application(destinationApp);
    const destinationKm = destination?.km;
    if (destination === undefined || destinationKm === undefined)
      return refuse("unknown_application");
    if (
      !repository.mayTalk(source, destinationApp) ||
      !repository.mayTalk(destination, sourceApp)
    ) {
      return refuse("unauthorized");
    }
    if (!classes.isOpen(source.class, world.wall())) return refuse("unauthorized");
    if (!sessions.hasRoom(sourceApp, source.sessions)) return refuse("busy");
    if (topology.nodes.get(destinationKm)?.attached !== true) return refuse("no_route");
    const since = world.wall();
    const began = topology.nodes.get(km)?.began;
    const session: Session = {
      id: newId(world),
      source: sourceApp,
      destination: destinationApp,
      sourceKm: km,
      destinationKm,
      since,
      until: since + policy.rules.sessionMs,
      endsAt: world.now() + policy.rules.sessionMs,
      ...(number !== undefined && { number }),
      ...(began !== undefined && { began }),
      knownAt: world.now(),
      classes: [source.class, destination.class].flatMap((one) => one ?? []),
      isOpen: false,
    };
    sessions.add(session);
    this.#notify(session, reply, message);
  }

  #notify(session: Session, reply: Reply, request: CkMessageOf<"sessionRequest">): void {
    const { world, sessions, topology } = this.#parts;
    const turns = () => topology.nodes.get(session.sourceKm)?.turns;
    const before = turns();
    // How its keys are to come is between the two key managers.
    const { supply } = marksIn(request);
    const extension = supply === undefined ? {} : { extension: markExtensions({ supply }) };
    const told = { ...notification(session), ...extension };
    world.ask(session.destinationKm, told, notifyMs, (answer) => {
      // It was ended meanwhile, or another controller leads.
      const isThere = sessions.get(session.id) === session;
      // Who asked on a connection that is over hears no answer.
      const isHeard = turns() === before;
      const why = answer === undefined || !isHeard ? "timed_out" : refusalOf(answer);
      if (isThere && why === undefined) {
        this.#opened(session);
        return reply({
          type: "sessionResponse",
          sessionId: session.id,
          response: success,
          destinationKm: session.destinationKm,
        });
      }
      if (isThere) sessions.remove(session.id);
      // A destination that answered too late may think that it is open.
      if (why === "timed_out" || !isThere) this.#tellEnd(session, session.destinationKm);
      const reason = reasons.find((one) => one === why) ?? "internal_error";
      sessions.refused(reason);
      reply(refusal(request, reason));
    });
  }

  #opened(session: Session): void {
    const { sessions, world, accounts, news } = this.#parts;
    sessions.opened(session);
    world.save("session", session.id, saved(session));
    accounts.add("application", session.source, { sessions: 1 }, world.wall());
    news.tell("session", session.id, `open: ${session.source} and ${session.destination}`);
  }

  /** @param by who wants it @returns false if there is none of this ID */
  end(id: string, by: string): boolean {
    const { sessions, world, accounts, news, policy } = this.#parts;
    const session = sessions.remove(id);
    if (session === undefined) return false;
    world.save("session", id, undefined);
    this.#ended.set(id, session);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > mostEnded && oldest !== undefined) this.#ended.delete(oldest);
    const { source, endsAt } = session;
    const open = Math.max(0, policy.rules.sessionMs - (endsAt - world.now())) / 1_000;
    if (session.isOpen) accounts.add("application", source, { session_s: open }, world.wall());
    news.tell("session", id, `ended: ${by}`);
    for (const km of [session.sourceKm, session.destinationKm]) this.#tellEnd(session, km);
    return true;
  }

  /** What a KM says of its sessions: it ends some, and a controller without memory learns the others. */
  reported(km: string, report: SessionReport): void {
    const known = this.#parts.sessions.get(report.id);
    if (report.ended) {
      this.#unconfirmed.remove(report.id);
      if (known && [known.sourceKm, known.destinationKm].includes(km))
        this.end(known.id, `by ${km}`);
      return;
    }
    if (known !== undefined) {
      const isSource = known.sourceKm === km && report.role === "source";
      if (isSource) known.toldAt = this.#parts.world.now();
      return;
    }
    const over = this.#ended.get(report.id);
    if (over !== undefined) return this.#tellEnd(over, km);
    // One of an application is its own key manager's to tell: others could make up so many that it has no room.
    const told =
      report.role === "source" ? { km, report } : this.#unconfirmed.toldBySource(report.id);
    if (told === undefined) return this.#await(km, report);
    this.#learn(told.km, told.report);
  }

  /** The other end has to tell of it, or of the application that it serves. */
  #await(km: string, report: SessionReport): void {
    const { world, topology } = this.#parts;
    const began = topology.nodes.get(km)?.began;
    this.#unconfirmed.add({ km, report, since: world.now(), began });
  }

  /** A session of which its source's KM tells. */
  #learn(km: string, report: SessionReport): void {
    const { sessions, world, policy, topology, repository } = this.#parts;
    this.#unconfirmed.remove(report.id);
    const { id, source, destination, number } = report;
    const [mine, other] = [source, destination].map((one) => repository.application(one));
    const destinationKm = other?.km;
    if (mine === undefined || (mine.km !== undefined && mine.km !== km)) return;
    if (destinationKm === undefined) return this.#await(km, report);
    if (!sessions.hasRoom(source, mine.sessions)) return;
    const since = world.wall();
    const began = topology.nodes.get(km)?.began;
    const one = {
      source,
      destination,
      sourceKm: km,
      destinationKm,
      since,
      until: since + policy.rules.sessionMs,
      ...(number !== undefined && { number }),
      ...(began !== undefined && { began }),
    };
    const now = world.now();
    const told = { knownAt: now, toldAt: now, classes: this.#classesOf(one), isOpen: true };
    sessions.add({ ...one, id, endsAt: now + policy.rules.sessionMs, ...told });
    world.save("session", id, one);
  }

  /** A KM tells when it began: of sessions from before that its applications have none any more. */
  began(km: string, at: number): void {
    for (const { id, sourceKm, began = at } of [...this.#parts.sessions.values()]) {
      if (sourceKm === km && began !== at) this.end(id, `${km} began anew`);
    }
    for (const { km: sourceKm, report, began = at } of this.#unconfirmed.allToldBySources()) {
      if (sourceKm === km && began !== at) this.#unconfirmed.remove(report.id);
    }
  }

  /** Sessions of an application that was taken back end. */
  revoked(application: string): void {
    for (const one of [...this.#parts.sessions.values()]) {
      if (one.source === application || one.destination === application) {
        this.end(one.id, "an application was taken back");
      }
    }
  }

  /** Sessions of which a KM that was taken back has an end are over. */
  withdrawn(km: string): void {
    for (const { id, sourceKm, destinationKm } of [...this.#parts.sessions.values()]) {
      if (sourceKm === km || destinationKm === km) this.end(id, `${km} was taken back`);
    }
  }

  /** Ends what is due. Once a second. */
  tick(): void {
    const { sessions, world, topology, repository } = this.#parts;
    const now = world.now();
    for (const { id } of sessions.due(now)) this.end(id, "its time is over");
    for (const one of [...sessions.values()]) {
      if (this.#isForgotten(one, now)) this.end(one.id, `${one.sourceKm} does not know it`);
    }
    for (const { km, report } of this.#unconfirmed.allToldBySources()) this.#learn(km, report);
    const isHere = (source: string, ms: number) => {
      const node = topology.nodes.get(repository.application(source)?.km ?? "");
      return node?.toldAllAt !== undefined && now - node.toldAllAt >= ms;
    };
    for (const { km, report } of this.#unconfirmed.overdue(now, isHere)) {
      const sourceKm = repository.application(report.source)?.km ?? km;
      this.#tellEnd({ ...report, sourceKm }, km);
    }
  }

  /**
   * The source's KM tells of what it has, and has not told of this one in all the time that it had for it: it may have
   * given up before it was answered, or this controller has a session of before its own disk was put back.
   */
  #isForgotten(
    { sourceKm, knownAt, toldAt = Number.NEGATIVE_INFINITY, isOpen }: Session,
    now: number,
  ): boolean {
    const node = this.#parts.topology.nodes.get(sourceKm);
    // One that tells nothing of itself need not tell of sessions either.
    if (!isOpen || node?.began === undefined || node.wholeAt === undefined) return false;
    const since = Math.max(knownAt, node.wholeAt);
    return node.attached && toldAt < since && now - since >= tellMs;
  }

  #classesOf({ source, destination }: SavedSession): readonly string[] {
    const { repository } = this.#parts;
    return [source, destination].flatMap((id) => repository.application(id)?.class ?? []);
  }

  /** A KM that is away learns it when it asks for keys of the session, or by its number. */
  #tellEnd(session: Told, km: string): void {
    const line = this.#ends.get(km) ?? { waiting: [], asked: 0 };
    this.#ends.set(km, line);
    line.waiting.push(session);
    this.#tellEnds(km);
  }

  /** A side may have few commands without an answer (Ck): what is more waits for the answers. */
  #tellEnds(km: string): void {
    const { world, topology } = this.#parts;
    const line = this.#ends.get(km);
    if (line === undefined) return;
    const node = topology.nodes.get(km);
    if (node?.attached !== true || !node.hasReported) line.waiting.length = 0;
    for (const session of line.waiting.splice(0, mostAsked - line.asked)) {
      line.asked++;
      const message = { ...notification(session), extension: markExtensions({ ended: true }) };
      world.ask(km, message, endMs, () => {
        line.asked--;
        this.#tellEnds(km);
      });
    }
    if (line.asked === 0 && line.waiting.length === 0) this.#ends.delete(km);
  }
}

function notification(session: Told): CkMessageOf<"sessionNotification"> {
  const { id, source, destination, sourceKm, number } = session;
  return {
    type: "sessionNotification",
    sourceApp: source,
    destinationApp: destination,
    sessionId: id,
    sourceKm,
    ...(number !== undefined && { number }),
  };
}

function saved(session: Session): SavedSession {
  const { source, destination, sourceKm, destinationKm, since, until, number, began } = session;
  const ends = { source, destination, sourceKm, destinationKm };
  const more = { ...(number !== undefined && { number }), ...(began !== undefined && { began }) };
  return { ...ends, since, until, ...more };
}
