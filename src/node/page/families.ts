/**
 * Every metric of the node, in one table by table. Pure. `README.md` beside this file is the same for
 * people; a test compares the two.
 *
 * How many series there are follows from the configuration and from tables of the node, never from
 * what a peer sends: a module that invents detectors or a KM that invents reasons adds none.
 */

import { type Family, one, type Sample } from "../../ops/metrics/exposition.ts";
import { type ProcessFacts, processFamilies } from "../../ops/page/process.ts";
import { type FigureName, figures } from "../../port/telemetry.ts";
import type { FigureReport } from "../telemetry/window.ts";
import type { LinkView, NodeView } from "./view.ts";

/** Detectors of one module that are told of. */
const mostDetectors = 16;

/** How a figure is named here; base units, as is the custom there. */
const units: Readonly<Record<FigureName, { readonly unit: string; readonly factor?: number }>> = {
  qber: { unit: "ratio" },
  visibility: { unit: "ratio" },
  secret_key_rate: { unit: "bits_per_second" },
  sifted_rate: { unit: "bits_per_second" },
  raw_rate: { unit: "hertz" },
  detector_counts: { unit: "hertz" },
  dark_counts: { unit: "hertz" },
  detector_temperature: { unit: "celsius" },
  laser_power: { unit: "dbm" },
  laser_bias: { unit: "amperes", factor: 1e-3 },
  channel_loss: { unit: "decibels" },
  key_buffer_fill: { unit: "ratio" },
  key_buffer_bits: { unit: "bits" },
  module_temperature: { unit: "celsius" },
};

function figureName(name: FigureName): string {
  const { unit } = units[name];
  const what = name.replace(/^module_/, "");
  return `qkd_module_${what.endsWith(`_${unit}`) ? what : `${what}_${unit}`}`;
}

/** A figure that is not good is absent: an old value would look like a new one. */
function figureSamples(module: string, name: FigureName, report: FigureReport | undefined) {
  if (report?.quality !== "good" || report.last === undefined) return [];
  const { factor = 1 } = units[name];
  const { last } = report;
  if (typeof last === "number") return [{ labels: { module }, value: last * factor }];
  return last
    .slice(0, mostDetectors)
    .map((value, i) => ({ labels: { module, detector: String(i) }, value: value * factor }));
}

function figureFamilies(modules: readonly LinkView[]): Family[] {
  const reports = modules.map((module) => [module.name, module.peekTelemetryWindow()] as const);
  return (Object.keys(figures) as FigureName[]).map((name) => ({
    name: figureName(name),
    type: "gauge",
    unit: units[name].unit,
    help: `Telemetry of the module: ${figures[name].about}.`,
    samples: reports.flatMap(([module, report]) => figureSamples(module, name, report[name])),
  }));
}

/** Counters of custody: name there, name here, and what it counts. */
const counters = [
  ["supplied", "qkd_keys_supplied", "Keys given to the KM, each counted once."],
  ["confirmed", "qkd_keys_confirmed", "Keys that the KM confirmed, durably recorded."],
  ["repeats", "qkd_keys_repeated", "Further supplies of a key after a reconnect or a refusal."],
  ["bits", "qkd_key_confirmed_bits", "Key that the KM confirmed, in bits.", "bits"],
  ["withheld", "qkd_blocks_withheld", "Blocks withheld from the KM, whatever the reason."],
  ["quarantined", "qkd_keys_quarantined", "Keys refused for good, and blocks that are damaged."],
  ["empty_blocks", "qkd_blocks_empty", "Blocks that yielded no key."],
  ["released_blocks", "qkd_blocks_released", "Blocks that the module confirmed to have let go."],
] as const;

const levels = [
  ["in_flight", "qkd_keys_in_flight", "Keys supplied and not yet answered for."],
  ["held_blocks", "qkd_blocks_held", "Blocks in the node's memory."],
] as const;

function supplyFamilies(modules: readonly LinkView[]): Family[] {
  const supplies = modules.map((module) => [module.name, module.supply()] as const);
  const samples = (from: string): Sample[] =>
    supplies.flatMap(([module, supply]) => {
      const value = supply[from];
      return typeof value === "number" ? [{ labels: { module }, value }] : [];
    });
  const refusals = supplies.flatMap(([module, { refused }]) => {
    if (typeof refused !== "object") return [];
    // Custody knows a fixed set of reasons: what a KM says beside them is `other`.
    const reasons = Object.entries(refused).sort(([a], [b]) => (a < b ? -1 : 1));
    return reasons.map(([reason, value]) => ({ labels: { module, reason }, value }));
  });
  return [
    ...counters.map(([from, name, help, unit]) => ({
      name,
      type: "counter" as const,
      ...(unit !== undefined && { unit }),
      help,
      samples: samples(from),
    })),
    {
      name: "qkd_keys_refused",
      type: "counter",
      help: "Answers of the KM that were not success, by reason.",
      samples: refusals,
    },
    ...levels.map(([from, name, help]) => ({
      name,
      type: "gauge" as const,
      help,
      samples: samples(from),
    })),
  ];
}

