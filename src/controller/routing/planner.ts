/**
 * Which routes pairs use, and when that changes. A link that fails changes its pairs' routes at once. All else waits:
 * a change that nothing forces has to be worth it (hysteresis), and to come long enough after the last one (hold-down).
 */
import type { Rules } from "../policy/network.ts";
import type { Share, ShareDemand } from "./demand.ts";
import { type Choice, type Draft, type Found, setRates } from "./draft.ts";
import { fewRoutes, type Numbers } from "./few.ts";
import { fittingWay, routeProblem } from "./fits.ts";
import type { Graph } from "./graph.ts";
import { PairPlan, type PairTerms, type PlannedRoute } from "./pair-plan.ts";
import { fairShares, isRough as isLarge, slice } from "./shares.ts";
import { shortestWithin } from "./shortest.ts";
import type { Work } from "./simplex.ts";
import { Tables } from "./tables.ts";
import { When } from "./when.ts";
import { isShorter, isWorth, poor, used } from "./worth.ts";

export type PlanRules = Pick<
  Rules,
  "holdDownMs" | "hysteresis" | "drainMs" | "routes" | "transit" | "avoidMs"
>;

/** What can be routed over now. */
export interface Wires {
  /** All links that carry relays; the same nodes in both. */
  readonly all: Graph;
  /** Those that any pair may use. */
  readonly open: Graph;
}

export interface RouteChange {
  readonly plan: PairPlan;
  readonly before: readonly (readonly string[])[];
  /** A route of it could not be used any more. */
  readonly isForced: boolean;
}

export class Planner {
  readonly plans = new Map<string, PairPlan>();
  readonly #rules: PlanRules;
  #wires: Wires;
  /** Computed when they are asked for. */
  #tables: Tables | undefined;
  /** Which links terms allow, by what they say of it. */
  readonly #may = new Map<PairTerms["mayUse"], (link: number) => boolean>();
  readonly #when = new When();
  /** The computation that is going on. */
  #planning: Generator<undefined, Found | undefined> | undefined;
  readonly #work: Work = { left: 0 };

  constructor(rules: PlanRules, wires: Wires) {
    this.#rules = rules;
    this.#wires = wires;
  }

  get tables(): Tables {
    this.#tables ??= new Tables(this.#wires.open);
    return this.#tables;
  }

  get graph(): Graph {
    return this.#wires.all;
  }

  /** A pair is to have routes from now on. @param at monotonic; ms since 1970 UTC */
  add(name: string, a: string, b: string, terms: PairTerms, now: number, wall: number): PairPlan {
    const plan = new PairPlan(name, a, b, terms, now);
    this.plans.set(name, plan);
    this.#forget();
    const routes = this.#fresh(plan);
    if (routes.length > 0) {
      plan.change(this.#rated(routes), { now, wall, drainMs: 0 });
      // The first routes are no change.
      plan.changedAt = undefined;
    }
    return plan;
  }

  remove(name: string): void {
    if (this.plans.delete(name)) this.#forget();
  }

  setTerms(plan: PairPlan, terms: PairTerms): void {
    plan.terms = terms;
    this.#forget();
  }

  /** Other links than before can be used. @returns what had to change */
  rewire(wires: Wires, now: number, wall: number): RouteChange[] {
    this.#rewired(wires);
    this.#forget();
    const changes: RouteChange[] = [];
    for (const plan of this.plans.values()) {
      const before = plan.routes.map(({ route }) => route);
      const left = plan.routes.filter(({ route }) => this.#canUse(plan, route));
      if (left.length === plan.routes.length && left.length > 0) continue;
      const routes = left.length > 0 ? left : this.#rated(this.#fresh(plan));
      if (before.length === 0 && routes.length === 0) continue;
      plan.change(routes, { now, wall, drainMs: 0 });
      changes.push({ plan, before, isForced: true });
    }
    return changes;
  }

  /** What links can give has changed a little; which links there are has not. */
  resize(wires: Wires): void {
    this.#rewired(wires);
  }

  /** Shares are to be computed anew: those of before say nothing any more. */
  #forget(): void {
    this.#when.forget();
    for (const plan of this.plans.values()) plan.optimum = undefined;
  }

  #rewired(wires: Wires): void {
    this.#wires = wires;
    this.#tables = undefined;
    this.#may.clear();
  }

