/** What the page can search and take away: past events, the log, and figures as a table. Pure. */

import { telemetryCsv } from "../bundle/telemetry-csv.ts";
import type { EventHistory, PastEvent } from "../events/event-history.ts";
import type { Curve, TelemetryHistory } from "../history/history.ts";
import type { LogRing } from "../local/log-ring.ts";
import { numbers, type PlotMoment, windows } from "./plots.ts";

/** Lines of the log in one answer; and how many of the last are looked through. */
const mostLines = 300;
const mostSearched = 2_000;
/** Characters that are searched for. */
const longestSearch = 200;
/** Routine events of those that are told: the last ones, as an example of many. */
const mostRoutine = 10;

function told({ sequence, type, module, at, facts, routine = false }: PastEvent) {
  return { sequence, type, module, at, facts, routine };
}

/** Every event that is still known, oldest first. */
export function allEvents(history: EventHistory) {
  return { events: history.after(0).map(told) };
}

/**
 * Events after the one of this sequence, oldest first: at most the last `most`, and few routine ones
 * beside them.
 */
export function eventsAfter(history: EventHistory, sequence: number, most: number) {
  const events = history.after(sequence);
  const routine = events.filter((event) => event.routine === true).slice(-mostRoutine);
  const rare = events.filter((event) => event.routine !== true).slice(-most);
  return [...rare, ...routine].sort((a, b) => a.sequence - b.sequence).map(told);
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
 * Everything that is recorded of a subject (a module, a link), over one of the charts' windows, for a
 * spreadsheet: times in UTC, and mean, least and most of each figure.
 * @param id of the program
 * @returns undefined if there is no such window
 */
export function figuresCsv<Name extends string>(
  id: string,
  subject: string,
  history: TelemetryHistory<Name>,
  window: string,
  { now, wall }: PlotMoment,
): { readonly name: string; readonly text: string } | undefined {
  const span = windows.get(window);
  if (span === undefined) return undefined;
  const { seconds, step } = span;
  const part = history.query(history.names, now, seconds * 1_000, step * 1_000);
  const figures = (Object.entries(part.curves) as [Name, Curve][]).flatMap(
    ([name, { mean, min, max }]) => {
      if (mean.every(Number.isNaN)) return [];
      return [[name, { mean: numbers(mean), min: numbers(min), max: numbers(max) }] as const];
    },
  );
  const start = new Date(Math.round(part.start + wall - now)).toISOString();
  const table = { name: window, start, step_ms: part.stepMs, figures: Object.fromEntries(figures) };
  const [file] = telemetryCsv({ module: subject, parts: [table] });
  const at = new Date(wall).toISOString().replace(/[-:]|\.\d+/g, "");
  return { name: `${id}-${subject}-${window}-${at}.csv`, text: file?.[1] ?? "" };
}
