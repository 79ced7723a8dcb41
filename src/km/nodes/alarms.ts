/** Alarms of nodes as a key manager shows them: each once, though a node tells it with each of its modules. Pure. */
import { severities } from "../../wire/kq2/names.ts";
import type { NodeAlarmStatus, ToldStatus } from "../model/status.ts";

/** The most severe first, then the oldest. @param told by the modules' names */
export function nodeAlarms(told: ReadonlyMap<string, ToldStatus>): NodeAlarmStatus[] {
  const found = new Map<string, NodeAlarmStatus>();
  for (const [module, { node, current, age_s, alarms }] of told) {
    for (const alarm of alarms) {
      const key = `${node}\0${alarm.alarm}`;
      const known = found.get(key);
      const modules = [...(known?.modules ?? []), module];
      // Of two words about one alarm the later is how it is.
      const isLater = known === undefined || age_s < known.age_s;
      found.set(key, isLater ? { ...alarm, node, current, age_s, modules } : { ...known, modules });
    }
  }
  const rank = ({ severity }: NodeAlarmStatus) => severities.indexOf(severity);
  return [...found.values()].sort((a, b) => rank(a) - rank(b) || (a.since < b.since ? -1 : 1));
}
