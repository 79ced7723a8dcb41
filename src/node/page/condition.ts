/** What the page shows first of a module's link: the verdict on its supply. Pure. */

import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import { rank } from "../../ops/alarms/severity.ts";
import type { Verdict } from "../alarms/verdict.ts";

/** Raised alarms, worst first, then the newest. */
export function raised(records: readonly AlarmRecord[]): AlarmRecord[] {
  return records
    .filter(({ severity }) => severity !== "cleared")
    .sort((a, b) => rank(b.severity) - rank(a.severity) || b.raisedAt - a.raisedAt);
}

/** The verdict as the page and `/readyz` show it. */
export function conditionOf({ level, code, text, action, since, ready }: Verdict) {
  return { level, code, text, action, since, ready };
}
