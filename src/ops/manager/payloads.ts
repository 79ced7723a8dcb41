/** Payloads that every program has towards its manager. Pure. JSON, at most 16 KiB, times by RFC 3339 in UTC. */
import { Fault } from "../../base/errors.ts";
import type { AlarmRecord, Change } from "../alarms/alarm.ts";
import type { AlarmKind } from "../alarms/alarm-kind.ts";
import type { NodeEvent } from "../events/event.ts";
import { maxPayload } from "../outbox/payload.ts";

/** `2026-01-31T12:00:00.000Z`; a clock beyond what a date can name reads as 1970. */
export function time(wallMs: number): string {
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? "1970-01-01T00:00:00.000Z" : date.toISOString();
}

/** @param facts which program it is, and its start */
export function online<Facts extends object>(facts: Facts, now: number) {
  return { status: "online", ...facts, t: time(now) };
}

/** Also the will: then the broker sends it, and there is no time in it. */
export function offline<Facts extends object>(facts: Facts, reason: string, now?: number) {
  return { status: "offline", ...facts, reason, ...(now !== undefined && { t: time(now) }) };
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

/** Room for a member that says how many items were left out, bytes. */
const leftOut = 64;

/**
 * The first of many items: as many as a message has room for.
 * @param rest all else that is in the message
 */
export function fitting<Item>(rest: object, items: readonly Item[]): readonly Item[] {
  let room = maxPayload - lengthOf(rest) - leftOut;
  for (const [index, item] of items.entries()) {
    room -= lengthOf(item) + 1;
    if (room < 0) return items.slice(0, index);
  }
  return items;
}

function lengthOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** One start of a program. */
export interface Start {
  /** Of the program. */
  readonly id: string;
  /** Its starts on its state: comes again when that is put back from a copy. */
  readonly boot: number;
  /** Random bits, never on a disk. */
  readonly incarnation: string;
}

export function event({ id, boot, incarnation }: Start, happened: NodeEvent, sequence: number) {
  return {
    event_id: `${id}-${boot}-${incarnation}-${sequence}`,
    sequence,
    boot,
    t: time(happened.at),
    type: happened.type,
    ...(happened.module !== undefined && { module: happened.module }),
    facts: happened.facts,
  };
}

/** The longest text in an alarm, characters. */
const longestDetail = 256;

/** What an alarm is, as it is published: flat, so that it is an event's facts as well. */
export function alarm(record: AlarmRecord, { type, cause, text, action, latched }: AlarmKind) {
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
    latched: latched === true,
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

export type AlarmFacts = ReturnType<typeof alarm>;

/** An alarm's transition as an event. */
export function transition(change: Change, record: AlarmRecord, kind: AlarmKind): NodeEvent {
  const { text: _text, action: _action, ...facts } = alarm(record, kind);
  return { type: `alarm_${change}`, at: record.changedAt, facts };
}

/**
 * The alarm that an event of the outbox is about; undefined if it is about something else.
 * @param isName whether the program has an alarm of this name
 */
export function recordOf(
  event: Buffer,
  isName: (name: string) => boolean,
): AlarmRecord | undefined {
  try {
    const { type, facts } = JSON.parse(event.toString("utf8")) as {
      type: string;
      facts: Omit<AlarmFacts, "text" | "action">;
    };
    if (!type.startsWith("alarm_") || !isName(facts.name)) return undefined;
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
