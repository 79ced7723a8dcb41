/** The payloads of the manager interface. Pure. JSON, at most 16 KiB, times by RFC 3339 in UTC. */

import { Fault } from "../../base/errors.ts";
import type { AlarmRecord, Change } from "../../ops/alarms/alarm.ts";
import { maxPayload } from "../../ops/outbox/payload.ts";
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

/** `2026-01-31T12:00:00.000Z`; a clock beyond what a date can name reads as 1970. */
export function time(wallMs: number): string {
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? "1970-01-01T00:00:00.000Z" : date.toISOString();
}

/** @throws Fault `mqtt.payload` if it is longer than any broker is known to take */
export function encode(payload: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(payload));
  if (bytes.length > maxPayload) {
    const facts = { bytes: bytes.length, limit: maxPayload };
    throw new Fault("mqtt.payload", "message too long for the broker", facts);
  }
  return bytes;
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
  return { status: "online", ...facts, ...(shown && { panel: shown }), t: time(now) };
}

/** Also the will: then the broker sends it, and there is no time in it. */
export function offline(facts: NodeFacts, reason: string, now?: number) {
  return { status: "offline", ...facts, reason, ...(now !== undefined && { t: time(now) }) };
}

export function inventory(
  facts: NodeFacts,
  modules: readonly ModuleDescription[],
  configuration: string,
  commands: readonly string[],
) {
  return { ...facts, configuration_digest: configuration, modules, commands };
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

export function event(facts: NodeFacts, happened: NodeEvent, sequence: number) {
  return {
    event_id: `${facts.node}-${facts.boot}-${sequence}`,
    sequence,
    boot: facts.boot,
    t: time(happened.at),
    type: happened.type,
    ...(happened.module !== undefined && { module: happened.module }),
    facts: happened.facts,
  };
}

/** The longest text in an alarm, characters. */
const longestDetail = 256;

/** What an alarm is, as it is published: flat, so that it is an event's facts as well. */
export function alarm(record: AlarmRecord) {
  const { type, cause, text, action } = kindOf(record.name);
  const { value, threshold, detail, acknowledgedBy, clearedAt } = record;
  return {
    alarm: record.id,
    name: record.name,
    object: record.object,
    severity: record.severity,
    active: record.active,
    acknowledged: record.acknowledged,
    ...(acknowledgedBy !== undefined && { acknowledged_by: acknowledgedBy }),
    flapping: record.flapping,
    latched: kindOf(record.name).latched === true,
    event_type: type,
    probable_cause: cause,
    text,
    action,
    ...(value !== undefined && { value }),
    ...(threshold !== undefined && { threshold }),
    ...(detail !== undefined && { detail: detail.slice(0, longestDetail) }),
    raised: time(record.raisedAt),
    changed: time(record.changedAt),
    ...(clearedAt !== undefined && { cleared: time(clearedAt) }),
    count: record.count,
  };
}

/** The retained state of an alarm. */
export function alarmState(boot: number, record: AlarmRecord) {
  return { boot, ...alarm(record) };
}

/** An alarm's transition as an event. */
export function transition(change: Change, record: AlarmRecord): NodeEvent {
  const { text: _text, action: _action, ...facts } = alarm(record);
  return { type: `alarm_${change}`, at: record.changedAt, facts };
}

/** The alarm that an event of the outbox is about; undefined if it is about something else. */
export function recordOf(event: Buffer): AlarmRecord | undefined {
  try {
    const { type, facts } = JSON.parse(event.toString("utf8")) as {
      type: string;
      facts: Omit<ReturnType<typeof alarm>, "text" | "action">;
    };
    if (!type.startsWith("alarm_") || !isAlarmName(facts.name)) return undefined;
    const { alarm: id, name, object, severity, active, flapping, acknowledged, count } = facts;
    return {
      ...{ id, name, object, severity, active, flapping, acknowledged, count },
      acknowledgedBy: facts.acknowledged_by,
      value: facts.value,
      threshold: facts.threshold,
      detail: facts.detail,
      raisedAt: Date.parse(facts.raised),
      changedAt: Date.parse(facts.changed),
      clearedAt: facts.cleared === undefined ? undefined : Date.parse(facts.cleared),
    };
  } catch {
    return undefined;
  }
}
