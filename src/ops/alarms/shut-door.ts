/** Whether a door lets no peer in, by the alarms about its certificate and lists. Pure. */
import type { ShownAlarm } from "./program-alarms.ts";

export interface ShutDoor {
  /** Name of the alarm. */
  readonly name: string;
  /** Behind "the". */
  readonly what: string;
  readonly action: string;
}

const notYet = "not valid yet";
const ranOut = " has run out";

/** @param door as its alarms name it; a file of it that cannot be read leaves what was read in use */
export function shutDoor(alarms: readonly ShownAlarm[], door: string): ShutDoor | undefined {
  const found = alarms.find(({ alarm, active, severity, detail = "" }) => {
    if (!active) return false;
    if (alarm === `certificate_invalid.${door}`) return detail === "expired" || detail === notYet;
    // Critical is a list that has run out only where none but fresh ones will do.
    return alarm === `crl_invalid.${door}` && severity === "critical" && detail.endsWith(ranOut);
  });
  if (found === undefined) return undefined;
  const [name = ""] = found.alarm.split(".");
  const { detail = "", action } = found;
  const end = detail === "expired" ? "has expired" : detail === notYet ? `is ${notYet}` : detail;
  const what = name === "crl_invalid" ? `revocation ${end}` : `certificate of ${door} ${end}`;
  return { name, what, action };
}
