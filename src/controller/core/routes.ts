/**
 * From the links as they are to the routes of pairs: links are judged, links that stand by take the place of others,
 * routes follow, and key managers that were given a route are told of another.
 */
import { Fault } from "../../base/errors.ts";
import { markExtensions } from "../../wire/ck/marks.ts";
import type { CkMessageOf } from "../../wire/ck/messages.ts";
import type { Service } from "../model/status.ts";
import type { PairPolicy } from "../policy/network.ts";
import type { ClassTerms } from "../policy/terms.ts";
import type { PairPlan, PairTerms } from "../routing/pair-plan.ts";
import { Planner, type RouteChange } from "../routing/planner.ts";
import type { Link } from "../topology/link.ts";
import { nameOf } from "../topology/names.ts";
import { PairEnds } from "./pair-ends.ts";
import { type CoreParts, newId } from "./parts.ts";
import { UsableLinks } from "./usable-links.ts";

/** A pair that is not configured, and that was not asked for so long, is forgotten; so is what a KM that left told of one, ms. */
const idleMs = 900_000;
/** Averages and hours are looked at so often; key managers are given another of several routes so often, ms. */
const lookMs = 5_000;
const turnMs = 10_000;
/** Nodes of a network in which each link that comes is looked at on its own. */
const mostAtOnce = 128;
/** A KM that says of a link's service another thing than was ordered is told again after this, ms. */
const serveAgainMs = 10_000;
/** An order without a relay is answered within this, ms. */
const orderMs = 10_000;

export class Routes {
  readonly #planner: Planner;
  readonly #parts: CoreParts;
  readonly #configured = new Map<string, PairPolicy>();
  readonly #manual: Map<string, readonly (readonly string[])[]>;
  /** What key managers told of pairs. */
  readonly ends: PairEnds;
  readonly #usable: UsableLinks;
  /** When an end was told of late whether its link is in service: by its KM and the link, monotonic, ms. */
  readonly #servedAt = new Map<string, number>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #turnedAt = 0;
  /** More can be used than routes know of. */
  #isBetter = false;

  /** @param manual routes that operators set, by pair */
  constructor(parts: CoreParts, manual: ReadonlyMap<string, readonly (readonly string[])[]>) {
    this.#parts = parts;
    this.ends = new PairEnds(() => parts.world.now());
    this.#manual = new Map(manual);
    this.#usable = new UsableLinks(parts);
    this.#planner = new Planner(parts.policy.rules, this.#usable.wires());
    for (const one of parts.policy.pairs) {
      const [a, b] = one.a < one.b ? [one.a, one.b] : [one.b, one.a];
      const name = nameOf(a, b);
      const turned = one.routes?.map((route) => (route[0] === a ? route : route.toReversed()));
      this.#configured.set(name, { ...one, a, b, ...(turned && { routes: turned }) });
      this.pair(a, b);
    }
  }

