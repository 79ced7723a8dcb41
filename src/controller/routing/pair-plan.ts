/** The routes that a pair of key managers uses: which, with what share, since when, and what of it is being given up. */

/** What a pair may have. */
export interface PairTerms {
  readonly weight: number;
  /** bit/s */
  readonly guaranteed: number;
  readonly priority: number;
  /** bit/s at the most. */
  readonly most: number;
  /** Set by hand: nothing else is used while one of these can be. From `a` to `b`. */
  readonly manual?: readonly (readonly string[])[] | undefined;
  /** It may use this link; absent: those that are open to all. */
  readonly mayUse?: ((a: string, b: string) => boolean) | undefined;
}

/** A route in use. */
export interface PlannedRoute {
  /** KM IDs from `a` to `b`, both included. */
  readonly route: readonly string[];
  /** bit/s that it may carry. */
  rate: number;
  /** Relays on it that have no result yet. */
  underWay: number;
  /** Who is to have the next relay: the most. */
  credit: number;
}

/** A route that is not used any more, but of which relays have not ended. */
export interface DrainingRoute {
  readonly planned: PlannedRoute;
  /** Monotonic, ms: what was promised to it is free then. */
  readonly until: number;
}

export class PairPlan {
  readonly name: string;
  readonly a: string;
  readonly b: string;
  terms: PairTerms;
  routes: PlannedRoute[] = [];
  draining: DrainingRoute[] = [];
  /** Last change of its routes, monotonic; undefined: none yet. */
  changedAt: number | undefined;
  /** The same, ms since 1970 UTC. */
  since: number | undefined;
  /** When a route of it was asked for last, monotonic. */
  usedAt: number;
  /** bit/s that it would have by all routes there are; undefined: not known of the network of now. */
  optimum: number | undefined;
  relays = 0;
  failed = 0;
  /** Routes at which a relay failed, and until when they are not used, monotonic. */
  readonly #avoid = new Map<string, number>();

  constructor(name: string, a: string, b: string, terms: PairTerms, now: number) {
    this.name = name;
    this.a = a;
    this.b = b;
    this.terms = terms;
    this.usedAt = now;
  }

  /** bit/s of all its routes. */
  get share(): number {
    return this.routes.reduce((sum, { rate }) => sum + rate, 0);
  }

  /** The route with the largest share. */
  get first(): PlannedRoute | undefined {
    let best: PlannedRoute | undefined;
    for (const one of this.routes) if (best === undefined || one.rate > best.rate) best = one;
    return best;
  }

  avoid(route: readonly string[], until: number): void {
    this.#avoid.set(keyOf(route), until);
  }

  isAvoided(route: readonly string[], now: number): boolean {
    const until = this.#avoid.get(keyOf(route));
    if (until === undefined) return false;
    if (until > now) return true;
    this.#avoid.delete(keyOf(route));
    return false;
  }

  /** Routes by turns, each as often as its share says; those that failed of late only if there is no other. */
  choose(now: number): PlannedRoute | undefined {
    const good = this.routes.filter(({ route }) => !this.isAvoided(route, now));
    const among = good.length > 0 ? good : this.routes;
    const all = among.reduce((sum, { rate }) => sum + rate, 0);
    let best: PlannedRoute | undefined;
    for (const one of among) {
      one.credit += all > 0 ? one.rate / all : 1 / among.length;
      if (best === undefined || one.credit > best.credit) best = one;
    }
    if (best !== undefined) best.credit -= 1;
    return best;
  }

  /**
   * Takes other routes. Those that stay keep their relays; those that go are drained.
   * @param drainMs 0: what is under way there is lost with the route
   */
  change(
    routes: readonly { readonly route: readonly string[]; readonly rate: number }[],
    at: { readonly now: number; readonly wall: number; readonly drainMs: number },
  ): void {
    const before = new Map(this.routes.map((one) => [keyOf(one.route), one]));
    this.routes = routes.map(({ route, rate }) => {
      const known = before.get(keyOf(route));
      before.delete(keyOf(route));
      if (known === undefined) return { route, rate, underWay: 0, credit: 0 };
      known.rate = rate;
      return known;
    });
    if (at.drainMs > 0) {
      for (const planned of before.values()) {
        if (planned.underWay > 0) this.draining.push({ planned, until: at.now + at.drainMs });
      }
    }
    this.changedAt = at.now;
    this.since = at.wall;
  }

  /** What is drained, or was long enough, is free. */
  tick(now: number): void {
    if (this.draining.length === 0) return;
    this.draining = this.draining.filter(
      ({ planned, until }) => planned.underWay > 0 && until > now,
    );
  }

  /** It uses these routes and no others. */
  uses(routes: readonly (readonly string[])[]): boolean {
    if (routes.length !== this.routes.length) return false;
    const used = new Set(this.routes.map(({ route }) => keyOf(route)));
    return routes.every((route) => used.has(keyOf(route)));
  }
}

function keyOf(route: readonly string[]): string {
  return route.join("\n");
}
