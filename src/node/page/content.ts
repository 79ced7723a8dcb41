/** What the page shows of a node, and `/metrics` and the checks of health beside it. */
import type { Clock } from "../../base/clock.ts";
import { contentTypes, exposition, formatFor } from "../../ops/metrics/exposition.ts";
import { sendJson, sendLongJson, sendText } from "../../ops/page/reply.ts";
import type { Exchange, PageContent } from "../../ops/page/server.ts";
import { families } from "./families.ts";
import { alive, readiness } from "./health.ts";
import { pastRoutes } from "./past-routes.ts";
import { plotData } from "./plots.ts";
import { nodePage } from "./program.ts";
import { eventsAfter, snapshot } from "./snapshot.ts";
import type { NodeView } from "./view.ts";

/** Events that a new browser is sent. */
const firstEvents = 100;

/** For one server: what browsers were told is counted here. */
export function pageContent(node: NodeView, clock: Clock): PageContent {
  let told = 0;
  return {
    program: nodePage,
    message(whole) {
      const events = eventsAfter(node, whole ? 0 : told, firstEvents);
      if (!whole) told = node.history.sequence;
      return { ...snapshot(node, clock.wall()), events };
    },
    routes: [
      ["/api/history", (exchange) => history(exchange, node, clock)],
      ...pastRoutes(node, clock),
    ],
    metrics({ request, response }, viewers) {
      const { user, system } = process.cpuUsage();
      const { rss, heapUsed } = process.memoryUsage();
      const cpuSeconds = (user + system) / 1e6;
      const facts = { cpuSeconds, residentBytes: rss, heapBytes: heapUsed, viewers };
      const format = formatFor(request.headers.accept);
      const text = exposition(families(node, facts, clock.wall()), format);
      sendText(response, 200, contentTypes[format], text, { vary: "accept" });
    },
    alive: (response) => alive(response, node),
    readiness: () => readiness(node),
  };
}

function history({ request, response, url }: Exchange, node: NodeView, clock: Clock): void {
  const asked = ["module", "window"].map((name) => url.searchParams.get(name) ?? "");
  const [module, window] = asked as [string, string];
  const data = plotData(node, module, window, { now: clock.now(), wall: clock.wall() });
  if (data === undefined) sendJson(response, 404, { error: "no such module or window" });
  else sendLongJson(request, response, data);
}
