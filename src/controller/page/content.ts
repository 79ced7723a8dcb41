/** What the page shows of a controller, and `/metrics` and the checks of health beside it. */
import type { Clock } from "../../base/clock.ts";
import type { Family } from "../../ops/metrics/exposition.ts";
import { sendMetrics } from "../../ops/page/metrics.ts";
import type { ProcessFacts } from "../../ops/page/process.ts";
import { sendJson, sendLongJson, sendText } from "../../ops/page/reply.ts";
import type { Exchange, PageContent } from "../../ops/page/server.ts";
import type { ControllerStatus } from "../model/status.ts";
import { Differ } from "./differ.ts";
import { controllerPage } from "./program.ts";
import { foremost, pairSnapshot, snapshot } from "./snapshot.ts";

/** What the page wants to know of the controller. */
export interface ControllerView {
  status(): ControllerStatus;
  families(facts: ProcessFacts): readonly Family[];
  /** Since it last looked at its network, ms. */
  idleMs(): number;
}

/** A controller that has not looked at its network for so long is stuck, ms. */
const stuckAfterMs = 15_000;
const longestSearch = 200;
const mostFound = 100;

/** For one server: what browsers were told is counted here. */
export function pageContent(view: ControllerView, clock: Clock): PageContent {
  const differ = new Differ();
  return {
    program: controllerPage,
    message(whole) {
      const now = snapshot(view.status(), clock.wall());
      return whole ? differ.whole(now) : differ.next(now);
    },
    routes: [["/api/pairs", (exchange) => sendPairs(exchange, view.status())]],
    metrics: (exchange, viewers) => sendMetrics(exchange, viewers, (facts) => view.families(facts)),
    alive(response) {
      const good = view.idleMs() < stuckAfterMs;
      sendText(response, good ? 200 : 503, "text/plain", good ? "ok\n" : "no progress\n");
    },
    readiness() {
      const { verdict, role, links } = view.status();
      const ready = verdict.level === "good" || verdict.level === "attention";
      const states = links.map(({ link, state }) => ({ link, state }));
      return { ready, role, verdict, links: states };
    },
  };
}

/** Pairs with a text in their names: those of a large network are not all sent by themselves. */
function sendPairs({ request, response, url }: Exchange, status: ControllerStatus): void {
  const search = (url.searchParams.get("search") ?? "").toLowerCase();
  if (search.length > longestSearch) return sendJson(response, 400, { error: "too long a text" });
  const names = new Map(status.nodes.map(({ km, name }) => [km, name]));
  const found = status.pairs.filter(({ pair, a, b }) =>
    [pair, names.get(a), names.get(b)].some((name) => name?.toLowerCase().includes(search)),
  );
  const shown = foremost(found, mostFound).map(pairSnapshot);
  sendLongJson(request, response, { found: found.length, pairs: shown });
}
