/** What the page shows of a key manager, and `/metrics` and the checks of health beside it. */
import type { Clock } from "../../base/clock.ts";
import { sendMetrics } from "../../ops/page/metrics.ts";
import { eventsAfter } from "../../ops/page/past.ts";
import { pastRoutes } from "../../ops/page/past-routes.ts";
import { sendText } from "../../ops/page/reply.ts";
import type { PageContent } from "../../ops/page/server.ts";
import type { RecordedName } from "../history/recorder.ts";
import type { KmView } from "../history/view.ts";
import { families } from "../metrics/families.ts";
import { kmPage } from "./program.ts";
import { snapshot } from "./snapshot.ts";

/** What the charts draw. */
const plotted: readonly RecordedName[] = [
  "total_stock_bits",
  "stock_bits",
  "received_rate",
  "matched_rate",
  "taken_rate",
];
/** Events that a new browser is sent. */
const firstEvents = 100;
/** Its state is looked at each second; a key manager that has not done so for this long is stuck, ms. */
const stuckAfterMs = 15_000;

/** For one server: what browsers were told is counted here. */
export function pageContent(km: KmView, clock: Clock): PageContent {
  let told = 0;
  return {
    program: kmPage,
    message(whole) {
      const events = eventsAfter(km.history, whole ? 0 : told, firstEvents);
      if (!whole) told = km.history.sequence;
      return { ...snapshot(km, clock.wall()), events };
    },
    routes: pastRoutes(
      {
        id: km.id,
        subject: "link",
        figures: (name) => km.recorder.history(name),
        plotted,
        events: km.history,
        logs: km.logs,
      },
      clock,
    ),
    metrics: (exchange, viewers) => sendMetrics(exchange, viewers, (facts) => families(km, facts)),
    alive(response) {
      const good = km.recorder.idleMs(clock.now()) < stuckAfterMs;
      sendText(response, good ? 200 : 503, "text/plain", good ? "ok\n" : "no progress\n");
    },
    readiness: () => readiness(km),
  };
}

/** Ready: applications can get keys of every link. */
function readiness(km: KmView) {
  const status = km.status();
  const { ready, ...verdict } = km.recorder.verdict(status);
  const links = status.links.map((link) => {
    return { name: link.name, ...km.recorder.linkVerdict(status, link) };
  });
  return { ready, verdict, links };
}
