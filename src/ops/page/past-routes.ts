/** Routes to what was: curves of the charts, events, log, figures of a window as a file. */
import type { Clock } from "../../base/clock.ts";
import type { EventHistory } from "../events/event-history.ts";
import type { TelemetryHistory } from "../history/history.ts";
import type { LogRing } from "../local/log-ring.ts";
import { allEvents, figuresCsv, searchLog } from "./past.ts";
import { plotData } from "./plots.ts";
import { sendJson, sendLongJson, sendText } from "./reply.ts";
import type { Exchange } from "./server.ts";

/** What a program remembers. */
export interface Past<Name extends string> {
  /** Of the program. */
  readonly id: string;
  /** What figures are of: `module`, `link`. */
  readonly subject: string;
  readonly figures: (name: string) => TelemetryHistory<Name> | undefined;
  /** What charts draw of them. */
  readonly plotted: readonly Name[];
  readonly events: EventHistory;
  /** The last lines of the log; undefined: they are not shown. */
  readonly logs: LogRing | undefined;
}

/** A file name of plain letters, whatever the program is called. */
function plain(name: string): string {
  return name.replace(/[^\w.-]/g, "_");
}

/** @returns paths, and what answers there */
export function pastRoutes<Name extends string>(
  { id, subject, figures, plotted, events, logs }: Past<Name>,
  clock: Clock,
): readonly (readonly [string, (exchange: Exchange) => void])[] {
  const moment = () => ({ now: clock.now(), wall: clock.wall() });
  const asked = (url: URL) => {
    const name = url.searchParams.get(subject) ?? "";
    return { name, history: figures(name), window: url.searchParams.get("window") ?? "" };
  };
  const nothing = { error: `no such ${subject} or window` };
  return [
    [
      "/api/history",
      ({ request, response, url }) => {
        const { name, history, window } = asked(url);
        const data = history && plotData(history, plotted, window, moment());
        if (data === undefined) sendJson(response, 404, nothing);
        else sendLongJson(request, response, { [subject]: name, ...data });
      },
    ],
    ["/api/events", ({ request, response }) => sendLongJson(request, response, allEvents(events))],
    [
      "/api/log",
      ({ request, response, url }) => {
        if (logs === undefined) return sendJson(response, 404, { error: "no log" });
        const found = searchLog(logs, url.searchParams.get("search") ?? "");
        if (found === undefined) sendJson(response, 400, { error: "too long a text" });
        else sendLongJson(request, response, found);
      },
    ],
    [
      "/api/history.csv",
      ({ response, url }) => {
        const { name, history, window } = asked(url);
        const table = history && figuresCsv(id, name, history, window, moment());
        if (table === undefined) return sendJson(response, 404, nothing);
        sendText(response, 200, "text/csv; charset=utf-8; header=present", table.text, {
          "content-disposition": `attachment; filename="${plain(table.name)}"`,
        });
      },
    ],
  ];
}