function stateFamilies(modules: readonly LinkView[]): Family[] {
  const states = modules.map((module) => [module.name, module.state()] as const);
  const gauge = (name: string, help: string, samples: Sample[]): Family => ({
    name,
    type: "gauge",
    help,
    samples,
  });
  return [
    {
      name: "qkd_module",
      type: "info",
      help: "The module that answers.",
      samples: modules.map((module) => {
        const { name, km: _km, where: _where, key_exchange: _, ...known } = module.describe();
        return { labels: { module: name, ...known }, value: 1 };
      }),
    },
    gauge(
      "qkd_module_up",
      "1 while the module is connected.",
      states.map(([module, { module: condition }]) => {
        return { labels: { module }, value: condition === "OPERATING" ? 1 : 0 };
      }),
    ),
    gauge(
      "qkd_km_up",
      "1 while the KM is connected, or is the one who connects.",
      modules.flatMap((module) =>
        module.kms().map(({ name, condition }) => ({
          labels: { module: module.name, km: name },
          value: condition === "DOWN" ? 0 : 1,
        })),
      ),
    ),
    {
      ...gauge(
        "qkd_module_state_age_seconds",
        "Time since module, KM or ledger changed state.",
        modules.map((module) => {
          return { labels: { module: module.name }, value: module.stateAge() / 1_000 };
        }),
      ),
      unit: "seconds",
    },
  ];
}

function healthFamilies(modules: readonly LinkView[]): Family[] {
  const verdicts = modules.map((module) => [module.name, module.health()] as const);
  return [
    {
      name: "qkd_supply_ready",
      type: "gauge",
      help: "1 while keys arrive at the KM, or would as soon as there are some.",
      samples: verdicts.map(([module, { ready }]) => ({
        labels: { module },
        value: ready ? 1 : 0,
      })),
    },
    {
      name: "qkd_supply_verdict",
      type: "gauge",
      help: "1 for the verdict that holds: its level (good, waiting, attention, bad) and its reason.",
      samples: verdicts.map(([module, { level, code }]) => ({
        labels: { module, level, reason: code },
        value: 1,
      })),
    },
    {
      name: "qkd_kept_back",
      type: "gauge",
      help: "Blocks, or keys in quarantine, that are kept back from the KM, by what for.",
      samples: modules.flatMap((module) =>
        Object.entries(module.keptCounts()).map(([reason, value]) => ({
          labels: { module: module.name, reason },
          value,
        })),
      ),
    },
  ];
}

function alarmSamples(node: NodeView): Sample[] {
  const counts = new Map<string, Sample & { value: number }>();
  for (const { name, severity } of node.alarms.records()) {
    if (severity === "cleared") continue;
    const known = counts.get(`${name} ${severity}`);
    if (known !== undefined) known.value++;
    else counts.set(`${name} ${severity}`, { labels: { name, severity }, value: 1 });
  }
  return [...counts.values()];
}

export function families(node: NodeView, process: ProcessFacts): Family[] {
  const broker = node.broker();
  return [
    {
      name: "qkd_node",
      type: "info",
      help: "This node and its software.",
      samples: [{ labels: { node: node.id, version: node.version }, value: 1 }],
    },
    one("qkd_node_boots", "counter", "Starts of the node on its state.", node.boot),
    one(
      "qkd_node_uptime_seconds",
      "gauge",
      "Time since the process began.",
      node.uptime() / 1_000,
      "seconds",
    ),
    ...stateFamilies(node.modules),
    ...healthFamilies(node.modules),
    ...figureFamilies(node.modules),
    ...supplyFamilies(node.modules),
    {
      name: "qkd_alarms",
      type: "gauge",
      help: "Raised alarms, by name and severity.",
      samples: alarmSamples(node),
    },
    one("qkd_events", "counter", "Events since the process began.", node.history.sequence),
    ...(broker === undefined
      ? []
      : [one("qkd_broker_up", "gauge", "1 while the broker is connected.", broker.up ? 1 : 0)]),
    ...processFamilies(process),
  ];
}
