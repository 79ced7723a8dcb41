/**
 * The core of a QKDN controller: what key managers and nodes tell comes in; answers, orders and news go out. Time,
 * chance and everything that lasts are passed in ({@link ControllerWorld}); {@link Controller.tick} is called four
 * times a second.
 */
import { describe, Fault } from "../../base/errors.ts";
import type { CkCommand, CkMessageOf } from "../../wire/ck/messages.ts";
import { type CkReason, success } from "../../wire/ck/names.ts";
import type { Authority } from "../access/issuing.ts";
import {
  type ComponentKind,
  componentName,
  type Registered,
  Repository,
} from "../access/repository.ts";
import type { ControllerStatus, Service } from "../model/status.ts";
import type { ControllerPolicy } from "../policy/network.ts";
import { Classes } from "../policy/terms.ts";
import { manualProblem } from "../routing/fits.ts";
import { nextHops } from "../routing/next-hop.ts";
import { Sessions } from "../sessions/sessions.ts";
import { nameOf } from "../topology/names.ts";
import { Topology } from "../topology/topology.ts";
import { Certificates } from "./certificates.ts";
import { Filling } from "./filling.ts";
import { checkKnown, isKnown } from "./known-terms.ts";
import { News } from "./news.ts";
import { NodeWords } from "./node-words.ts";
import { accountsOf, type CoreParts } from "./parts.ts";
import { refusal } from "./refusal.ts";
import { Relays } from "./relays.ts";
import { Reports } from "./reports.ts";
import { Routes } from "./routes.ts";
import { SessionDesk } from "./session-desk.ts";
import { statusOf } from "./status.ts";
import { type WithdrawalParts, withdrawKm } from "./withdrawal.ts";
import {
  type AccountRecord,
  type ControllerWorld,
  type HeardNode,
  nothingSaved,
  type Reply,
  type Saved,
} from "./world.ts";

export interface ControllerOptions {
  readonly policy: ControllerPolicy;
  readonly version: string;
  readonly world: ControllerWorld;
  /** Default: none; it issues no certificates then. */
  readonly authority?: Authority | undefined;
  /** Default: nothing. */
  readonly saved?: Saved;
  /** Default: `active`. */
  readonly role?: ControllerStatus["role"];
}

