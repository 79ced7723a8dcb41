/** The one headline of a controller: what every surface says first. Pure. */
import { counted } from "../../base/words.ts";
import { shutDoor } from "../../ops/alarms/shut-door.ts";
import { hasKeys } from "./look.ts";
import { isAway, isLost, meantToServe } from "./missed.ts";
import type { ControllerStatus, VerdictStatus, verdictCodes } from "./status.ts";

export type Verdict = VerdictStatus & { readonly code: (typeof verdictCodes)[number] };

/** Good only if all that is meant to serve does, and keys are known to be somewhere. */
export function verdictOf(
  isActive: boolean,
  { nodes, links, pairs }: Pick<ControllerStatus, "nodes" | "links" | "pairs">,
): Verdict {
  if (!isActive) {
    return { level: "waiting", code: "standby", text: "Another controller leads", action: "" };
  }
  const without = pairs.filter(isLost);
  if (without.length > 0) {
    return {
      level: "bad",
      code: "no_route",
      text: `${counted(without.length, "pair")} without a route`,
      action: "look at the links that are bad or not known",
    };
  }
  const wanted = meantToServe({ nodes, links });
  const bad = wanted.filter(({ state }) => state === "bad");
  if (bad.length > 0) {
    return {
      level: "attention",
      code: "links_bad",
      text: `${counted(bad.length, "link")} cannot be used; routes go around`,
      action: "look at their alarms and at the reasons beside them",
    };
  }
  const unknown = wanted.filter(({ state }) => state === "unknown");
  const away = nodes.filter(isAway);
  if (unknown.length > 0 || away.length > 0) {
    const parts = [
      ...(away.length > 0 ? [`${counted(away.length, "key manager")} not connected`] : []),
      ...(unknown.length > 0 ? [`${counted(unknown.length, "link")} not reported`] : []),
    ];
    return {
      level: "waiting",
      code: "not_all_reported",
      text: parts.join(", "),
      action: "look at the key managers and at the network between them and here",
    };
  }
  if (!links.some(hasKeys)) {
    return {
      level: "waiting",
      code: "nothing_known",
      text: links.length === 0 ? "No link is known yet" : "No link is known to have keys",
      action: "see whether the key managers are connected, and their links in service",
    };
  }
  return {
    level: "good",
    code: "ready",
    text: "All links are known, all pairs have routes",
    action: "",
  };
}

/** What they tell, the headline says of the network itself. */
const ofNetwork: ReadonlySet<string> = new Set(["km_away", "link_bad", "no_route"]);

/**
 * With the controller's own alarms, worst first: a grave one is in the headline if nothing else is wrong, and comes
 * before all else if it lets no key manager in.
 */
export function withAlarms(
  status: ControllerStatus,
  alarms: ControllerStatus["alarms"],
): ControllerStatus {
  const { verdict } = status;
  const shut = shutDoor(alarms, "ck");
  if (shut !== undefined) {
    // Those that are connected stay for now: all else that is told is of them.
    const text = `No key manager can connect: the ${shut.what}`;
    const told: Verdict = { level: "bad", code: "alarms", text, action: shut.action };
    return { ...status, alarms, verdict: told };
  }
  const found = alarms.find(({ alarm, severity }) => {
    const [name = ""] = alarm.split(".");
    return ["critical", "major"].includes(severity) && !ofNetwork.has(name);
  });
  if (verdict.level !== "good" || found === undefined) return { ...status, alarms };
  const text = `${verdict.text}; but ${found.text}`;
  const told: Verdict = { level: "attention", code: "alarms", text, action: found.action };
  return { ...status, alarms, verdict: told };
}
