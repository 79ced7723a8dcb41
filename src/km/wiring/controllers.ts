/**
 * The QKDN controllers of a key manager (Ck): all of them are told how it is, one is asked for routes, and what any of
 * them orders is carried out as far as the configuration lets it.
 */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import type { TaskBegin } from "../../host/life/progress.ts";
import type { NodeEvent } from "../../ops/events/event.ts";
import { refusalOf } from "../../wire/ck/check.ts";
import { markExtensions } from "../../wire/ck/marks.ts";
import type { CkCommand, CkMessage } from "../../wire/ck/messages.ts";
import { type Service, times } from "../../wire/ck/names.ts";
import type { ToldList } from "../../wire/ck/revocations.ts";
import type { CkAnswered, CkAsked } from "../../wire/ck/session.ts";
import type { ControllerConfig } from "../config/controllers.ts";
import type { KmTable, LinkConfig } from "../config/tables.ts";
import { Contradictions } from "../controllers/contradictions.ts";
import { LinkFlows } from "../controllers/flow.ts";
import { Orders, type OrderWorld, relayResponse } from "../controllers/orders.ts";
import { type Telling, tellingsOf } from "../controllers/report.ts";
import {
  KeySessions,
  type SessionAnswer,
  type SessionsParts,
  type Supply,
} from "../controllers/sessions.ts";
import type { ControllerStatus, KmStatus } from "../model/status.ts";
import type { RelayPair } from "../relay/pair.ts";
import type { TellRelay } from "../relay/pair-parts.ts";
import type { Applications } from "./applications.ts";
import { Controller } from "./controller.ts";

type RelayOrders = "hasLink" | "pair" | "serve" | "reserve" | "allocate" | "relayReserved";

export interface ControllersParts {
  readonly config: {
    readonly km: KmTable;
    readonly links: readonly Pick<LinkConfig, "name" | "peer">[];
    readonly controllers: readonly ControllerConfig[];
  };
  readonly status: () => KmStatus;
  readonly applications: Applications;
  /** What is relayed, as orders see it. */
  readonly relays: Pick<OrderWorld, RelayOrders> & {
    readonly pairs: () => Iterable<RelayPair>;
    readonly service: (link: string) => Service;
    /** A route, or a link's service, is another: it is to be there after a restart. */
    readonly routed: () => void;
  };
  /** Asks an application of this KM whether it takes part in a session. */
  readonly invite: SessionsParts["notify"];
  /** Tells one that a session is over. */
  readonly over: SessionsParts["over"];
  /** A controller told which certificates it took back. */
  readonly revoked: (list: ToldList, controller: string) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly task?: TaskBegin;
  readonly event: (event: NodeEvent) => void;
  /** Controllers order opposite things of a link, by turns. */
  readonly disagree: (link: string, detail: string) => void;
  /** A defect: the process ends. */
  readonly onFailure: (error: unknown) => void;
}

/** A controller that is asked for a route answers within this, or another one is asked, ms. */
const askMs = 2_000;
/** What happens together is told together, ms. */
const gatherMs = 20;

export class Controllers {
  readonly #parts: ControllersParts;
  readonly #flows = new LinkFlows();
  readonly #contradictions = new Contradictions();
  readonly #orders: Orders;
  readonly sessions: KeySessions;
  readonly #limit: LogLimit;
  readonly #started: number;
  #all: readonly Controller[] = [];
  #telling: Timer | undefined;
  #gathering: Timer | undefined;
  #isRunning = false;

