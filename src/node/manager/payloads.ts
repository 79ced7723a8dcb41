/** The payloads of a node. Pure. JSON, at most 16 KiB, times by RFC 3339 in UTC. */

import type { AlarmRecord, Change } from "../../ops/alarms/alarm.ts";
import * as common from "../../ops/manager/payloads.ts";
import { time } from "../../ops/manager/payloads.ts";
import { isAlarmName, kindOf } from "../alarms/catalogue.ts";
import type { Verdict } from "../alarms/verdict.ts";
import type { ModuleDescription, ModuleState, NodeEvent, PanelStatus } from "../model/manager.ts";
import type { WindowReport } from "../telemetry/window.ts";

export interface NodeFacts {
  readonly node: string;
  /** Starts of the node on its state; tells messages of one run from those of the next. */
  readonly boot: number;
  readonly version: string;
}

/** The chassis panel as everybody is shown it; undefined where there is none, and never was. */
export function panelState(panel: PanelStatus | undefined) {
  if (panel === undefined || (panel.panel === "none" && !panel.halted)) return undefined;
  const { panel: presence, tampered_at, reason: _, ...rest } = panel;
  const at = tampered_at === undefined ? {} : { tampered_at: time(tampered_at) };
  return { presence, ...rest, ...at };
}

/** @param panel where there is one, or once was */
export function online(facts: NodeFacts, now: number, panel?: PanelStatus) {
  const shown = panelState(panel);
  return common.online({ ...facts, ...(shown && { panel: shown }) }, now);
}

/** Of modules the first that a message has room for; how many there are beyond those is said. */
export function inventory(
  facts: NodeFacts,
  modules: readonly ModuleDescription[],
  configuration: string,
  commands: readonly string[],
) {
  const rest = { ...facts, configuration_digest: configuration, commands };
  const told = common.fitting({ ...rest, modules: [] }, modules);
  const left = modules.length - told.length;
  return { ...rest, modules: told, ...(left > 0 && { modules_left_out: left }) };
}

export function moduleState(state: ModuleState, { level, code, ready, text, since }: Verdict) {
  const health = { level, verdict: code, ready, text, since: time(since) };
  return { ...state, since: time(state.since), health };
}

export function telemetry(boot: number, figures: WindowReport, now: number) {
  return { boot, t: time(now), figures };
}

/** Counters since the start of the process: they begin again with each boot. */
export function kq1(boot: number, counters: object, now: number) {
  return { boot, t: time(now), ...counters };
}

/** What an alarm is, as it is published: flat, so that it is an event's facts as well. */
export function alarm(record: AlarmRecord) {
  return common.alarm(record, kindOf(record.name));
}

/** An alarm's transition as an event. */
export function transition(change: Change, record: AlarmRecord): NodeEvent {
  return common.transition(change, record, kindOf(record.name));
}

/** The alarm that an event of the outbox is about; undefined if it is about something else. */
export function recordOf(event: Buffer): AlarmRecord | undefined {
  return common.recordOf(event, isAlarmName);
}
