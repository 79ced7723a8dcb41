/** What the page can search and take away: past events, the log, and figures as a table. Pure. */

import { telemetryCsv } from "../../ops/bundle/telemetry-csv.ts";
import type { Curve } from "../../ops/history/history.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import type { RecordedName } from "../history/recorder.ts";
import { numbers, type PlotMoment, windows } from "./plots.ts";
import type { NodeView } from "./view.ts";

/** Lines of the log in one answer; and how many of the last are looked through. */
const mostLines = 300;
const mostSearched = 2_000;
/** Characters that are searched for. */
const longestSearch = 200;

/** Every event that is still known, oldest first. */
export function allEvents({ history }: NodeView) {
  const events = history.after(0).map(({ sequence, type, module, at, facts, routine = false }) => {
    return { sequence, type, module, at, facts, routine };
  });
  return { events };
}

/**
 * The last lines of the log with this text in them, whatever its case; oldest first.
 * @returns undefined if the text is too long
 */
export function searchLog(logs: LogRing, search: string) {
  if (search.length > longestSearch) return undefined;
  const wanted = search.toLowerCase();
  const lines = logs
    .after(0, mostSearched)
    .filter(({ line }) => line.toLowerCase().includes(wanted));
  return { found: lines.length, lines: lines.slice(-mostLines) };
}

/**
 * Everything that is recorded of a module, over one of the plots' windows, for a spreadsheet: times in
 * UTC, and mean, least and most of each figure.
 * @returns undefined if there is no such module or window
 */
export function figuresCsv(
  node: NodeView,
  module: string,
  window: string,
  { now, wall }: PlotMoment,
): { readonly name: string; readonly text: string } | undefined {
  const history = node.recorder.history(module);
  const span = windows.get(window);
  if (history === undefined || span === undefined) return undefined;
  const { seconds, step } = span;
  const part = history.query(history.names, now, seconds * 1_000, step * 1_000);
  const figures = (Object.entries(part.curves) as [RecordedName, Curve][]).flatMap(
    ([name, { mean, min, max }]) => {
      if (mean.every(Number.isNaN)) return [];
      return [[name, { mean: numbers(mean), min: numbers(min), max: numbers(max) }] as const];
    },
  );
  const start = new Date(Math.round(part.start + wall - now)).toISOString();
  const table = { name: window, start, step_ms: part.stepMs, figures: Object.fromEntries(figures) };
  const [file] = telemetryCsv({ module, parts: [table] });
  const at = new Date(wall).toISOString().replace(/[-:]|\.\d+/g, "");
  return { name: `${node.id}-${module}-${window}-${at}.csv`, text: file?.[1] ?? "" };
}
