/**
 * A Sparkplug B edge node (§5, §6): births, data by exception, deaths, sequence numbers and aliases.
 * It makes messages and sends none. Pure.
 */
import { sparkplugRoot } from "../manager/topics.ts";
import { encode, type Metric, rebirthName, type SentMetric } from "./payload.ts";

export type MessageType = "NBIRTH" | "NDATA" | "NDEATH" | "DBIRTH" | "DDATA" | "DDEATH";

export interface Message {
  readonly type: MessageType;
  readonly topic: string;
  readonly payload: Buffer;
}

export interface EdgeName {
  readonly group: string;
  readonly edge: string;
}

/** Sequence numbers and birth/death numbers are 0 to 255, and begin anew. */
const numbers = 256;

export class EdgeNode {
  readonly #name: EdgeName;
  /** Of the connection at hand; −1 before the first. */
  #bdSeq = -1;
  #seq = 0;
  readonly #aliases = new Map<string, number>();
  /** What a host knows, by the name under which a metric has its alias. */
  readonly #known = new Map<string, Metric>();
  /** Devices that were born, and the metrics of their birth. */
  readonly #born = new Map<string, string>();
  #nodeBorn = false;

  constructor(name: EdgeName) {
    this.#name = name;
  }

  /** Where commands to the node come in. */
  get commands(): string {
    return this.#topic("NCMD");
  }

  /** A connection begins. @returns its will */
  connecting(at: number): Message {
    this.#bdSeq = (this.#bdSeq + 1) % numbers;
    this.#nodeBorn = false;
    return this.death(at);
  }

  /** The node goes; also its will. */
  death(at: number): Message {
    const metrics = [this.#bdSeqMetric()];
    const payload = encode({ at, metrics, seq: undefined });
    return { type: "NDEATH", topic: this.#topic("NDEATH"), payload };
  }

  /** The node is there, or there anew: all that was known of it is void; its devices are born after. */
  birth(metrics: readonly Metric[], at: number): Message {
    this.#known.clear();
    this.#born.clear();
    this.#seq = 0;
    this.#nodeBorn = true;
    const rebirth = { name: rebirthName, type: "Boolean", value: false } as const;
    const sent: SentMetric[] = [
      this.#bdSeqMetric(),
      // It must have no alias: a host that knows none of ours asks for it by name.
      { metric: rebirth, name: true, alias: undefined },
      ...this.#tell(undefined, metrics, true),
    ];
    return this.#message("NBIRTH", undefined, sent, at);
  }

  /** The node's metrics as they are now. @returns what changed, if anything did */
  data(metrics: readonly Metric[], at: number): Message | undefined {
    if (!this.#nodeBorn) return undefined;
    const sent = this.#tell(undefined, metrics, false);
    return sent.length === 0 ? undefined : this.#message("NDATA", undefined, sent, at);
  }

  /** A device's metrics as they are now. @returns its birth, what changed, or nothing */
  device(id: string, metrics: readonly Metric[], at: number): Message | undefined {
    if (!this.#nodeBorn) return undefined;
    const shape = metrics.map(({ name, type }) => `${name} ${type}`).join("\n");
    // What was not in the birth must not be in data: a new figure needs a new birth.
    const birth = this.#born.get(id) !== shape;
    const sent = this.#tell(id, metrics, birth);
    if (birth) this.#born.set(id, shape);
    if (sent.length === 0) return undefined;
    return this.#message(birth ? "DBIRTH" : "DDATA", id, sent, at);
  }

  /** A device is lost. @returns undefined if it was not born */
  deviceDeath(id: string, at: number): Message | undefined {
    if (!this.#nodeBorn || !this.#born.delete(id)) return undefined;
    return this.#message("DDEATH", id, [], at);
  }

  #bdSeqMetric(): SentMetric {
    const metric = { name: "bdSeq", type: "Int64", value: this.#bdSeq } as const;
    return { metric, name: true, alias: undefined };
  }

  #tell(device: string | undefined, metrics: readonly Metric[], birth: boolean): SentMetric[] {
    const sent: SentMetric[] = [];
    for (const metric of metrics) {
      const key = `${device ?? ""}/${metric.name}`;
      const known = this.#known.get(key);
      const same =
        known !== undefined && known.value === metric.value && known.quality === metric.quality;
      if (!birth && same) continue;
      this.#known.set(key, metric);
      sent.push({ metric, name: birth, alias: this.#alias(key) });
    }
    return sent;
  }

  #alias(key: string): number {
    const alias = this.#aliases.get(key) ?? this.#aliases.size + 1;
    this.#aliases.set(key, alias);
    return alias;
  }

  #message(
    type: MessageType,
    device: string | undefined,
    metrics: readonly SentMetric[],
    at: number,
  ): Message {
    const seq = this.#seq;
    this.#seq = (seq + 1) % numbers;
    return { type, topic: this.#topic(type, device), payload: encode({ at, metrics, seq }) };
  }

  #topic(type: MessageType | "NCMD", device?: string): string {
    const { group, edge } = this.#name;
    return [sparkplugRoot, group, type, edge, ...(device === undefined ? [] : [device])].join("/");
  }
}
