/** What a plan is computed from, and what comes of it (`planner.ts`): a while may pass between the two. */
import type { Share, ShareDemand } from "./demand.ts";
import type { Numbers } from "./few.ts";
import type { Graph } from "./graph.ts";
import type { PairPlan } from "./pair-plan.ts";

/** The network as it was when a computation began. */
export interface Draft {
  readonly graph: Graph;
  readonly plans: readonly PairPlan[];
  /** Of each plan: its routes, and when they changed last. */
  readonly own: readonly Numbers[];
  readonly since: readonly (number | undefined)[];
  readonly mayChange: readonly boolean[];
  readonly weights: readonly number[];
  readonly demands: readonly (Omit<ShareDemand, "routes" | "isFree"> & {
    readonly shortest: readonly number[] | undefined;
  })[];
}

/** Shares by the routes of now, by all routes, and the routes that may be taken. */
export interface Choice {
  readonly kept: readonly Share[];
  readonly free: readonly Share[];
  readonly few: readonly Numbers[];
  /** Absent: it is not known that well. */
  readonly optimum: readonly Share[] | undefined;
}

/** Routes that are better, and what pairs have by them. */
export interface Found {
  readonly draft: Draft;
  readonly routes: readonly Numbers[];
  readonly shares: readonly Share[];
}

/** Of pairs that use these routes. */
export function setRates(
  { plans, graph }: Draft,
  routes: readonly Numbers[],
  shares: readonly Share[],
): void {
  for (const [i, plan] of plans.entries()) {
    const rates = new Map(
      routes[i]?.map((route, j) => {
        return [graph.names(route).join("\n"), shares[i]?.routes[j]?.rate ?? 0];
      }),
    );
    for (const one of plan.routes) one.rate = rates.get(one.route.join("\n")) ?? one.rate;
  }
}
