/** Does the node itself complain of something that the other checks do not see? */
import { type Finding, ok, warn } from "../../ops/doctor/finding.ts";
import type { Running } from "./subject.ts";

export function checkAlarms({ alarms }: Running): Finding {
  const name = ["alarms", "alarms"] as const;
  const grave = alarms.alarms.filter(({ severity }) => ["critical", "major"].includes(severity));
  const others = alarms.alarms.length - grave.length;
  if (grave.length === 0)
    return ok(
      name,
      others === 0 ? "none is raised" : `${others} minor ${others === 1 ? "one" : "ones"}`,
    );
  const names = grave.map(({ alarm, severity }) => `${alarm} (${severity})`);
  return warn(name, names.join(", "), "qkd-node alarms says of each what it means and what to do");
}
