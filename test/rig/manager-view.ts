/** What the manager knows of the nodes, from the broker's messages alone. */
import type { Broker, PublishedMessage } from "../emulator/broker.ts";

export interface Counters {
  readonly supplied: number;
  readonly confirmed: number;
  readonly repeats: number;
  readonly withheld: number;
  readonly quarantined: number;
  readonly empty_blocks: number;
  readonly bits: number;
}

const names = [
  "supplied",
  "confirmed",
  "repeats",
  "withheld",
  "quarantined",
  "empty_blocks",
  "bits",
] as const satisfies readonly (keyof Counters)[];

export interface ReportedEvent {
  readonly event_id: string;
  readonly sequence: number;
  readonly type: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

export interface ReportedAlarm {
  readonly alarm: string;
  readonly severity: string;
  /** What it means, for a person. */
  readonly text: string;
  readonly detail?: string;
}

export interface NodeReport {
  status: string;
  module: string;
  link: string;
  km: string;
  reason: string;
  /** Last telemetry: figure → last value. */
  figures: Record<string, number | number[]>;
  /** Raised alarms by their ID. */
  readonly alarms: Map<string, ReportedAlarm>;
  /** By event_id: a repeat is the same event. */
  readonly events: Map<string, ReportedEvent>;
  /** Last counters of each boot: they begin again with the process. */
  readonly boots: Map<number, Counters>;
}

export class ManagerView {
  readonly #nodes = new Map<string, NodeReport>();

  /** @param base topic levels before the node's */
  constructor(broker: Broker, base = "qkdn/v1") {
    broker.on("published", (message) => this.#take(message, base));
  }

  node(id: string): NodeReport {
    let report = this.#nodes.get(id);
    if (report === undefined) {
      report = {
        status: "unknown",
        module: "DOWN",
        link: "OFF",
        km: "DOWN",
        reason: "",
        figures: {},
        alarms: new Map(),
        events: new Map(),
        boots: new Map(),
      };
      this.#nodes.set(id, report);
    }
    return report;
  }

  /** Counters over all starts of a node. */
  counters(id: string): Counters {
    const total = Object.fromEntries(names.map((name) => [name, 0])) as Record<
      keyof Counters,
      number
    >;
    for (const counters of this.node(id).boots.values()) {
      for (const name of names) total[name] += counters[name] ?? 0;
    }
    return total;
  }

  #take(message: PublishedMessage, base: string): void {
    if (!message.topic.startsWith(`${base}/`)) return;
    const [id = "", kind = "", ...rest] = message.topic.slice(base.length + 1).split("/");
    if (kind === "alarm" && message.payload.length === 0) {
      this.node(id).alarms.delete(rest.join("/"));
    }
    if (message.payload.length === 0) return;
    // Commands are another's messages, and not JSON.
    if (kind === "cmd") return;
    const node = this.node(id);
    const payload = JSON.parse(message.payload.toString("utf8"));
    if (kind === "status") node.status = payload.status;
    else if (kind === "alarm") {
      // One that is cleared is told as such once, and then removed.
      if (payload.severity === "cleared") node.alarms.delete(rest.join("/"));
      else node.alarms.set(rest.join("/"), payload);
    } else if (kind === "event") node.events.set(payload.event_id, payload);
    else if (kind === "kq1") node.boots.set(payload.boot, payload);
    else if (kind === "module" && rest[1] === "state") {
      const { module, link, km, reason } = payload;
      Object.assign(node, { module, link, km, reason });
    } else if (kind === "module" && rest[1] === "telemetry") {
      for (const [name, figure] of Object.entries(payload.figures)) {
        node.figures[name] = (figure as { last: number | number[] }).last;
      }
    }
  }
}
