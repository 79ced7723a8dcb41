/** What a KM is told of a module, from what the node shows of it. Pure. */
import { shortText } from "../../base/short-text.ts";
import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import { type FigureName, type FigureValue, figures } from "../../port/telemetry.ts";
import { limits } from "../../wire/kq2/names.ts";
import type { Status, StatusAlarm } from "../../wire/kq2/status.ts";
import { kindOf } from "../alarms/catalogue.ts";
import type { ModuleState } from "../model/manager.ts";
import type { WindowReport } from "../telemetry/window.ts";

/** Module IDs of Kq-1; the other end's is empty while it is not known. */
export interface ModuleIds {
  readonly moduleId: string;
  readonly matchingModuleId: string;
}

export interface StatusParts {
  readonly nodeId: string;
  readonly ids: ModuleIds;
  readonly state: ModuleState;
  readonly window: WindowReport;
  /** Of this module and of the whole node. */
  readonly alarms: readonly AlarmRecord[];
  /** ms since 1970 UTC */
  readonly wall: number;
}

export function statusOf({ nodeId, ids, state, window, alarms, wall }: StatusParts): Status {
  return {
    nodeId,
    ...ids,
    at: wall,
    module: state.module,
    link: state.link,
    since: state.since,
    reason: shortText(state.reason, limits.text),
    figures: figuresOf(window),
    alarms: alarms.flatMap(alarmOf),
    leftOut: 0,
  };
}

/**
 * Alarms of a module and those of the whole node: all but those of its other modules.
 * @param modules names of all modules of the node
 */
export function alarmsOf(
  records: readonly AlarmRecord[],
  module: string,
  modules: readonly string[],
): readonly AlarmRecord[] {
  const isOf = (object: string, name: string) => object === name || object.startsWith(`${name}.`);
  return records.filter(
    ({ object }) =>
      isOf(object, module) || !modules.some((other) => other !== module && isOf(object, other)),
  );
}

/** The last values, where they are of now: what the module told long ago is not how it is. */
function figuresOf(window: WindowReport): Status["figures"] {
  const found: Partial<Record<FigureName, FigureValue>> = {};
  for (const name of Object.keys(figures) as FigureName[]) {
    const { last, quality } = window[name] ?? {};
    if (last === undefined || quality !== "good") continue;
    if (typeof last !== "number" && last.length > limits.list) continue;
    found[name] = last;
  }
  return found;
}

function alarmOf(record: AlarmRecord): readonly StatusAlarm[] {
  const { severity, value, threshold, detail } = record;
  if (severity === "cleared") return [];
  const isNumber = (number: number | undefined) => number !== undefined && Number.isFinite(number);
  return [
    {
      id: shortText(record.id, limits.name),
      name: shortText(record.name, limits.name),
      object: shortText(record.object, limits.name),
      severity,
      active: record.active,
      acknowledged: record.acknowledged,
      raisedAt: record.raisedAt,
      changedAt: record.changedAt,
      ...(isNumber(value) && { value: value as number }),
      ...(isNumber(threshold) && { threshold: threshold as number }),
      ...(detail !== undefined && { detail: shortText(detail, limits.text) }),
      text: shortText(kindOf(record.name).text, limits.text),
    },
  ];
}
