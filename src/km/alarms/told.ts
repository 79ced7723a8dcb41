/** Alarms as the surfaces show them. Pure. */
import { rank } from "../../ops/alarms/severity.ts";
import type { KmAlarmStatus } from "../model/status.ts";
import { catalogue, type KmAlarmName } from "./catalogue.ts";
import type { KmAlarms } from "./rules.ts";

/** Worst first, then the oldest. */
export function alarmStatus(alarms: KmAlarms): KmAlarmStatus[] {
  const records = alarms.raised();
  records.sort((a, b) => rank(b.severity) - rank(a.severity) || a.raisedAt - b.raisedAt);
  return records.map(({ id, name, severity, active, acknowledged, raisedAt, count, detail }) => {
    const { text, action } = catalogue[name as KmAlarmName];
    return {
      alarm: id,
      severity,
      active,
      acknowledged,
      since: new Date(raisedAt).toISOString(),
      count,
      ...(detail !== undefined && { detail }),
      text,
      action,
    };
  });
}
