/** What the controller is seen as, from its parts. */
import { counted } from "../../base/words.ts";
import { isMeantToServe, isMissed } from "../model/missed.ts";
import type {
  ControllerStatus,
  LinkStatus,
  PairStatus,
  VerdictStatus,
  verdictCodes,
} from "../model/status.ts";
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
  const wall = world.wall();
  const promised = new Map<string, number>();
  const rates = planner.reserved();
  for (const [i, { a, b }] of planner.graph.links.entries())
    promised.set(nameOf(a, b), rates[i] ?? 0);
  const links = [...topology.links.values()].map((link) =>
    link.status(world.now(), promised.get(link.name) ?? 0),
  );
  const pairs = pairsOf(parts, routes, ordered);
  return {
    nodes: [...topology.nodes.values()].map((node) => node.status(wall)),
    links,
    pairs,
    sessions: sessions.status(mostSessions),
    open_sessions: sessions.open,
    counted_sessions: sessions.counted,
    verdict: verdictOf(parts, links, pairs),
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

function verdictOf(
  { isActive, topology }: CoreParts,
  links: readonly LinkStatus[],
  pairs: readonly PairStatus[],
): VerdictStatus & { readonly code: (typeof verdictCodes)[number] } {
  if (!isActive()) {
    return { level: "waiting", code: "standby", text: "another controller leads", action: "" };
  }
  const without = pairs.filter(({ route }) => route.length === 0);
  if (without.length > 0) {
    return {
      level: "bad",
      code: "no_route",
      text: `${counted(without.length, "pair")} without a route`,
      action: "look at the links that are bad or not known",
    };
  }
  const wanted = links.filter(isMeantToServe);
  const bad = wanted.filter(isMissed);
  if (bad.length > 0) {
    return {
      level: "attention",
      code: "links_bad",
      text: `${counted(bad.length, "link")} cannot be used; routes go around`,
      action: "look at their alarms and at the reasons beside them",
    };
  }
  const unknown = wanted.filter(({ state }) => state === "unknown");
  const away = [...topology.nodes.values()].filter(({ attached, policy }) => policy && !attached);
  if (unknown.length > 0 || away.length > 0) {
    const parts = [
      ...(away.length > 0 ? [`${counted(away.length, "key manager")} not connected`] : []),
      ...(unknown.length > 0 ? [`${counted(unknown.length, "link")} not reported`] : []),
    ];
    return {
      level: "waiting",
      code: "not_all_reported",
      text: parts.join(", "),
      action: "look at the key managers and at the network between them and here",
    };
  }
  return {
    level: "good",
    code: "ready",
    text: "all links are known, all pairs have routes",
    action: "",
  };
}
