/** TELEMETRY and EVENT (QMLP §4). */
import type { ModuleEvent } from "../../src/port/module.ts";
import type { FigureName, FigureValue, TelemetrySample } from "../../src/port/telemetry.ts";
import { figures } from "../../src/port/telemetry.ts";
import { malformed } from "./hello.ts";

export const telemetryVersion = 1;

/** Figure ids of QMLP §4, Telemetry; the index is the id. */
const figureIds: readonly (FigureName | undefined)[] = [
  undefined,
  "qber",
  "visibility",
  "secret_key_rate",
  "sifted_rate",
  "raw_rate",
  "detector_counts",
  "dark_counts",
  "detector_temperature",
  "laser_power",
  "laser_bias",
  "channel_loss",
  "key_buffer_fill",
  "key_buffer_bits",
  "module_temperature",
];

const kindF64 = 0x13;

const readers: Readonly<Record<number, (body: Buffer, at: number) => number>> = {
  18: (b, at) => b.readFloatLE(at),
  [kindF64]: (b, at) => b.readDoubleLE(at),
  34: (b, at) => b.readInt32LE(at),
  50: (b, at) => b.readUInt32LE(at),
  51: (b, at) => Number(b.readBigUInt64LE(at)),
};

/** Encodes a sample with every value as f64. */
export function encodeTelemetry(sample: TelemetrySample): Buffer {
  const entries = Object.entries(sample.values) as [FigureName, FigureValue][];
  const parts = entries.map(([name, value]) => {
    const values = typeof value === "number" ? [value] : value;
    const part = Buffer.alloc(4 + values.length * 8);
    part.writeUInt16LE(figureIds.indexOf(name), 0);
    part[2] = kindF64;
    part[3] = values.length;
    values.forEach((v, i) => {
      part.writeDoubleLE(v, 4 + i * 8);
    });
    return part;
  });
  const head = Buffer.alloc(12);
  head[0] = telemetryVersion;
  head.writeUInt16LE(parts.length, 2);
  head.writeBigUInt64LE(BigInt(sample.at ?? 0), 4);
  return Buffer.concat([head, ...parts]);
}

/**
 * Decodes a sample; figures and kinds it does not know, and values that are not finite, are left out.
 * @throws Fault `qmlp.message`
 */
export function decodeTelemetry(body: Buffer): TelemetrySample {
  if (body.length < 12) throw malformed("TELEMETRY: too short", { length: body.length, least: 12 });
  const values: Partial<Record<FigureName, FigureValue>> = {};
  const count = body.readUInt16LE(2);
  let at = 12;
  for (let i = 0; i < count; i++) {
    if (at + 4 > body.length) throw malformed("TELEMETRY: a figure runs past the end");
    const kind = body[at + 2] as number;
    const n = body[at + 3] as number;
    const size = 2 ** (kind & 0x0f);
    const end = at + 4 + n * size;
    if (end > body.length) throw malformed("TELEMETRY: a figure runs past the end");
    const name = figureIds[body.readUInt16LE(at)];
    const read = readers[kind];
    if (name !== undefined && read !== undefined && n > 0) {
      const list: number[] = [];
      for (let v = at + 4; v < end; v += size) list.push(read(body, v));
      if (list.every(Number.isFinite)) {
        values[name] = "list" in figures[name] ? list : (list[0] as number);
      }
    }
    at = end;
  }
  const time = Number(body.readBigUInt64LE(4));
  return time === 0 || !Number.isSafeInteger(time) ? { values } : { at: time, values };
}

const severities = ["cleared", "indeterminate", "warning", "minor", "major", "critical"] as const;

const eventCodes: Readonly<Record<number, string>> = {
  1: "quantum_channel_lost",
  2: "detector_fault",
  3: "laser_fault",
  4: "temperature_out_of_range",
  5: "key_buffer_overflow",
  6: "classical_channel_lost",
  7: "tamper",
  8: "self_test_failed",
};

export function encodeEvent(event: ModuleEvent, at: number): Buffer {
  const named = Object.entries(eventCodes).find(([, name]) => name === event.code)?.[0];
  const code = named === undefined ? Number(event.code.replace("vendor_", "")) : Number(named);
  const head = Buffer.alloc(12);
  head[0] = severities.indexOf(event.severity);
  head.writeUInt16LE(code, 2);
  head.writeBigUInt64LE(BigInt(at), 4);
  return Buffer.concat([head, Buffer.from(event.text, "utf8")]);
}

/** @throws Fault `qmlp.message` */
export function decodeEvent(body: Buffer): ModuleEvent {
  if (body.length < 12) throw malformed("EVENT: too short", { length: body.length, least: 12 });
  const severity = severities[body[0] as number];
  if (severity === undefined) throw malformed("EVENT: severity", { severity: body[0] as number });
  const code = body.readUInt16LE(2);
  return {
    code: eventCodes[code] ?? `vendor_${code}`,
    severity,
    text: body.toString("utf8", 12, Math.min(body.length, 12 + 256)),
  };
}
