/** The node's data as Sparkplug metrics: names as in the JSON interface, below a few folders. Pure. */

import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import { type Level, levelOf, rank } from "../../ops/alarms/severity.ts";
import { type Metric, quality } from "../../ops/sparkplug/payload.ts";
import { type FigureName, figures } from "../../port/telemetry.ts";
import { alarmNames } from "../alarms/catalogue.ts";
import type { NodeFacts } from "../manager/payloads.ts";
import type { ModuleDescription, ModuleState } from "../model/manager.ts";
import type { FigureReport, WindowReport } from "../telemetry/window.ts";

/** Detectors that are shown; a module may claim to have more. */
const mostParts = 16;

export type Supply = Readonly<Record<string, number | Readonly<Record<string, number>>>>;

export interface DeviceData {
  readonly description: ModuleDescription;
  readonly state: ModuleState;
  /** Of the last window; figures that came once stay. */
  readonly figures: WindowReport;
  readonly supply: Supply;
}

/** The worst severity of the alarms of each name. */
function alarmMetrics(records: readonly AlarmRecord[]): Metric[] {
  const worst = new Map<string, number>();
  for (const { name, severity } of records) {
    worst.set(name, Math.max(worst.get(name) ?? 0, rank(severity)));
  }
  const all = Math.max(0, ...worst.values());
  const metric = (name: string, value: Level): Metric => ({
    name: `Alarms/${name}`,
    type: "String",
    value,
  });
  return [
    metric("worst", levelOf(all)),
    ...alarmNames.map((name) => metric(name, levelOf(worst.get(name) ?? 0))),
  ];
}

function ofModule({ object }: AlarmRecord, module: string): boolean {
  return object === module || object.startsWith(`${module}.`);
}

/** @param modules names of modules: their alarms are theirs */
export function nodeMetrics(
  facts: NodeFacts,
  digest: string,
  records: readonly AlarmRecord[],
  modules: readonly string[],
): Metric[] {
  const own = records.filter((record) => !modules.some((module) => ofModule(record, module)));
  return [
    { name: "Properties/node", type: "String", value: facts.node },
    { name: "Properties/version", type: "String", value: facts.version },
    { name: "Properties/boot", type: "UInt64", value: facts.boot },
    { name: "Properties/configuration_digest", type: "String", value: digest },
    ...alarmMetrics(own),
  ];
}

const described = [
  "module_id",
  "matching_module_id",
  "role",
  "vendor",
  "model",
  "serial",
  "firmware",
] as const;

export function deviceMetrics(
  module: string,
  data: DeviceData,
  records: readonly AlarmRecord[],
): Metric[] {
  const { description, state, supply } = data;
  const text = (name: string, value: string | undefined): Metric => {
    return { name, type: "String", value };
  };
  return [
    ...described.map((name) => text(`Properties/${name}`, description[name])),
    text("State/module", state.module),
    text("State/link", state.link),
    text("State/km", state.km),
    text("State/reason", state.reason),
    ...Object.entries(data.figures).flatMap(([name, report]) =>
      figureMetrics(name as FigureName, report),
    ),
    ...Object.entries(supply).map(([name, value]): Metric => {
      const total =
        typeof value === "number" ? value : Object.values(value).reduce((sum, n) => sum + n, 0);
      return { name: `Supply/${name}`, type: "UInt64", value: total };
    }),
    ...alarmMetrics(records.filter((record) => ofModule(record, module))),
  ];
}

function figureMetrics(name: FigureName, report: FigureReport): Metric[] {
  const { last } = report;
  const found = { good: undefined, stale: quality.stale, out_of_range: quality.bad }[
    report.quality
  ];
  const { unit } = figures[name];
  const metric = (suffix: string, value: number | undefined): Metric => ({
    name: `Telemetry/${name}${suffix}`,
    type: "Double",
    value,
    quality: found,
    unit,
  });
  if (last === undefined || typeof last === "number") return [metric("", last)];
  return last.slice(0, mostParts).map((value, i) => metric(`/${i}`, value));
}
