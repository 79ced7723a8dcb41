/** Routes to what was: events, log, figures of a window as a file. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../base/clock.ts";
import { sendJson, sendLongJson, sendText } from "../../ops/page/reply.ts";
import { allEvents, figuresCsv, searchLog } from "./past.ts";
import type { NodeView } from "./view.ts";

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

/** A file name of plain letters, whatever the node is called. */
function plain(name: string): string {
  return name.replace(/[^\w.-]/g, "_");
}

/** @returns paths, and what answers there */
export function pastRoutes(
  node: NodeView,
  clock: Clock,
): readonly (readonly [string, (asked: Asked) => void])[] {
  return [
    ["/api/events", ({ request, response }) => sendLongJson(request, response, allEvents(node))],
    [
      "/api/log",
      ({ request, response, url }) => {
        if (node.logs === undefined) return sendJson(response, 404, { error: "no log" });
        const found = searchLog(node.logs, url.searchParams.get("search") ?? "");
        if (found === undefined) sendJson(response, 400, { error: "too long a text" });
        else sendLongJson(request, response, found);
      },
    ],
    [
      "/api/history.csv",
      ({ response, url }) => {
        const asked = ["module", "window"].map((name) => url.searchParams.get(name) ?? "");
        const [module, window] = asked as [string, string];
        const moment = { now: clock.now(), wall: clock.wall() };
        const table = figuresCsv(node, module, window, moment);
        if (table === undefined) {
          return sendJson(response, 404, { error: "no such module or window" });
        }
        sendText(response, 200, "text/csv; charset=utf-8; header=present", table.text, {
          "content-disposition": `attachment; filename="${plain(table.name)}"`,
        });
      },
    ],
  ];
}
