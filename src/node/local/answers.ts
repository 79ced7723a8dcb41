/** What the local sockets answer to who only looks. Functions of what the node shows. */

import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import { levels } from "../../ops/alarms/severity.ts";
import type { PastEvent } from "../../ops/events/event-history.ts";
import { time } from "../../ops/manager/payloads.ts";
import { keptCommand, keptWords, waitsForDecision } from "../alarms/kept-back.ts";
import { sliceCount } from "../custody/slices.ts";
import { isDamaged, isWithheld } from "../keys/life.ts";
import type { Ledger } from "../keys/ports.ts";
import { alarm, panelState } from "../manager/payloads.ts";
import type { LocalModule } from "../model/local.ts";
import type { ShownPanel } from "../model/manager.ts";
import type { WindowReport } from "../telemetry/window.ts";

function last(report: WindowReport, name: "qber" | "secret_key_rate"): number | undefined {
  const value = report[name]?.last;
  return typeof value === "number" ? value : undefined;
}

/** How it is with a module's supply, as every answer tells it. */
function healthOf(module: LocalModule) {
  const { level, code, ready, text, action, since } = module.health();
  return { level, verdict: code, ready, text, action, since: time(since) };
}

/** What is kept back from the KM, the most first, with what to type. */
export function keptBack(module: Pick<LocalModule, "name" | "keptCounts">) {
  return Object.entries(module.keptCounts())
    .sort(([, a], [, b]) => b - a)
    .map(([why, count]) => ({
      why,
      count,
      text: keptWords(why, count),
      waits: waitsForDecision({ [why]: count }),
      command: keptCommand(module.name, why),
    }));
}

/** A module in `status`. */
export function moduleStatus(module: LocalModule) {
  const { since, ...state } = module.state();
  const figures = module.peekTelemetryWindow();
  const qber = last(figures, "qber");
  const rate = last(figures, "secret_key_rate");
  const counters = module.supply();
  // One that is not served has none.
  const count = (name: string) => {
    const value = counters[name];
    return typeof value === "number" ? value : 0;
  };
  const { name, km: kms, ...rest } = module.describe();
  const { module: condition, ...others } = state;
  return {
    name,
    state: condition,
    ...others,
    since: time(since),
    ...rest,
    kms,
    ...(qber !== undefined && { qber }),
    ...(rate !== undefined && { secret_key_rate: rate }),
    health: healthOf(module),
    kept_back: keptBack(module),
    keys: {
      supplied: count("supplied"),
      confirmed: count("confirmed"),
      bits: count("bits"),
      in_flight: count("in_flight"),
      withheld: count("withheld"),
      quarantined: count("quarantined"),
    },
  };
}

/** The chassis panel in `status`; undefined where there is none. */
export function panelStatus(panel: ShownPanel) {
  const state = panelState(panel);
  const { reason, lamps } = panel;
  return state && { ...state, ...(reason !== undefined && { reason }), lamps };
}

/** Alarms that are raised, by severity. */
export function alarmCounts(records: readonly AlarmRecord[]): Record<string, number> {
  const counts = Object.fromEntries(levels.slice(1).map((level) => [level, 0]));
  for (const { severity } of records) {
    if (severity !== "cleared") counts[severity] = (counts[severity] ?? 0) + 1;
  }
  return counts;
}

/** Raised alarms, the worst and then the newest first. */
export function alarmList(records: readonly AlarmRecord[]) {
  const rank = (record: AlarmRecord) => levels.indexOf(record.severity);
  return records
    .filter(({ severity }) => severity !== "cleared")
    .sort((a, b) => rank(b) - rank(a) || b.raisedAt - a.raisedAt)
    .map(alarm);
}

/** Keys of a module by their state: counts, never bytes. */
export function keyCounts(module: LocalModule, ledger: Ledger | undefined) {
  const unreleased = { blocks: 0, complete: 0, withheld: 0, damaged: 0 };
  const keys = { delivered: 0, quarantined: 0, assigned: 0 };
  for (const block of ledger?.blocks() ?? []) {
    unreleased.blocks++;
    if (block.state === "complete") unreleased.complete++;
    if (isWithheld(block.state)) unreleased.withheld++;
    if (isDamaged(block.state)) unreleased.damaged++;
    keys.delivered += block.delivered.size;
    keys.delivered += sliceCount(block.deliveredBits, ledger?.keyFormatOf(block.ref)?.keyBits);
    keys.quarantined += block.quarantined.size;
    keys.assigned += block.assigned.size;
  }
  const buffer = module.peekTelemetryWindow().key_buffer_bits?.last;
  return {
    module: module.name,
    ...(typeof buffer === "number" && { in_module_bits: buffer }),
    since_start: module.supply(),
    kept_back: keptBack(module),
    ledger: { ...unreleased, keys },
  };
}

export function pastEvent({ sequence, at, type, module, facts }: PastEvent) {
  return { sequence, t: time(at), type, ...(module !== undefined && { module }), facts };
}