  /**
   * Computes shares anew if that is due, one slice of it at each call: small networks need one, those of 100 nodes some
   * hundred. @returns routes that were changed for them
   */
  balance(now: number, wall: number): RouteChange[] {
    for (const plan of this.plans.values()) plan.tick(now);
    if (this.#planning === undefined) {
      const { capacity } = this.#wires.all;
      const isForced = this.#when.seeks(capacity, now, () => this.#wasHeld(now));
      if (!isForced && !this.#when.rates(capacity, now)) return [];
      const seeks = isForced || this.#isPoor();
      this.#when.begun(capacity, now, seeks);
      this.#planning = this.#plan(now, seeks);
    }
    this.#work.left = slice;
    const { done, value } = this.#planning.next();
    if (!done) return [];
    this.#planning = undefined;
    this.#when.ended(now);
    return value === undefined ? [] : this.#adopt(value, now, wall);
  }

  /**
   * The plans that are worth a change, if any are; what pairs have by their own routes is set on the way.
   * @param seeks else that is all
   */
  *#plan(now: number, seeks: boolean): Generator<undefined, Found | undefined> {
    const draft = this.#draft(now);
    const { plans, own, mayChange, weights } = draft;
    if (plans.length === 0) return undefined;
    const kept = yield* this.#shares(draft, own, { weights: this.#fairWeights(plans) ?? weights });
    setRates(draft, own, kept);
    if (!seeks || !mayChange.includes(true)) return undefined;
    const free = yield* this.#shares(draft, own, { isFree: mayChange });
    if (isLarge(draft.graph, plans.length)) {
      const few = free.map((share) => used(share, this.#rules.routes));
      return yield* this.#better(draft, { kept, free, few, optimum: undefined });
    }
    for (const [i, plan] of plans.entries()) plan.optimum = free[i]?.rate;
    // What its routes bring a pair is measured by what all routes would.
    const fair = yield* this.#shares(draft, own, { weights: free.map(({ rate }) => rate) });
    setRates(draft, own, fair);
    const few = yield* fewRoutes(draft.graph, free, this.#rules.routes, this.#work);
    return yield* this.#better(draft, { kept: fair, free, few, optimum: free });
  }

  #draft(now: number): Draft {
    const plans = [...this.plans.values()].filter((plan) => this.#isThere(plan));
    const graph = this.#wires.all;
    return {
      graph,
      plans,
      own: plans.map((plan) => this.#numbers(plan)),
      since: plans.map(({ changedAt }) => changedAt),
      mayChange: plans.map((plan) => !this.#isHeld(plan, now) && plan.terms.manual === undefined),
      weights: plans.map(({ terms }) => terms.weight),
      demands: plans.map((plan) => {
        const [from, to] = [graph.numberOf(plan.a), graph.numberOf(plan.b)];
        const { terms } = plan;
        const shortest = this.#shortest(plan, from, to);
        return { from, to, ...terms, mayUse: this.#mayUse(terms), shortest };
      }),
    };
  }

  /** What pairs had by all routes when that was computed last, if the network has not changed since. */
  #fairWeights(plans: readonly PairPlan[]): readonly number[] | undefined {
    if (plans.some(({ optimum }) => optimum === undefined)) return undefined;
    return plans.map(({ optimum = 0 }) => optimum);
  }

  /**
   * Routes that are worth a change: those that were found for all, or else those of the pairs that gain by them alone.
   * What counts is what pairs would have by them, and not what was hoped for.
   */
  *#better(
    draft: Draft,
    { kept, free, few, optimum }: Choice,
  ): Generator<undefined, Found | undefined> {
    const { own, mayChange, weights } = draft;
    const least = 1 + this.#rules.hysteresis;
    const gains = kept.map(({ rate }, i) => (free[i]?.rate ?? 0) > rate * least);
    const wanted = mayChange.some((may, i) => {
      return may && (gains[i] || isShorter(free[i] as Share, kept[i] as Share));
    });
    if (!wanted) return undefined;
    const measure = {
      // What is computed less finely has to differ by more.
      hysteresis: this.#rules.hysteresis * (optimum === undefined ? 2 : 1),
      optimum,
      weights,
    };
    for (const chosen of [() => true, (i: number) => gains[i] === true]) {
      const routes = own.map((one, i) => {
        const other = few[i] ?? [];
        return mayChange[i] && other.length > 0 && chosen(i) ? other : one;
      });
      const by = optimum?.map(({ rate }) => rate) ?? weights;
      const shares = yield* this.#shares(draft, routes, { weights: by });
      if (isWorth(kept, shares, measure)) return { draft, routes, shares };
    }
    return undefined;
  }

  /** Links may have failed, and pairs have got other routes, since the plan was begun: there it is left. */
  #adopt({ draft, routes, shares }: Found, now: number, wall: number): RouteChange[] {
    const changes: RouteChange[] = [];
    for (const [i, plan] of draft.plans.entries()) {
      const named = (routes[i] ?? []).map((route) => draft.graph.names(route));
      const isSame = plan.changedAt === draft.since[i] && this.plans.get(plan.name) === plan;
      if (!isSame || plan.uses(named) || plan.terms.manual !== undefined) continue;
      if (!named.every((route) => this.#canUse(plan, route))) continue;
      const before = plan.routes.map(({ route }) => route);
      const rated = named.map((route, j) => ({ route, rate: shares[i]?.routes[j]?.rate ?? 0 }));
      plan.change(rated, { now, wall, drainMs: this.#rules.drainMs });
      changes.push({ plan, before, isForced: false });
    }
    if (changes.length > 0) setRates(draft, routes, shares);
    return changes;
  }

  /**
   * A route for one relay; undefined: there is none.
   * @param but routes that were tried already
   */
  choose(plan: PairPlan, now: number, but: readonly PlannedRoute[] = []): PlannedRoute | undefined {
    plan.usedAt = now;
    const tried = new Set(but.map(({ route }) => route.join("\n")));
    const isTried = (route: readonly string[]) => tried.has(route.join("\n"));
    const first = plan.choose(now);
    const isGood = first !== undefined && !isTried(first.route);
    if (isGood && !plan.isAvoided(first.route, now)) return first;
    // All that are planned failed of late: another one may do.
    const spare = this.others(plan).find((one) => !isTried(one) && !plan.isAvoided(one, now));
    if (spare !== undefined) return { route: spare, rate: 0, underWay: 0, credit: 0 };
    return isGood ? first : plan.routes.find(({ route }) => !isTried(route));
  }

  /** Routes beside those in use, the best first. */
  others(plan: PairPlan): string[][] {
    const { open } = this.#wires;
    const [from, to] = [open.numberOf(plan.a), open.numberOf(plan.b)];
    if (from < 0 || to < 0 || plan.terms.manual !== undefined) return [];
    return this.tables
      .alternatives(from, to, this.#rules.routes)
      .filter(({ length }) => length - 2 <= this.#rules.transit)
      .map((route) => open.names(route))
      .filter((route) => routeProblem(route) === undefined)
      .filter((route) => !plan.routes.some((one) => one.route.join("\n") === route.join("\n")));
  }

  /** bit/s that are promised on each link, by its number; also what is drained. */
  reserved(): Float64Array {
    const graph = this.#wires.all;
    const sum = new Float64Array(graph.links.length);
    const put = ({ route, rate }: PlannedRoute) => {
      for (let i = 1; i < route.length; i++) {
        const [a, b] = [graph.numberOf(route[i - 1] ?? ""), graph.numberOf(route[i] ?? "")];
        const link = a < 0 || b < 0 ? -1 : graph.linkBetween(a, b);
        if (link >= 0) sum[link] = (sum[link] ?? 0) + rate;
      }
    };
    for (const plan of this.plans.values()) {
      for (const one of plan.routes) put(one);
      for (const { planned } of plan.draining) put(planned);
    }
    return sum;
  }

  /** @param isFree pairs for which other routes are sought; default: none @param weights default: by their class */
  #shares(
    { graph, demands }: Draft,
    routes: readonly Numbers[],
    { isFree = [], weights }: { isFree?: readonly boolean[]; weights?: readonly number[] },
  ): Generator<undefined, Share[]> {
    const wanted = demands.map(({ shortest, ...demand }, i): ShareDemand => {
      const own = routes[i] ?? [];
      const isKnown = shortest === undefined || own.some((route) => isAlike(route, shortest));
      return {
        ...demand,
        weight: weights?.[i] ?? demand.weight,
        isFree: isFree[i] === true,
        routes: isFree[i] !== true || isKnown ? own : [...own, shortest],
      };
    });
    return fairShares(graph, this.#rules.transit + 1, wanted, this.#work);
  }

  #numbers({ routes }: PairPlan): Numbers {
    return routes.map(({ route }) => route.map((km) => this.#wires.all.numberOf(km)));
  }

  #mayUse({ mayUse }: PairTerms): (link: number) => boolean {
    const known = this.#may.get(mayUse);
    if (known !== undefined) return known;
    const { all, open } = this.#wires;
    const may = all.links.map(({ a, b }) => {
      if (mayUse !== undefined) return mayUse(a, b);
      return open === all || open.linkBetween(open.numberOf(a), open.numberOf(b)) >= 0;
    });
    const found = (link: number) => may[link] === true;
    this.#may.set(mayUse, found);
    return found;
  }

  /** Routes for a pair that has none. */
  #fresh(plan: PairPlan): string[][] {
    const { manual } = plan.terms;
    if (manual !== undefined) {
      return manual
        .filter((route) => this.#canUse(plan, route))
        .slice(0, 1)
        .map((route) => [...route]);
    }
    const { all } = this.#wires;
    const [from, to] = [all.numberOf(plan.a), all.numberOf(plan.b)];
    if (from < 0 || to < 0) return [];
    const route = this.#shortest(plan, from, to);
    return route === undefined ? [] : [all.names(route)];
  }

  #shortest({ terms }: PairPlan, from: number, to: number): number[] | undefined {
    const { all } = this.#wires;
    const tables = terms.mayUse === undefined ? this.tables : undefined;
    const route = tables?.route(from, to) ?? shortestWithin(all, from, to, this.#mayUse(terms));
    if (route === undefined) return undefined;
    return fittingWay(
      all,
      route,
      { from, to, mayUse: this.#mayUse(terms) },
      this.#rules.transit + 1,
    );
  }

  #rated(routes: readonly (readonly string[])[]): { route: readonly string[]; rate: number }[] {
    return routes.map((route) => ({ route, rate: 0 }));
  }

  #canUse({ terms }: PairPlan, route: readonly string[]): boolean {
    const graph = this.#wires.all;
    const may = this.#mayUse(terms);
    if (routeProblem(route) !== undefined) return false;
    return route.every((km, i) => {
      if (i === 0) return true;
      const [a, b] = [graph.numberOf(route[i - 1] ?? ""), graph.numberOf(km)];
      const link = a < 0 || b < 0 ? -1 : graph.linkBetween(a, b);
      return link >= 0 && may(link);
    });
  }

  #isThere({ a, b }: PairPlan): boolean {
    const { all } = this.#wires;
    return all.numberOf(a) >= 0 && all.numberOf(b) >= 0;
  }

  #isHeld({ changedAt }: PairPlan, now: number): boolean {
    return changedAt !== undefined && now - changedAt < this.#rules.holdDownMs;
  }

  /** A pair has little of what it had by all routes when these were sought. */
  #isPoor(): boolean {
    return [...this.plans.values()].some(({ routes, optimum = 0 }) => {
      return routes.reduce((sum, { rate }) => sum + rate, 0) < optimum * poor;
    });
  }

  /** A pair that could not change at the last computation could now. */
  #wasHeld(now: number): boolean {
    return [...this.plans.values()].some((plan) => {
      return this.#isHeld(plan, this.#when.soughtAt) && !this.#isHeld(plan, now);
    });
  }
}

function isAlike(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((node, i) => node === other[i]);
}