  /** Routes by the links as they are. */
  get planner(): Planner {
    const { topology } = this.#parts;
    // In a large network many links come at once, and a look at all of them is dear.
    if (this.#isBetter && topology.nodes.size <= mostAtOnce) this.#rewire();
    return this.#planner;
  }

  configured(name: string): PairPolicy | undefined {
    return this.#configured.get(name);
  }

  /** The pair of two KMs, which has routes from now on. @returns undefined if there are too many */
  pair(one: string, other: string): PairPlan | undefined {
    const { world, policy } = this.#parts;
    const name = nameOf(one, other);
    const known = this.planner.plans.get(name);
    if (known !== undefined) return known;
    if (this.planner.plans.size >= policy.rules.pairs) return undefined;
    const [a, b] = one < other ? [one, other] : [other, one];
    return this.planner.add(name, a, b, this.terms(name), world.now(), world.wall());
  }

  /**
   * The pair of two KMs as a person names it.
   * @param route of the pair, the two among it
   * @throws Fault `config.value` if there is no such KM, or there are too many pairs
   */
  named(one: string, other: string, by: string, route: readonly string[] = []): PairPlan {
    const { nodes } = this.#parts.topology;
    const refused = (what: string, km?: string) =>
      new Fault("config.value", what, { ...(km !== undefined && { km }), source: by });
    const stranger = [one, other, ...route].find((km) => !nodes.has(km));
    if (stranger !== undefined) throw refused("there is no such key manager", stranger);
    if (one === other) throw refused("a pair is of two key managers", one);
    const plan = this.pair(one, other);
    if (plan === undefined) throw refused("there are too many pairs");
    return plan;
  }

  /** Whether routes of a pair may be set by hand; taken back, those of a KM that is gone may be, too. @throws as {@link named} */
  checkManual(
    one: string,
    other: string,
    by: string,
    routes?: readonly (readonly string[])[],
  ): void {
    const isBack = routes === undefined && this.#manual.has(nameOf(one, other));
    if (!isBack) this.named(one, other, by, routes?.flat());
  }

  /** The class that counts for a pair now. */
  classOf(name: string): ClassTerms {
    const { classes, sessions, world } = this.#parts;
    const names = new Set<string | undefined>([this.#configured.get(name)?.class]);
    for (const session of sessions.ofPair(name)) for (const one of session.classes) names.add(one);
    return classes.terms(names, world.wall());
  }

  terms(name: string): PairTerms {
    const { weight, guaranteed, priority, most, ...rest } = this.classOf(name);
    const configured = this.#configured.get(name);
    const manual = this.#manual.get(name) ?? configured?.routes;
    const mayUse = this.#usable.mayUse(rest.name, rest.reserved);
    return {
      weight: rest.isClosed ? 0 : weight,
      guaranteed,
      priority,
      most: Math.min(most, configured?.demand ?? Number.POSITIVE_INFINITY),
      ...(manual !== undefined && { manual }),
      ...(mayUse !== undefined && { mayUse }),
    };
  }

  /** @param routes from its smaller end; undefined: they are computed again */
  setManual(name: string, routes: readonly (readonly string[])[] | undefined): void {
    if (routes === undefined) this.#manual.delete(name);
    else this.#manual.set(name, routes);
    const plan = this.planner.plans.get(name);
    if (plan === undefined) return;
    this.planner.setTerms(plan, this.terms(name));
    plan.routes = [];
    this.#rewire();
  }

  /** Names of the pairs of a KM. */
  pairsOf(km: string): string[] {
    return [...this.#planner.plans.values()].flatMap(({ name, a, b }) =>
      a === km || b === km ? [name] : [],
    );
  }

  /**
   * Judges links anew and does what follows.
   * @param links default: all
   */
  judge(links?: Iterable<Link>): void {
    const { topology, world, news } = this.#parts;
    const begun = world.now();
    const changes = topology.judge(begun, links);
    if (changes.length === 0 && links !== undefined) return;
    const stands = topology.standIns();
    for (const link of stands) {
      const text = link.standsIn
        ? "put into service: a link that it stands by for failed"
        : "stands by again";
      news.tell("service", link.name, text, world.now() - begun);
      this.serve(link, link.effectiveService);
    }
    if (stands.length > 0) changes.push(...topology.judge(begun, stands));
    for (const { link } of changes) {
      const { state, reason } = link.judgement;
      news.tell("link", link.name, reason === "" ? state : `${state}: ${reason}`);
    }
    // A part of the links alone cannot tell.
    const isReserved = links === undefined && this.#usable.isOtherwiseReserved();
    if (isReserved) return this.#rewire(begun);
    const isOther = changes.some(({ link, wasUsable, before }) => {
      return (
        wasUsable !== link.judgement.usable ||
        (before === "scarce") !== (link.judgement.state === "scarce")
      );
    });
    if (!isOther) return;
    // What fails changes routes now; what is better, when a route is asked for or in the next turn.
    const isWorse = changes.some(({ link, wasUsable }) => wasUsable && !link.judgement.usable);
    if (isWorse) this.#rewire(begun);
    else this.#isBetter = true;
  }

  /** Both ends are told whether their link is in service. */
  serve(link: Link, service: Service): void {
    for (const [from, to] of endsOf(link)) this.#serve(link, from, to, service);
  }

  #serve(link: Link, from: string, to: string, service: Service): void {
    if (!this.#order(from, to, [], { service })) return;
    this.#servedAt.set(`${from} ${link.name}`, this.#parts.world.now());
  }

  /** An end that was away when it was told, or that lost it, says something else. */
  #serveAgain(link: Link): void {
    const wanted = link.effectiveService;
    for (const [from, to] of endsOf(link)) {
      const end = link.end(from);
      const isOther = end !== undefined && (end.report.service ?? "in_service") !== wanted;
      const isTold = this.#servedAt.has(`${from} ${link.name}`);
      if (isOther && !isTold) this.#serve(link, from, to, wanted);
    }
  }

  /** What is due: averages, hours, shares, and routes by turns. */
  tick(): void {
    const { world } = this.#parts;
    const now = world.now();
    this.judge();
    if (this.#isBetter) this.#rewire();
    if (now - this.#lookedAt >= lookMs) {
      this.#lookedAt = now;
      this.#look(now);
    }
    const changes = this.planner.balance(now, world.wall());
    for (const change of changes) this.#changed(change, "its share grows, or its way is shorter");
    if (now - this.#turnedAt < turnMs) return;
    this.#turnedAt = now;
    for (const plan of this.planner.plans.values()) {
      if (plan.routes.length > 1) this.#give(plan, plan.choose(now)?.route);
    }
  }

  #look(now: number): void {
    const { topology } = this.#parts;
    this.planner.resize(this.#usable.wires());
    for (const [name, at] of this.#servedAt) {
      if (now - at >= serveAgainMs) this.#servedAt.delete(name);
    }
    for (const link of topology.links.values()) {
      if (link.isOrdered) this.#serveAgain(link);
    }
    this.ends.forgetGone(
      idleMs,
      (km) => topology.nodes.get(km)?.attached === true,
      (name) => this.#planner.plans.has(name),
    );
    for (const plan of [...this.planner.plans.values()]) {
      const isIdle = now - plan.usedAt > idleMs && !this.#configured.has(plan.name);
      if (isIdle && !this.ends.isReported(plan.name)) {
        this.planner.remove(plan.name);
        this.ends.remove(plan.name);
        continue;
      }
      const terms = this.terms(plan.name);
      if (!alike(terms, plan.terms)) this.planner.setTerms(plan, terms);
    }
  }

  #rewire(begun?: number): void {
    const { world } = this.#parts;
    this.#isBetter = false;
    const changes = this.#planner.rewire(this.#usable.wires(), world.now(), world.wall());
    for (const change of changes) this.#changed(change, "a link of its way cannot be used", begun);
  }

  #changed({ plan, before }: RouteChange, why: string, begun?: number): void {
    const { news, world } = this.#parts;
    const now = plan.routes.map(({ route }) => route.join(" ")).join(" and ") || "no route";
    const was = before.map((route) => route.join(" ")).join(" and ") || "no route";
    const after = begun === undefined ? undefined : world.now() - begun;
    news.tell("reroute", plan.name, `${now}, before ${was}: ${why}`, after);
    if (plan.first === undefined) this.ends.lost(plan.name);
    this.#give(plan, plan.first?.route);
  }

  /** Key managers that ask for routes of a pair go by this one from now on. */
  #give(plan: PairPlan, route: readonly string[] | undefined): void {
    if (route === undefined || this.#parts.policy.mode !== "centralized") return;
    for (const [km, end] of this.ends.of(plan.name)) {
      if (!end.asks || end.given?.join() === route.join()) continue;
      const between = route.slice(1, -1);
      const [other, transit] = km === plan.a ? [plan.b, between] : [plan.a, between.toReversed()];
      // Between neighbours there is nothing to be relayed.
      if (transit.length === 0) continue;
      if (this.#order(km, other, transit, { bits: 0 })) end.given = route;
    }
  }

  /** @returns whether it could be sent */
  #order(
    km: string,
    destinationKma: string,
    transitKmas: readonly string[],
    marks: { readonly bits?: number; readonly service?: Service },
  ): boolean {
    const { topology, world, isActive } = this.#parts;
    const node = topology.nodes.get(km);
    // What is ours is for who has shown that it knows it.
    if (!isActive() || node?.attached !== true || !node.hasReported) return false;
    const command: CkMessageOf<"relayRequest"> = {
      type: "relayRequest",
      sourceKma: km,
      destinationKma,
      transitKmas,
      requestId: newId(world),
      extension: markExtensions(marks),
    };
    // It goes by the old way until it has heard of the new one.
    world.ask(km, command, orderMs, () => {});
    return true;
  }
}

function alike(one: PairTerms, other: PairTerms): boolean {
  return (
    one.weight === other.weight &&
    one.guaranteed === other.guaranteed &&
    one.priority === other.priority &&
    one.most === other.most &&
    one.mayUse === other.mayUse
  );
}

function endsOf({ a, b }: Link): readonly (readonly [from: string, to: string])[] {
  return [
    [a, b],
    [b, a],
  ];
}
