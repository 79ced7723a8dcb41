/**
 * A Sparkplug host application: decodes with Eclipse Tahu's own library, follows every edge node, and
 * writes down each breach of the specification's rules (version 3.0).
 */
import { createRequire } from "node:module";
import type { org } from "sparkplug-payload/lib/sparkplugPayloadProto.js";

const require = createRequire(import.meta.url);
const proto = require("sparkplug-payload/lib/sparkplugPayloadProto.js") as {
  org: { eclipse: { tahu: { protobuf: { Payload: typeof org.eclipse.tahu.protobuf.Payload } } } };
};
const schema = proto.org.eclipse.tahu.protobuf.Payload;
const tahu = require("sparkplug-payload").get("spBv1.0") as {
  decodePayload(bytes: Uint8Array): {
    readonly metrics?: readonly Decoded[];
    readonly seq?: unknown;
  };
  encodePayload(payload: object): Uint8Array;
};

interface Decoded {
  readonly name?: string;
  readonly alias?: unknown;
  readonly type: string;
  readonly value: unknown;
  readonly properties?: Readonly<
    Record<string, { readonly type: string; readonly value: unknown }>
  >;
}

export interface Heard {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

export interface KnownMetric {
  readonly type: string;
  value: unknown;
  quality: number | undefined;
  readonly unit: string | undefined;
}

const number = (value: unknown) => (value == null ? undefined : Number(String(value)));

/** A command as a host sends it. */
export function rebirthCommand(value = true): Buffer {
  const metrics = [{ name: "Node Control/Rebirth", type: "Boolean", value }];
  return Buffer.from(tahu.encodePayload({ timestamp: Date.now(), metrics }));
}

export class SparkplugHost {
  readonly problems: string[] = [];
  readonly types: string[] = [];
  /** `ID/name` for a device's metric, `/name` for the node's. */
  readonly metrics = new Map<string, KnownMetric>();
  readonly online = new Set<string>();
  bdSeq: number | undefined;
  #seq: number | undefined;
  #born = false;
  readonly #aliases = new Map<number, string>();

  /** bdSeq of a death. @returns undefined if it is not one */
  static deathOf(payload: Buffer): number | undefined {
    const death = schema.decode(payload);
    const [metric, ...more] = death.metrics;
    if (Object.hasOwn(death, "seq")) return undefined;
    if (metric?.name !== "bdSeq" || more.length > 0) return undefined;
    return number(metric.longValue);
  }

  take({ topic, payload, qos, retain }: Heard): void {
    const [namespace, , type = "", , device] = topic.split("/");
    // Its own commands.
    if (type === "NCMD") return;
    const bad = (what: string) => this.problems.push(`${topic}: ${what}`);
    this.types.push(device === undefined ? type : `${type} ${device}`);
    if (namespace !== "spBv1.0") bad("namespace");
    if (retain) bad("retained");
    if (type === "NDEATH") {
      const bdSeq = SparkplugHost.deathOf(payload);
      if (bdSeq === undefined) bad("a death has bdSeq and nothing else, no seq");
      else if (bdSeq === this.bdSeq) {
        this.#born = false;
        this.online.clear();
      }
      return;
    }
    if (qos !== 0) bad(`QoS ${qos}`);
    const raw = schema.decode(payload);
    const seq = Object.hasOwn(raw, "seq") ? number(raw.seq) : undefined;
    if (!Object.hasOwn(raw, "timestamp")) bad("no timestamp");
    if (seq === undefined || seq < 0 || seq > 255) return void bad(`seq ${seq}`);
    if (type === "NBIRTH") {
      if (seq !== 0) bad(`NBIRTH with seq ${seq}`);
      this.#born = true;
      this.online.clear();
      this.metrics.clear();
      this.#aliases.clear();
    } else {
      if (!this.#born) bad("before NBIRTH");
      if (seq !== ((this.#seq ?? -1) + 1) % 256) bad(`seq ${seq} after ${this.#seq}`);
    }
    this.#seq = seq;
    const birth = type === "NBIRTH" || type === "DBIRTH";
    if (type === "DBIRTH") {
      this.online.add(device as string);
      for (const key of this.metrics.keys()) {
        if (key.startsWith(`${device}/`)) this.metrics.delete(key);
      }
      for (const [alias, key] of this.#aliases) {
        if (key.startsWith(`${device}/`)) this.#aliases.delete(alias);
      }
    }
    if (type === "DDATA" && !this.online.has(device as string)) bad("DDATA before DBIRTH");
    if (type === "DDEATH" && !this.online.delete(device as string)) bad("DDEATH before DBIRTH");
    const decoded = tahu.decodePayload(payload).metrics ?? [];
    for (const [i, metric] of raw.metrics.entries()) {
      const read = decoded[i] as Decoded;
      if (!Object.hasOwn(metric, "timestamp")) bad(`metric ${i} has no timestamp`);
      const alias = Object.hasOwn(metric, "alias") ? number(metric.alias) : undefined;
      if (birth) {
        this.#birthMetric(device, read, alias, bad);
        continue;
      }
      if (Object.hasOwn(metric, "name")) bad(`metric ${metric.name} has a name beside its alias`);
      const key = this.#aliases.get(alias ?? -1) ?? "";
      const known = this.metrics.get(key);
      if (known === undefined) {
        bad(`unknown alias ${alias}`);
        continue;
      }
      if (!key.startsWith(`${device ?? ""}/`)) bad(`alias ${alias} of another`);
      if (known.type !== read.type) bad(`${key} was ${known.type}, now ${read.type}`);
      known.value = metric.isNull === true ? undefined : read.value;
      known.quality = number(read.properties?.Quality?.value);
    }
    if (type === "NBIRTH") this.#nodeBirth(decoded, bad);
  }

  #birthMetric(
    device: string | undefined,
    { name = "", type, value, properties }: Decoded,
    alias: number | undefined,
    bad: (what: string) => void,
  ): void {
    const key = `${device ?? ""}/${name}`;
    if (name === "") bad("a metric of a birth without a name");
    if (this.metrics.has(key)) bad(`${key} twice`);
    const control = name === "Node Control/Rebirth" || name === "bdSeq";
    if (control && alias !== undefined) bad(`${name} must have no alias`);
    if (!control && alias === undefined) bad(`${name} has no alias`);
    if (alias !== undefined) {
      if (this.#aliases.has(alias)) bad(`alias ${alias} twice`);
      this.#aliases.set(alias, key);
    }
    const quality = number(properties?.Quality?.value);
    if (quality !== undefined && ![0, 192, 500].includes(quality)) bad(`quality ${quality}`);
    const unit = properties?.engUnit?.value as string | undefined;
    this.metrics.set(key, { type, value: value ?? undefined, quality, unit });
  }

  #nodeBirth(decoded: readonly Decoded[], bad: (what: string) => void): void {
    const rebirth = decoded.find(({ name }) => name === "Node Control/Rebirth");
    if (rebirth?.type !== "Boolean" || rebirth.value !== false) bad("no Node Control/Rebirth");
    this.bdSeq = number(decoded.find(({ name }) => name === "bdSeq")?.value);
    if (this.bdSeq === undefined) bad("no bdSeq");
  }
}
