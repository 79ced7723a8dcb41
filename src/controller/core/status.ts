/** What the controller is seen as, from its parts. */
import { lookOf } from "../model/look.ts";
import type { ControllerStatus, PairStatus } from "../model/status.ts";
import { verdictOf } from "../model/verdict.ts";
import { nameOf } from "../topology/names.ts";
import type { CoreParts } from "./parts.ts";
import type { Routes } from "./routes.ts";

/** Sessions that are listed. */
const mostSessions = 200;

export type Shown = Pick<
  ControllerStatus,
  "nodes" | "links" | "pairs" | "sessions" | "open_sessions" | "counted_sessions" | "verdict"
>;

/** @param ordered bits that were ordered for a pair and have not begun */
export function statusOf(
  parts: CoreParts,
  routes: Routes,
  ordered: (pair: string) => number,
): Shown {
  const { topology, world, sessions } = parts;
  const { planner } = routes;
  const now = world.now();
  const promised = new Map<string, number>();
  const rates = planner.reserved();
  for (const [i, { a, b }] of planner.graph.links.entries())
    promised.set(nameOf(a, b), rates[i] ?? 0);
  const links = [...topology.links.values()].map((link) => {
    const own = link.status(now, promised.get(link.name) ?? 0);
    return { ...own, ...lookOf(own) };
  });
  const nodes = [...topology.nodes.values()].map((node) => node.status(now));
  const pairs = pairsOf(parts, routes, ordered);
  return {
    nodes,
    links,
    pairs,
    sessions: sessions.status(mostSessions),
    open_sessions: sessions.open,
    counted_sessions: sessions.counted,
    verdict: verdictOf(parts.isActive(), { nodes, links, pairs }),
  };
}

function pairsOf(
  { sessions }: CoreParts,
  routes: Routes,
  ordered: (pair: string) => number,
): PairStatus[] {
  return [...routes.planner.plans.values()].map((plan) => {
    const reports = routes.ends.reports(plan.name);
    const told = routes.ends.counted(plan.name);
    const used = reports.reduce((sum, { consumption }) => sum + consumption, 0);
    const { most } = plan.terms;
    const first = plan.first;
    return {
      pair: plan.name,
      a: plan.a,
      b: plan.b,
      route: first?.route ?? [],
      others: [
        ...plan.routes.filter((one) => one !== first).map(({ route }) => route),
        ...routes.planner.others(plan),
      ],
      share: Math.round(plan.share),
      demand: Math.round(routes.configured(plan.name)?.demand ?? Math.min(used, most)),
      ...(reports.length > 0 && { stock_bits: reports.reduce((sum, { stock }) => sum + stock, 0) }),
      // Key managers that are not ours tell nothing of relays.
      relays: Math.max(plan.relays, told.relays),
      failed: Math.max(plan.failed, told.failed),
      ordered: plan.relays,
      ordered_bits: ordered(plan.name),
      class: routes.classOf(plan.name).name,
      ...(plan.since !== undefined && { since: new Date(plan.since).toISOString() }),
      sessions: sessions.ofPair(plan.name).size,
    };
  });
}
