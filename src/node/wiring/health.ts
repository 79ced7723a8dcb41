/** How the node is, in one line, for systemd and for an update on trial. */
import { counted } from "../../base/words.ts";
import type { VerdictCode } from "../alarms/verdict.ts";
import type { ModuleView } from "../model/manager.ts";

/** What no software is to blame for: an update is not taken back because a fibre was cut meanwhile. */
const ofLink: readonly VerdictCode[] = [
  "no_light",
  "qber_high",
  "no_key",
  "all_kept_back",
  "alarm",
];

/**
 * @param broker whether the manager's broker is connected; undefined: none is configured
 * @returns begins with `healthy` if every module, its KM and the broker are up, and keys are not stuck between them
 */
export function healthLine(modules: readonly ModuleView[], broker: boolean | undefined): string {
  const troubles = modules.flatMap((view) => {
    const { module, km } = view.state();
    const { level, code, text } = view.health();
    const isOurs = level === "bad" && !ofLink.includes(code);
    return [
      ...(module === "OPERATING" ? [] : [`module ${view.name} is ${module}`]),
      ...(km === "UP" ? [] : [`KM of ${view.name} is ${km}`]),
      ...(isOurs && module === "OPERATING" && km === "UP" ? [`${view.name}: ${text}`] : []),
    ];
  });
  if (broker === false) troubles.push("no broker");
  if (troubles.length > 0) return `not healthy: ${troubles.join(", ")}`;
  return `healthy: ${counted(modules.length, "module with its KM", "modules with their KMs")}`;
}
