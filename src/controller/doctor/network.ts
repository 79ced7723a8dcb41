/** What a running controller says of its network: key managers, links, routes, alarms. */
import { counted } from "../../base/words.ts";
import { type Finding, fail, ok, warn } from "../../ops/doctor/finding.ts";
import { isAway, isLost, missedLinks } from "../model/missed.ts";
import type { Running } from "./subject.ts";

export function checkRole({ status: { role, verdict } }: Running): Finding {
  const name = ["role", "role"] as const;
  if (role === "active") return ok(name, "it leads");
  return warn(name, verdict.text, "nothing is to be done if another controller is meant to lead");
}

export function checkKms({ status: { nodes } }: Running): Finding {
  const name = ["kms", "key managers"] as const;
  const away = nodes.filter(isAway);
  const count = `${nodes.filter(({ attached }) => attached).length} of ${nodes.length} connected`;
  if (away.length === 0) return ok(name, count);
  const some = away.slice(0, 5).map(({ km }) => km);
  const more = away.length > some.length ? `, and ${away.length - some.length} more` : "";
  const advice =
    "look at them: qkd-km doctor there; their [controller] and certificate must fit node.NAME.names";
  return warn(name, `${count}; away: ${some.join(", ")}${more}`, advice);
}

export function checkLinks({ status }: Running): Finding[] {
  const bad = missedLinks(status);
  if (bad.length === 0) {
    const count = counted(status.links.length, "link");
    return [ok(["links", "links"], `${count}, none bad that is meant to serve`)];
  }
  return bad
    .slice(0, 10)
    .map(({ link, reason }) =>
      warn([`link.${link}`, `link ${link}`], reason, "look at its modules and their nodes"),
    );
}

export function checkRoutes({ status: { pairs } }: Running): Finding {
  const name = ["routes", "routes"] as const;
  const lost = pairs.filter(isLost).map(({ pair }) => pair);
  if (lost.length === 0) {
    if (pairs.length === 0) return ok(name, "no pair asks for keys");
    return ok(
      name,
      `${counted(pairs.length, "pair asks", "pairs ask")} for keys, each has a route`,
    );
  }
  const shown = lost.slice(0, 5).join(", ");
  return fail(name, `no route: ${shown}`, "qkd-controller links says why links are not used");
}

/** What does not fit in an answer was not looked at: all may be well of the rest alone. */
export function checkWhole({ status: { omitted = {} } }: Running): Finding[] {
  return Object.entries(omitted).map(([list, more]) => {
    const found = `${more} more ${list} do not fit in an answer: they were not looked at`;
    return warn(
      [`whole.${list}`, list],
      found,
      "the map, and qkd-controller status, count them all",
    );
  });
}

/** Does it complain of something that the other checks do not see? */
export function checkAlarms({ status: { alarms } }: Running): Finding {
  const name = ["alarms", "alarms"] as const;
  const grave = alarms.filter(({ severity }) => ["critical", "major"].includes(severity));
  if (grave.length === 0) {
    return ok(name, alarms.length === 0 ? "none is raised" : `${alarms.length} minor`);
  }
  const names = grave.slice(0, 10).map(({ alarm, severity }) => `${alarm} (${severity})`);
  return warn(name, names.join(", "), "qkd-controller alarms says of each what it means");
}
