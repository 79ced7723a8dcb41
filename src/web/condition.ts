/** How a module's link is, in one word and one line: what a person wants to know first. Pure. */
import type { AlarmRecord } from "../alarms/alarm.ts";
import { kindOf } from "../alarms/catalogue.ts";
import { rank } from "../alarms/severity.ts";
import type { ModuleState } from "../manager/view.ts";

/** `good`: keys flow, or may. `attention`: keys flow, but see the alarms. `bad`: no key gets through. */
export interface Condition {
  readonly level: "good" | "attention" | "bad";
  readonly text: string;
}

/** Whether an alarm is about this module, by its object: `alice`, `alice.main`. */
export function concerns(record: AlarmRecord, module: string): boolean {
  return record.object === module || record.object.startsWith(`${module}.`);
}

/** Raised alarms, worst first, then the newest. */
export function raised(records: readonly AlarmRecord[]): AlarmRecord[] {
  return records
    .filter(({ severity }) => severity !== "cleared")
    .sort((a, b) => rank(b.severity) - rank(a.severity) || b.raisedAt - a.raisedAt);
}

/**
 * @param keysPerSecond confirmed by the KM, over the last seconds
 * @param alarms of the whole node
 * @param halted why no key may leave the node; undefined: they may
 */
export function conditionOf(
  module: string,
  state: ModuleState,
  onRequest: boolean,
  keysPerSecond: number,
  alarms: readonly AlarmRecord[],
  halted: string | undefined,
): Condition {
  if (halted !== undefined) return { level: "bad", text: `No key leaves the node: ${halted}` };
  if (state.module !== "OPERATING") return { level: "bad", text: "No key: module does not answer" };
  if (state.km === "DOWN") {
    return { level: "bad", text: "Keys wait in the module: no KM can be reached" };
  }
  if (state.reason.includes("ledger:")) {
    return { level: "bad", text: "Keys wait in the module: ledger cannot be written" };
  }
  const own = raised(alarms).filter((one) => concerns(one, module));
  const worst = own[0];
  if (worst !== undefined && rank(worst.severity) >= rank("major")) {
    const text = capital(kindOf(worst.name).text.split(/[;:,]/)[0] as string);
    return { level: worst.severity === "critical" ? "bad" : "attention", text };
  }
  const flow = onRequest
    ? "Keys are ready for the KM"
    : keysPerSecond > 0
      ? "Keys flow"
      : "Ready, no key at the moment";
  if (own.length > 0) return { level: "attention", text: `${flow}; see the alarms` };
  return { level: "good", text: flow };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
