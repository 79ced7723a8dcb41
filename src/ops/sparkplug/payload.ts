/**
 * Payloads of Eclipse Sparkplug B 3.0 (§6.4): the part of the published schema that the node uses.
 * Pure.
 */
import { type Field, fieldsOf, Writer } from "./protobuf.ts";

/** Data types of §6.4.16. */
const types = { Int64: 4, UInt64: 8, Double: 10, Boolean: 11, String: 12 } as const;
const int32 = 3;

/** Qualities of §6.4.13. */
export const quality = { bad: 0, stale: 500 } as const;

export type MetricType = keyof typeof types;

export interface Metric {
  readonly name: string;
  readonly type: MetricType;
  /** Undefined: null. Integers are at least 0. */
  readonly value: number | string | boolean | undefined;
  /** Absent: good. */
  readonly quality?: number | undefined;
  /** Told at birth. */
  readonly unit?: string | undefined;
}

/** A metric as it goes on the wire. */
export interface SentMetric {
  readonly metric: Metric;
  /** In a birth both; in data the alias only; for what has no alias the name. */
  readonly name: boolean;
  readonly alias: number | undefined;
}

export interface Payload {
  /** ms since 1970 UTC */
  readonly at: number;
  readonly metrics: readonly SentMetric[];
  /** 0 to 255; a death has none. */
  readonly seq: number | undefined;
}

export function encode({ at, metrics, seq }: Payload): Buffer {
  const writer = new Writer().uint(1, stamp(at));
  for (const metric of metrics) writer.bytes(2, encodeMetric(metric, at));
  if (seq !== undefined) writer.uint(3, seq);
  return writer.finish();
}

function encodeMetric({ metric, name, alias }: SentMetric, at: number): Buffer {
  const { type, value } = metric;
  const writer = new Writer();
  if (name) writer.string(1, metric.name);
  if (alias !== undefined) writer.uint(2, alias);
  writer.uint(3, stamp(at)).uint(4, types[type]);
  if (value === undefined) writer.bool(7, true);
  const properties = encodeProperties(metric, name);
  if (properties !== undefined) writer.bytes(9, properties);
  if (typeof value === "boolean") writer.bool(14, value);
  else if (typeof value === "string") writer.string(15, value);
  else if (value !== undefined && type === "Double") writer.double(13, value);
  else if (value !== undefined) writer.uint(11, value);
  return writer.finish();
}

/** A PropertySet: keys, and values in the same order. */
function encodeProperties({ quality: found, unit }: Metric, birth: boolean): Buffer | undefined {
  const keys: string[] = [];
  const values: Buffer[] = [];
  if (found !== undefined) {
    keys.push("Quality");
    values.push(new Writer().uint(1, int32).uint(3, found).finish());
  }
  if (unit !== undefined && birth) {
    keys.push("engUnit");
    values.push(new Writer().uint(1, types.String).string(8, unit).finish());
  }
  if (keys.length === 0) return undefined;
  const writer = new Writer();
  for (const key of keys) writer.string(1, key);
  for (const value of values) writer.bytes(2, value);
  return writer.finish();
}

/** A clock that shows a time before 1970 shows none. */
function stamp(at: number): number {
  return Math.max(0, Math.floor(at));
}

export const rebirthName = "Node Control/Rebirth";

/** Whether a command asks for a rebirth (§6.4.20): the metric of that name, and true. */
export function asksForRebirth(payload: Buffer): boolean {
  const metrics = (fieldsOf(payload) ?? []).filter(({ number }) => number === 2);
  return metrics.some(({ value }) => {
    const fields = typeof value === "number" ? undefined : fieldsOf(value);
    if (fields === undefined) return false;
    const last = (number: number) => fields.findLast((field: Field) => field.number === number);
    const name = last(1)?.value;
    return Buffer.isBuffer(name) && name.toString() === rebirthName && last(14)?.value === 1;
  });
}