/** Accounts are saved so often; sessions are looked through so often, ms. */
const flushMs = 60_000;
const sessionsMs = 1_000;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #parts: CoreParts;
  readonly #started: number;
  readonly #routes: Routes;
  readonly #relays: Relays;
  /** Of components that are registered. */
  readonly certificates: Certificates;
  readonly repository: Repository;
  readonly #filling: Filling;
  readonly #desk: SessionDesk;
  readonly #reports: Reports;
  readonly nodes: NodeWords;
  readonly #withdrawal: WithdrawalParts;
  #role: ControllerStatus["role"];
  #flushedAt: number;
  #endedAt: number;

  constructor(options: ControllerOptions) {
    const { policy, world, saved = nothingSaved(), role = "active" } = options;
    const { sessions, sessionsOfApplication: ofApplication } = policy.rules;
    this.#options = options;
    this.#started = world.wall();
    this.#role = role;
    [this.#flushedAt, this.#endedAt] = [world.now(), world.now()];
    const news = new News(world);
    this.#parts = {
      policy,
      world,
      topology: new Topology(
        policy,
        this.#started,
        [...saved.service].map(([name, { service }]) => [name, service] as const),
      ),
      repository: new Repository(policy.access, policy.nodes, saved.access),
      classes: new Classes(policy.classes, policy.defaultClass),
      sessions: new Sessions({ sessions, ofApplication }, nameOf),
      accounts: accountsOf(policy, saved, world, news),
      news,
      isActive: () => this.#role === "active",
    };
    this.repository = this.#parts.repository;
    for (const { km, applications = [] } of policy.nodes) this.repository.served(km, applications);
    this.certificates = new Certificates({ ...this.#parts, authority: options.authority }, saved);
    this.#desk = new SessionDesk(this.#parts, saved.session);
    const manual = new Map([...saved.routes].map(([pair, { routes }]) => [pair, routes]));
    this.#routes = new Routes(this.#parts, manual);
    this.nodes = new NodeWords(this.#parts, this.#routes);
    this.#relays = new Relays(this.#parts, this.#routes);
    this.#filling = new Filling(this.#parts, this.#routes, this.#relays);
    this.#reports = new Reports(this.#parts, this.#routes, this.#desk);
    const [routes, desk, filling, reports] = [
      this.#routes,
      this.#desk,
      this.#filling,
      this.#reports,
    ];
    this.#withdrawal = { ...this.#parts, routes, desk, filling, reports };
  }

  get role(): ControllerStatus["role"] {
    return this.#role;
  }

  /** This controller leads from now on, or another one does. */
  setRole(role: ControllerStatus["role"]): void {
    if (role === this.#role) return;
    this.#role = role;
    const text = role === "active" ? "leads now" : "stands by";
    this.#parts.news.tell("leader", this.#options.policy.id, text);
  }

  /** A KM may connect, by its name in the certificate. @returns why not; undefined: it may */
  mayAttach(km: string): CkReason | undefined {
    return this.#parts.repository.mayAttach(km) ? undefined : "unauthorized";
  }

  /** A KM is connected; it sends its whole state next. */
  attached(km: string): void {
    const { topology, world } = this.#parts;
    const node = topology.nodeOf(km, world.wall());
    if (node === undefined) return;
    node.turn(true, world.wall());
    this.#routes.ends.forgot(km);
    this.certificates.forgot(km);
  }

  /** Its connection is over. @param why one sentence */
  detached(km: string, why: string): void {
    const { topology, world, news } = this.#parts;
    const node = topology.nodes.get(km);
    if (node === undefined || !node.attached) return;
    node.turn(false, world.wall());
    if (this.mayAttach(km) !== undefined) topology.withdrawn(km);
    news.tell("node", km, `not connected any more: ${why}`);
  }

  /**
   * A command of an attached KM.
   * @param reply once, now or later
   */
  command(km: string, message: CkCommand, reply: Reply): void {
    // A registration may be taken back while a connection lasts.
    if (this.mayAttach(km) !== undefined) return reply(refusal(message, "unauthorized"));
    if (message.type === "report") return this.#report(km, message, reply);
    if (this.#role === "standby") return reply(refusal(message, "busy", { standby: true }));
    switch (message.type) {
      case "nextHopRequest":
        return this.#nextHop(km, message, reply);
      case "relayNotification":
        return this.#notified(km, message, reply);
      case "sessionRequest":
        return this.#desk.requested(km, message, reply);
      default:
        return reply(refusal(message, "not_supported"));
    }
  }

  /** What a node controller tells on the manager's topics. */
  heardNode(node: HeardNode): void {
    this.nodes.heard(node);
  }

  /**
   * Puts a node or link, by its name (`topology/names.ts`), into or out of service.
   * @param by who wants it
   * @throws Fault `config.value` if there is none of that name
   */
  setService(component: string, service: Service, by: string): void {
    const { world, news, topology } = this.#parts;
    if (!topology.order(component, service)) {
      throw new Fault("config.value", "there is no node or link of this name", { source: by });
    }
    world.save("service", component, { service, by, at: world.wall() });
    news.tell("service", component, `${service.replaceAll("_", " ")}, by ${by}`);
    const link = topology.links.get(component);
    if (link !== undefined) this.#routes.serve(link, service);
    this.#routes.judge();
  }

  /**
   * Routes by hand (Y.3803 §8.2.5 a): the first that can be used is used, and nothing else.
   * @param routes KM IDs from end to end; undefined: they are computed again
   * @throws Fault `config.value` if one is no route of the pair
   */
  setRoutes(
    one: string,
    other: string,
    routes: readonly (readonly string[])[] | undefined,
    by: string,
  ): void {
    const { world, news } = this.#parts;
    const [a, b] = one < other ? [one, other] : [other, one];
    const turned = routes?.map((route) => (route[0] === a ? route : route.toReversed()));
    const wrong = manualProblem(a, b, turned ?? []);
    if (wrong !== undefined) throw new Fault("config.value", wrong, { source: by });
    const name = nameOf(a, b);
    this.#routes.checkManual(a, b, by, turned);
    world.save("routes", name, turned && { routes: turned, by, at: world.wall() });
    news.tell(
      "policy",
      name,
      turned ? `routes set by hand, by ${by}` : `routes computed, by ${by}`,
    );
    this.#routes.setManual(name, turned);
  }

  /**
   * So much is relayed for a pair as soon as that is possible.
   * @param bits at most 10¹⁰; 0: what was ordered and has not begun is taken back @throws Fault `config.value`
   */
  orderRelay(one: string, other: string, bits: number, by: string): void {
    const isGood = Number.isSafeInteger(bits) && bits >= 0 && bits <= 10_000_000_000;
    if (!isGood) throw new Fault("config.value", "0 to 10^10 bits can be ordered", { source: by });
    const plan = this.#routes.named(one, other, by);
    if (bits > 0) this.#filling.order(plan, bits);
    const back = bits > 0 ? 0 : this.#filling.takeBack(plan.name);
    const what = bits > 0 ? `${bits} bits ordered` : `${back} bits that were ordered taken back`;
    this.#parts.news.tell("policy", plan.name, `${what}, by ${by}`);
  }

  /**
   * A KM or an application may take part from now on.
   * @param of an application: its KM and class
   * @throws Fault `config.value` if a certificate of another would be taken for its own, or that KM or class is not known
   */
  register(
    kind: ComponentKind,
    id: string,
    by: string,
    of: { readonly km?: string; readonly class?: string } = {},
  ): void {
    this.certificates.checkHolder(kind, id);
    checkKnown(this.#parts, of, by);
    this.#access(kind, id, { state: "registered", by, ...of });
  }

  /** It may not any more: a KM is refused, an application's sessions end. @returns whether it was known */
  revoke(kind: ComponentKind, id: string, by: string): boolean {
    const wasKnown = isKnown(this.#parts, kind, id);
    this.#access(kind, id, { state: "revoked", by });
    if (kind === "application") this.#desk.revoked(id);
    else withdrawKm(this.#withdrawal, id);
    this.certificates.withdrawn(kind, id, by);
    return wasKnown;
  }

  #access(kind: ComponentKind, id: string, entry: Omit<Registered, "at">): void {
    const { world, repository, news } = this.#parts;
    const saved = { ...entry, at: world.wall() };
    repository.set(kind, id, saved);
    world.save("access", componentName(kind, id), saved);
    const text = entry.state === "registered" ? "registered" : "taken back";
    news.tell("policy", id, `${kind === "km" ? "key manager" : kind} ${text}, by ${entry.by}`);
  }

  /** Ends a session at both key managers. @returns false if there is none of this ID */
  endSession(id: string, by: string): boolean {
    return this.#desk.end(id, `by ${by}`);
  }

  /** Who used how much of late (IMDA RS QKDN §8.1.3), the oldest first: what is older the store has. */
  readonly accounts = (): readonly AccountRecord[] => this.#parts.accounts.records();

  /** Four times a second. */
  tick(): void {
    const { world, accounts } = this.#parts;
    const now = world.now();
    this.#routes.tick();
    if (this.#role === "standby") return;
    this.#filling.tick();
    if (now - this.#endedAt >= sessionsMs) {
      this.#endedAt = now;
      this.#desk.tick();
    }
    if (now - this.#flushedAt < flushMs) return;
    this.#flushedAt = now;
    accounts.flush(world.wall());
    this.#parts.topology.forgetNodes(world.now());
    this.certificates.tick();
  }

  /** What is not saved yet is, before the end. @param isAll all accounts in memory, for a store that has lost some */
  flush(isAll = false): void {
    this.#parts.accounts.flush(this.#parts.world.wall(), isAll);
  }

  status(): ControllerStatus {
    const { policy, version } = this.#options;
    return {
      controller: policy.id,
      version,
      started: new Date(this.#started).toISOString(),
      role: this.#role,
      mode: policy.mode,
      ...statusOf(this.#parts, this.#routes, (pair) => this.#filling.ordered(pair)),
      changes: this.#parts.news.kept,
      alarms: [],
    };
  }

  #report(km: string, message: CkMessageOf<"report">, reply: Reply): void {
    try {
      if (!this.#reports.heard(km, message)) return reply(refusal(message, "busy"));
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "ck.message") throw error;
      this.#parts.news.tell("node", km, `its report was not understood: ${describe(error)}`);
      return reply(refusal(message, "invalid_message"));
    }
    const isStandby = this.#role === "standby";
    const more = isStandby ? [{ standby: true }] : this.certificates.tell(km);
    const extension = more.length > 0 && { extension: more };
    reply({ type: "reportResponse", response: success, ...extension });
  }

  #nextHop(km: string, message: CkMessageOf<"nextHopRequest">, reply: Reply): void {
    const destination = this.#destination(km, message);
    if (destination.why !== undefined) return reply(refusal(message, destination.why));
    const source = message.sourceKma ?? km;
    const to = destination.km;
    const { planner } = this.#routes;
    // Who asks on the way finds a pair that its source has made one: it makes none of others.
    const known = planner.plans.get(nameOf(source, to));
    const plan = source === to || source !== km ? known : this.#routes.pair(source, to);
    if (plan !== undefined) plan.usedAt = this.#parts.world.now();
    const { graph } = planner.tables;
    const first = plan?.first?.route;
    const route = source === plan?.a ? first : first?.toReversed();
    const [me, end] = [graph.numberOf(km), graph.numberOf(to)];
    const numbers = route?.map((one) => graph.numberOf(one));
    const hops = me < 0 || end < 0 ? [] : nextHops(planner.tables, me, end, numbers);
    if (hops.length === 0) return reply(refusal(message, "no_route"));
    reply({
      type: "nextHopResponse",
      ...(message.sourceKma !== undefined && { sourceKma: message.sourceKma }),
      destinationKma: to,
      nextKmas: graph.names(hops),
    });
  }

  #notified(km: string, message: CkMessageOf<"relayNotification">, reply: Reply): void {
    const destination = this.#destination(km, message);
    if (destination.why !== undefined) return reply(refusal(message, destination.why));
    // Who asks for another is not its source.
    if (message.sourceKma !== undefined && message.sourceKma !== km) {
      return reply(refusal(message, "unauthorized"));
    }
    if (this.#routes.classOf(nameOf(km, destination.km)).isClosed) {
      return reply(refusal(message, "unauthorized"));
    }
    this.#relays.notified(km, message, destination.km, reply);
  }

  /** Where a relay is to end. Of both names the KM's counts; the application must be one that may be served. */
  #destination(
    me: string,
    {
      destinationKma,
      destinationApp,
    }: Pick<CkMessageOf<"nextHopRequest">, "destinationKma" | "destinationApp">,
  ):
    | { readonly why: CkReason; readonly km?: undefined }
    | { readonly km: string; readonly why?: undefined } {
    const { repository, topology } = this.#parts;
    const application =
      destinationApp === undefined ? undefined : repository.application(destinationApp);
    if (destinationApp !== undefined && application === undefined && destinationKma === undefined) {
      return { why: "unknown_application" };
    }
    const km = destinationKma ?? application?.km;
    if (km === undefined) return { why: "unknown_application" };
    if (!topology.nodes.has(km) || !topology.nodes.has(me)) return { why: "unknown_kma" };
    return km === me ? { why: "no_route" } : { km };
  }
}
