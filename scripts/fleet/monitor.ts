/** A manager that watches the fleet: who is online, how long alarms took, what is missing. */
import { readFileSync } from "node:fs";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { NodeOptions } from "./node.ts";

interface Event {
  readonly sequence: number;
  readonly boot: number;
  readonly type: string;
  readonly facts: { readonly name?: string; readonly changed?: string };
}

export interface Traffic {
  readonly messages: number;
  /** Payloads and topics. */
  readonly bytes: number;
}

function text(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readFileSync(file, "utf8");
}

async function connect(options: NodeOptions): Promise<MqttClient> {
  const { username, password_file, ca, cert, key } = options.access;
  const files: IClientOptions = Object.fromEntries(
    Object.entries({
      username,
      password: text(password_file)?.trimEnd(),
      ca: text(ca),
      cert: text(cert),
      key: text(key),
    }).filter(([, value]) => value !== undefined),
  );
  const client = await mqtt.connectAsync(
    options.url,
    // It must be back before the nodes are.
    { ...files, protocolVersion: options.protocol, reconnectPeriod: 100, connectTimeout: 10_000 },
    false,
  );
  client.on("error", () => {});
  return client;
}

export class Monitor {
  /** Nodes that are online now. */
  readonly online = new Set<string>();
  /** Retained topics that are not empty. */
  readonly retained = new Set<string>();
  /** ms from an alarm's transition to its event here, since {@link take} */
  #latencies: number[] = [];
  #messages = 0;
  #bytes = 0;
  #raised = 0;
  #repeats = 0;
  /** By node and boot: sequence numbers of events that came. */
  readonly #events = new Map<string, Set<number>>();
  readonly #base: string;
  readonly #clients: readonly MqttClient[];
  readonly #onlineAt = new Map<string, number>();
  /** Since {@link forget}: nodes that were there before the monitor was, and those that told of an alarm. */
  readonly #early = new Set<string>();
  readonly #alarming = new Set<string>();
  /** What a broker kept from before says nothing about now; ms since 1970. */
  #since = 0;

  private constructor(base: string, clients: readonly MqttClient[]) {
    this.#base = base;
    this.#clients = clients;
  }

  static async connect(options: NodeOptions): Promise<Monitor> {
    const clients = await Promise.all([connect(options), connect(options)]);
    const monitor = new Monitor(options.base, clients);
    const [told, all] = clients as [MqttClient, MqttClient];
    told.on("message", (topic, payload, { retain }) => monitor.#told(topic, payload, retain));
    all.on("message", (topic, payload) => monitor.#seen(topic, payload));
    await told.subscribeAsync([`${options.base}/+/event`, `${options.base}/+/status`], { qos: 1 });
    await all.subscribeAsync(`${options.base}/#`, { qos: 0 });
    return monitor;
  }

  /** Alarms that were raised by modules and came here, each once. */
  get raised(): number {
    return this.#raised;
  }

  /**
   * Nodes that found the broker again before the monitor did, and told it of their alarm while the
   * monitor was away: its session is clean, it could not hear them. What they told is retained.
   * @param raised alarms of modules that each node has raised and not cleared
   */
  unheard(raised: number): number {
    const shows = (node: string) => {
      const start = `${this.#base}/${node}/alarm/module_fault:`;
      return [...this.retained].filter((topic) => topic.startsWith(start)).length >= raised;
    };
    return [...this.#early].filter((node) => !this.#alarming.has(node) && shows(node)).length;
  }

  /** Events that came twice. */
  get repeats(): number {
    return this.#repeats;
  }

  /** Events that are missing in the sequences that came. */
  get missing(): number {
    let missing = 0;
    for (const numbers of this.#events.values()) missing += Math.max(...numbers) - numbers.size;
    return missing;
  }

  get traffic(): Traffic {
    return { messages: this.#messages, bytes: this.#bytes };
  }

  /** Latencies since the last call, ms. */
  take(): number[] {
    const taken = this.#latencies;
    this.#latencies = [];
    return taken;
  }

  /** Forgets who is online, for the next connecting. */
  forget(): void {
    this.online.clear();
    this.#onlineAt.clear();
    this.retained.clear();
    this.#early.clear();
    this.#alarming.clear();
    this.#since = Date.now();
  }

  /** When each node came online, ms of `performance.now`. */
  get onlineAt(): readonly number[] {
    return [...this.#onlineAt.values()];
  }

  /** Removes what the fleet left at the broker. */
  async clear(): Promise<void> {
    const [client] = this.#clients;
    const remove = (topic: string) => client?.publishAsync(topic, "", { retain: true, qos: 1 });
    await Promise.all([...this.retained].map(remove));
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.endAsync(true)));
  }

  #seen(topic: string, payload: Buffer): void {
    this.#messages++;
    this.#bytes += topic.length + payload.length;
    if (/\/(status|inventory|state|alarm\/[^/]+)$/.test(topic)) {
      if (payload.length === 0) this.retained.delete(topic);
      else this.retained.add(topic);
    }
  }

  #told(topic: string, payload: Buffer, retain: boolean): void {
    if (payload.length === 0) return;
    const [node = "", kind] = topic.slice(this.#base.length + 1).split("/");
    const told = JSON.parse(payload.toString("utf8"));
    if (kind === "event") this.#event(node, told as Event);
    else if (told.status === "online") {
      if (Date.parse(told.t) < this.#since) return;
      if (retain) this.#early.add(node);
      this.online.add(node);
      if (!this.#onlineAt.has(node)) this.#onlineAt.set(node, performance.now());
    } else this.online.delete(node);
  }

  #event(node: string, { sequence, boot, type, facts }: Event): void {
    const key = `${node} ${boot}`;
    const numbers = this.#events.get(key) ?? new Set();
    this.#events.set(key, numbers);
    if (numbers.has(sequence)) this.#repeats++;
    else if (type.startsWith("alarm_") && facts.name === "module_fault") {
      if (type === "alarm_raised") {
        this.#raised++;
        this.#alarming.add(node);
      }
      // Nodes and monitor have one clock.
      this.#latencies.push(Date.now() - Date.parse(facts.changed ?? ""));
    }
    numbers.add(sequence);
  }
}