  constructor(parts: ControllersParts) {
    this.#parts = parts;
    const { config, clock, log, relays } = parts;
    this.#started = clock.wall();
    this.#limit = LogLimit.of(log, clock);
    const { applications } = parts;
    this.sessions = new KeySessions({
      me: config.km.id,
      now: () => clock.now(),
      ask: (...asked) => this.#session(...asked),
      notify: (...told) => parts.invite(...told),
      over: (...told) => parts.over(...told),
      kmOf: (id) => applications.table.get(id)?.km,
      mayShare: (one, other) => applications.table.mayShare(one, other),
      changed: () => this.changed(),
    });
    this.#orders = new Orders({
      ...relays,
      session: (...told) => this.sessions.notified(...told),
      me: config.km.id,
      now: () => clock.now(),
      serve: (km, service, by) => this.#serve(km, service, by),
      routed: (km, controller) => {
        relays.routed();
        const [route = []] = relays.pair(km)?.ways.given ?? [];
        this.#event("km_route_changed", { peer: km, route: route.join(", "), controller });
        this.#ordered(km, "route", route.join(", "), controller);
      },
    });
    this.#all = config.controllers.map((one) => this.#make(one));
  }

  #make(config: ControllerConfig): Controller {
    const { clock, log, task } = this.#parts;
    return new Controller({
      me: this.#parts.config.km.id,
      config,
      clock,
      log: log.child(config.name),
      ...(task && { task }),
      tellings: () => this.#tellings(this.#parts.status()),
      onUp: (one) => {
        this.#event("km_controller_up", { controller: one.name });
        for (const pair of this.#parts.relays.pairs()) pair.ways.askAgain();
      },
      onDown: (one) => this.#event("km_controller_down", { controller: one.name }),
      onCommand: (one, asked) => this.#command(one, asked),
      onRevoked: (one, list) => this.#parts.revoked(list, one.name),
    });
  }

  start(): void {
    this.#isRunning = true;
    const { clock, status } = this.#parts;
    for (const one of this.#all) one.start();
    this.#telling = every(clock, times.every, () => {
      if (!this.#all.some(({ isConnected }) => isConnected)) return;
      const all = this.#tellings(status());
      for (const one of this.#all) one.tellChanged(all);
    });
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#telling?.cancel();
    this.#gathering?.cancel();
    await Promise.all(this.#all.map((one) => one.stop()));
  }

  /** Undefined: none is configured. */
  status(): readonly ControllerStatus[] | undefined {
    if (this.#all.length === 0) return undefined;
    const [asked] = this.#inOrder();
    return this.#all.map((one) => one.status(asked));
  }

  /** The state of now, once a second. */
  look(status: KmStatus): void {
    const now = this.#parts.clock.now();
    this.#flows.look(status.links, now);
    this.sessions.tick();
    if (!this.#all.some(({ isConnected }) => isConnected)) return;
    const all = this.#tellings(status);
    for (const one of this.#all) one.tellUrgent(all);
  }

  /** Something happened that controllers are told at once. */
  changed(): void {
    if (this.#gathering !== undefined || !this.#isRunning || this.#all.length === 0) return;
    const { clock, status } = this.#parts;
    this.#gathering = clock.after(gatherMs, () => {
      this.#gathering = undefined;
      if (this.#isRunning) this.look(status());
    });
  }

  /** Certificates or lists may be others: what would not be let in any more is cut. */
  recheck(): void {
    for (const one of this.#all) {
      try {
        one.recheck();
      } catch (error) {
        this.#limit.warn(one.name, "certificates of a controller cannot be read", {
          controller: one.name,
          cause: describe(error),
        });
      }
    }
  }

  /**
   * Takes the tables of controllers as the configuration file has them now: those that are as they were go on.
   * @param read throws ConfigError if the file is wrong: they stay as they were then
   */
  reread(read: () => readonly ControllerConfig[]): void {
    let fresh: readonly ControllerConfig[];
    try {
      fresh = read();
    } catch {
      // What is wrong with it was told with the tables of applications.
      return;
    }
    const text = (one: ControllerConfig) => JSON.stringify(one);
    const kept = new Map(this.#all.map((one) => [text(one.config), one]));
    const next = fresh.map((config) => kept.get(text(config)) ?? this.#make(config));
    const gone = this.#all.filter((one) => !next.includes(one));
    if (gone.length === 0 && next.length === this.#all.length) return;
    for (const one of gone) one.stop().catch(() => {});
    const begun = next.filter((one) => !this.#all.includes(one));
    this.#all = next;
    if (this.#isRunning) for (const one of begun) one.start();
    this.#parts.log.info("controllers were read anew", { controllers: next.length });
  }

  /** Those that are connected, in the order in which they are asked. */
  #inOrder(): Controller[] {
    const there = this.#all.filter(({ isConnected }) => isConnected);
    return [...there.filter((one) => !one.isStandby), ...there.filter((one) => one.isStandby)];
  }

  /** Asks one after the other, until one has time for it. @returns undefined: none is there, or leads */
  async ask<C extends CkCommand>(
    message: C,
    withinMs: number = askMs,
  ): Promise<{ readonly by: Controller; readonly answered: CkAnswered<C> } | undefined> {
    let busy: { readonly by: Controller; readonly answered: CkAnswered<C> } | undefined;
    for (const by of this.#inOrder()) {
      try {
        const answered = await by.ask(message, withinMs);
        if (answered === undefined) continue;
        if (refusalOf(answered.message as CkMessage) !== "busy") return { by, answered };
        busy ??= { by, answered };
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        const facts = { controller: by.name, cause: describe(error) };
        this.#limit.warn(`${by.name} ${error.code}`, "a controller gave no answer", facts);
      }
    }
    // A refusal, as any other: what a controller has no room for it does not allow.
    return busy;
  }

  /** Asks for the whole way to a KM (§7.2), or for its first hop (§7.1). @param then with nothing if no way came of it */
  route(km: string, pair: RelayPair, bytes: number, then: (tell?: TellRelay) => void): void {
    const way =
      pair.ways.routing === "next_hop" ? this.#firstHop(km, pair) : this.#way(km, pair, bytes);
    way.then(then).catch(this.#parts.onFailure);
  }

  async #way(km: string, pair: RelayPair, bytes: number): Promise<TellRelay | undefined> {
    const { id: me } = this.#parts.config.km;
    const ends = { sourceKma: me, destinationKma: km };
    const extension = markExtensions({ bits: bytes * 8 });
    const found = await this.ask({ type: "relayNotification", ...ends, extension });
    if (found === undefined) return undefined;
    const { by, answered } = found;
    const why = refusalOf(answered.message);
    if (why !== undefined) {
      this.#limit.info(`${km} ${by.name}`, "a controller knows no route", { to: km });
      return undefined;
    }
    const reply = (...end: [Parameters<typeof relayResponse>[1], number?]) => {
      // Where the connection broke meanwhile it is of no use any more.
      answered.reply?.(relayResponse(answered.message, ...end)).catch(() => {});
    };
    const via = this.#orders.give(answered.message, km, pair, by.name);
    if (typeof via !== "string") return (end, came) => reply(end, came * 8);
    reply(via);
    this.#limit.warn(`${km} ${by.name}`, "a route of a controller is none", { to: km, why: via });
    return undefined;
  }

  async #firstHop(km: string, pair: RelayPair): Promise<TellRelay | undefined> {
    const hops = await this.nextHops(this.#parts.config.km.id, km);
    // Without a KM between nothing is relayed.
    const vias = hops.filter((hop) => hop !== km).map((hop) => [hop]);
    if (vias.length === 0) return undefined;
    if (pair.ways.give(vias)) this.#parts.relays.routed();
    return () => {};
  }

  /** Whether an application may have keys with all of these; see `KeysOptions.session`. */
  admit(
    source: string,
    destinations: readonly string[],
    keys: number,
    done: (why: string | undefined) => void,
  ): void {
    const [first, ...others] = destinations;
    if (first === undefined) return done(undefined);
    this.sessions.admit(source, first, keys, (why) => {
      if (why === undefined) this.admit(source, others, keys, done);
      else done(why);
    });
  }

  async #session(
    sourceApp: string,
    destinationApp: string,
    supply: Supply,
  ): Promise<SessionAnswer> {
    const request = { type: "sessionRequest", sourceApp, destinationApp } as const;
    // The application at the other end is asked, too.
    const found = await (supply === undefined
      ? this.ask(request)
      : this.ask({ ...request, extension: markExtensions({ supply }) }, times.answer));
    if (found === undefined) return undefined;
    const { sessionId, destinationKm } = found.answered.message;
    const why = refusalOf(found.answered.message);
    const facts = { controller: found.by.name, source: sourceApp, destination: destinationApp };
    if (why === undefined && sessionId !== undefined) {
      const km = this.#parts.applications.table.get(destinationApp)?.km;
      if (destinationKm === km) return { id: sessionId };
      this.#limit.warn(destinationApp, "a controller knows an application at another KM", facts);
      return { refused: "unknown_application" };
    }
    this.#limit.info(`${sourceApp} ${destinationApp}`, "a controller gives no session", facts);
    return { refused: why ?? "internal_error" };
  }

  /** The KMs that may be next on the way to another, of those that this KM has a link to. */
  async nextHops(source: string, destination: string): Promise<readonly string[]> {
    const ends = { sourceKma: source, destinationKma: destination };
    const found = await this.ask({ type: "nextHopRequest", ...ends });
    if (found === undefined || refusalOf(found.answered.message) !== undefined) return [];
    const { nextKmas } = found.answered.message;
    return nextKmas.filter((km) => this.#parts.relays.hasLink(km));
  }

  /** What a controller asks by an RPC, without a connection that it keeps. @param by name in its certificate */
  answer(message: CkMessage, by: string): Promise<CkMessage> {
    // What comes by an RPC of its own is a command.
    return new Promise((resolve) => this.#orders.command(message as CkCommand, by, resolve));
  }

  #serve(km: string, service: Service, controller: string): boolean {
    const { relays } = this.#parts;
    const before = relays.service(this.#linkTo(km));
    if (!relays.serve(km, service, controller)) return false;
    relays.routed();
    const peer = { peer: km, service, controller };
    if (service !== before) this.#event("km_service_changed", peer);
    this.#ordered(km, "service", service.replaceAll("_", " "), controller);
    return true;
  }

  #ordered(km: string, thing: string, what: string, by: string): void {
    const { clock, disagree } = this.#parts;
    const link = this.#linkTo(km);
    const told = this.#contradictions.ordered(`${thing} of ${link}`, what, by, clock.now());
    if (told !== undefined) disagree(link, told);
  }

  /** Name of the link to a KM. */
  #linkTo(km: string): string {
    return this.#parts.config.links.find(({ peer }) => peer === km)?.name ?? km;
  }

  #command(one: Controller, { message, reply }: CkAsked): void {
    try {
      this.#orders.command(message, one.name, (answer) => {
        // An answer that comes to nothing is that of a connection that ended.
        reply(answer).catch(() => {});
      });
    } catch (error) {
      this.#parts.onFailure(error);
    }
  }

  #tellings(status: KmStatus): ReadonlyMap<string, Telling> {
    const { applications, relays, config } = this.#parts;
    const told = {
      status,
      flows: this.#flows,
      started: this.#started,
      site: config.km.site,
      applications: applications.own,
      sessions: this.sessions.list(),
      service: (link: string) => relays.service(link),
    };
    return tellingsOf(told, (what, why) => {
      this.#limit.warn(what, "controllers are not told of this", { what, why: describe(why) });
    });
  }

  #event(type: string, facts: NodeEvent["facts"]): void {
    this.#parts.event({ type, at: this.#parts.clock.wall(), facts });
  }
}
