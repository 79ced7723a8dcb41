/** What the page shows of a node, and `/metrics` and the checks of health beside it. */
import type { Clock } from "../../base/clock.ts";
import { sendMetrics } from "../../ops/page/metrics.ts";
import { eventsAfter } from "../../ops/page/past.ts";
import { pastRoutes } from "../../ops/page/past-routes.ts";
import type { PageContent } from "../../ops/page/server.ts";
import { families } from "./families.ts";
import { alive, readiness } from "./health.ts";
import { nodePage } from "./program.ts";
import { snapshot } from "./snapshot.ts";
import type { NodeView } from "./view.ts";

/** Events that a new browser is sent. */
const firstEvents = 100;

/** For one server: what browsers were told is counted here. */
export function pageContent(node: NodeView, clock: Clock): PageContent {
  let told = 0;
  return {
    program: nodePage,
    message(whole) {
      const events = eventsAfter(node.history, whole ? 0 : told, firstEvents);
      if (!whole) told = node.history.sequence;
      return { ...snapshot(node, clock.wall()), events };
    },
    routes: pastRoutes(
      {
        id: node.id,
        subject: "module",
        figures: (name) => node.recorder.history(name),
        plotted: ["qber", "secret_key_rate", "confirmed_rate"],
        events: node.history,
        logs: node.logs,
      },
      clock,
    ),
    metrics: (exchange, viewers) =>
      sendMetrics(exchange, viewers, (facts) => families(node, facts)),
    alive: (response) => alive(response, node),
    readiness: () => readiness(node),
  };
}
