/**
 * Payloads of Eclipse Sparkplug B 3.0 (§6.4): the part of the published schema that the node uses
 * (`sparkplug_b.proto`). Pure.
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Payload_MetricSchema,
  type Payload_PropertyValueSchema,
  PayloadSchema,
} from "./sparkplug_b_pb.ts";

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

type MetricInit = MessageInitShape<typeof Payload_MetricSchema>;

export function encode({ at, metrics, seq }: Payload): Buffer {
  const payload = create(PayloadSchema, {
    timestamp: stamp(at),
    metrics: metrics.map((metric) => metricOf(metric, at)),
    ...(seq !== undefined && { seq: BigInt(seq) }),
  });
  const bytes = toBinary(PayloadSchema, payload);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function metricOf({ metric, name, alias }: SentMetric, at: number): MetricInit {
  const properties = propertiesOf(metric, name);
  return {
    ...(name && { name: metric.name }),
    ...(alias !== undefined && { alias: BigInt(alias) }),
    timestamp: stamp(at),
    datatype: types[metric.type],
    ...(metric.value === undefined ? { isNull: true } : { value: metricValue(metric) }),
    ...(properties !== undefined && { properties }),
  };
}

function metricValue({ type, value }: Metric): NonNullable<MetricInit["value"]> {
  if (typeof value === "boolean") return { case: "booleanValue", value };
  if (typeof value === "string") return { case: "stringValue", value };
  if (type === "Double") return { case: "doubleValue", value: Number(value) };
  return { case: "longValue", value: BigInt(Math.floor(Number(value))) };
}

/** A PropertySet: keys, and values in the same order. */
function propertiesOf({ quality: found, unit }: Metric, birth: boolean) {
  const keys: string[] = [];
  const values: MessageInitShape<typeof Payload_PropertyValueSchema>[] = [];
  if (found !== undefined) {
    keys.push("Quality");
    values.push({ type: int32, value: { case: "intValue", value: found } });
  }
  if (unit !== undefined && birth) {
    keys.push("engUnit");
    values.push({ type: types.String, value: { case: "stringValue", value: unit } });
  }
  return keys.length === 0 ? undefined : { keys, values };
}

/** A clock that shows a time before 1970 shows none. */
function stamp(at: number): bigint {
  return BigInt(Math.max(0, Math.floor(at)));
}

export const rebirthName = "Node Control/Rebirth";

/** Longest command that is read, bytes: a host's is some 60, and each byte of one may become an object. */
const longestCommand = 16_384;

/** Whether a command asks for a rebirth (§6.4.20): the metric of that name, and true. */
export function asksForRebirth(payload: Buffer): boolean {
  if (payload.length > longestCommand) return false;
  try {
    const { metrics } = fromBinary(PayloadSchema, payload, { readUnknownFields: false });
    return metrics.some(
      ({ name, value }) =>
        name === rebirthName && value.case === "booleanValue" && value.value === true,
    );
  } catch {
    // Not a payload of Sparkplug: the library says so by an error of its own.
    return false;
  }
}
