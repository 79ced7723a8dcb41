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
  /** By its name of the node's configuration; missing where it is of the node. */
  readonly module?: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

export interface ReportedAlarm {
  readonly alarm: string;
  readonly severity: string;
  /** What it means, for a person. */
  readonly text: string;
  readonly detail?: string;
  /** RFC 3339: when the node saw it. */
  readonly raised: string;
}

/** What a node told of one of its modules. */
export interface ModuleReport {
  module: string;
  link: string;
  km: string;
  reason: string;
  /** Last telemetry: figure → last value. */
  figures: Record<string, number | number[]>;
  /** Last counters of each boot: they begin again with the process. */
  readonly boots: Map<number, Counters>;
}

/** A node; where it has several modules, what is told of one is that of whichever was told of last. */
export interface NodeReport extends ModuleReport {
  status: string;
  /** By the names of the node's configuration. */
  readonly modules: Map<string, ModuleReport>;
  /** Raised alarms by their ID. */
  readonly alarms: Map<string, ReportedAlarm>;
  /** By event_id: a repeat is the same event. */
  readonly events: Map<string, ReportedEvent>;
}

function nothingTold(): ModuleReport {
  return { module: "DOWN", link: "OFF", km: "DOWN", reason: "", figures: {}, boots: new Map() };
}

function total(boots: ModuleReport["boots"]): Counters {
  const sum = Object.fromEntries(names.map((name) => [name, 0])) as Record<keyof Counters, number>;
  for (const counters of boots.values()) {
    for (const name of names) sum[name] += counters[name] ?? 0;
  }
  return sum;
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
        ...nothingTold(),
        status: "unknown",
        modules: new Map(),
        alarms: new Map(),
        events: new Map(),
      };
      this.#nodes.set(id, report);
    }
    return report;
  }

  module(id: string, name: string): ModuleReport {
    const { modules } = this.node(id);
    const report = modules.get(name) ?? nothingTold();
    modules.set(name, report);
    return report;
  }

  /** Counters over all starts of a node; of one of its modules, where it has several. */
  counters(id: string, module?: string): Counters {
    return total((module === undefined ? this.node(id) : this.module(id, module)).boots);
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
    else if (kind === "kq1" || kind === "module") {
      for (const one of [node, this.module(id, rest[0] ?? "")]) take(one, kind, rest[1], payload);
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: as it came from JSON
function take(report: ModuleReport, kind: string, which: string | undefined, payload: any): void {
  if (kind === "kq1") report.boots.set(payload.boot, payload);
  else if (which === "state") {
    const { module, link, km, reason } = payload;
    Object.assign(report, { module, link, km, reason });
  } else if (which === "telemetry") {
    for (const [name, figure] of Object.entries(payload.figures)) {
      report.figures[name] = (figure as { last: number | number[] }).last;
    }
  }
}
