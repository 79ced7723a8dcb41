/** What the configuration says of the network, as the core wants it; and what is wrong with it as a whole. Pure. */

import { didYouMean } from "../../base/words.ts";
import type { Hours } from "../policy/hours.ts";
import {
  type ApplicationPolicy,
  type ClassPolicy,
  type ControllerPolicy,
  defaultRules,
  type FillPolicy,
  type LinkPolicy,
  type NodePolicy,
  type PairPolicy,
  type Rules,
} from "../policy/network.ts";
import { routeProblem } from "../routing/fits.ts";
import { nameOf } from "../topology/names.ts";
import type { NetworkTables } from "./network.ts";
import { leastSilentMs } from "./notes.ts";
import type { RawConfig } from "./schema.ts";

type Node = NetworkTables["node"][string];
type Link = NetworkTables["link"][string];
type Pair = NetworkTables["pair"][string];
type Class = NetworkTables["class"][string];
type Application = NetworkTables["application"][string];
type Complain = (key: string, what: string) => void;

/** KM ID of a node of the configuration. */
function kmOf({ node }: NetworkTables, name: string): string {
  return node[name]?.km ?? name;
}

/** KM IDs, the smaller one first. */
function endsOf(tables: NetworkTables, [one, other]: readonly [string, string]) {
  const [a, b] = [kmOf(tables, one), kmOf(tables, other)].sort() as [string, string];
  return { a, b };
}

function nodePolicy(name: string, node: Node): NodePolicy {
  const { km = name, names, site, x, y, service, applications, controllers } = node;
  return {
    km,
    name,
    ...(names !== undefined && { names }),
    site,
    ...(x !== undefined && y !== undefined && { place: { x, y } }),
    ...(service !== undefined && { service }),
    applications,
    controllers,
  };
}

function linkPolicy(tables: NetworkTables, link: Link): LinkPolicy {
  const { between, length_km, service, expected_rate_bits_per_s: expected, ration } = link;
  const standbyFor = link.standby_for.flatMap((name) => {
    const other = tables.link[name];
    if (other === undefined) return [];
    const { a, b } = endsOf(tables, other.between);
    return [nameOf(a, b)];
  });
  return {
    ...endsOf(tables, between),
    ...(service !== undefined && { service }),
    ...(standbyFor.length > 0 && { standbyFor }),
    ...(length_km !== undefined && { length: length_km }),
    ...(expected !== undefined && { expectedRate: expected }),
    ...(link.modules.length > 0 && { modules: link.modules }),
    ...(ration !== undefined && {
      ration: {
        rate: ration.rate_bits_per_s,
        ...(ration.classes !== undefined && { classes: ration.classes }),
      },
    }),
  };
}

function fillPolicy({
  fill,
  rate_bits_per_s: rate = 0,
  low_bits,
  hours,
}: Pair): FillPolicy | undefined {
  switch (fill) {
    case undefined:
      return undefined;
    case "manual":
      return { kind: fill };
    case "fixed_rate":
      return { kind: fill, rate };
    case "adaptive":
      return { kind: fill, low: low_bits };
    case "scheduled":
      return {
        kind: fill,
        hours: hours.map(({ rate_bits_per_s, ...one }) => ({
          ...hoursOf(one),
          rate: rate_bits_per_s,
        })),
      };
  }
}

function hoursOf({ from, until, days }: Class["hours"][number]): Hours {
  return { from, until, ...(days !== undefined && { days }) };
}

function pairPolicy(tables: NetworkTables, pair: Pair): PairPolicy {
  const { between, class: of, demand_bits_per_s: demand, routes, scheme } = pair;
  const { high_bits: high, batch_bits: batch } = pair;
  const fill = fillPolicy(pair);
  const { a, b } = endsOf(tables, between);
  const [first, last] = between.map((name) => kmOf(tables, name)) as [string, string];
  const whole = routes.map((route) => {
    const kms = [first, ...route.map((name) => kmOf(tables, name)), last];
    return first === a ? kms : kms.reverse();
  });
  return {
    a,
    b,
    ...(of !== undefined && { class: of }),
    ...(demand !== undefined && { demand }),
    ...(whole.length > 0 && { routes: whole }),
    ...(fill !== undefined && { fill }),
    ...(high !== undefined && { high }),
    ...(batch !== undefined && { batch }),
    scheme,
  };
}

function classPolicy(name: string, table: Class): ClassPolicy {
  const { weight, guaranteed_bits_per_s: guaranteed, priority, most_bits_per_s: most } = table;
  const { hours, only_in_hours: onlyInHours, reserved } = table;
  return {
    ...{ name, weight, guaranteed, priority, onlyInHours, reserved },
    ...(most !== undefined && { most }),
    ...(hours.length > 0 && { hours: hours.map(hoursOf) }),
  };
}

function applicationPolicy(
  tables: NetworkTables,
  name: string,
  { id = name, node, class: of, sessions, with: peers }: Application,
): ApplicationPolicy {
  return {
    id,
    ...(node !== undefined && { km: kmOf(tables, node) }),
    ...(of !== undefined && { class: of }),
    ...(sessions !== undefined && { sessions }),
    ...(peers !== undefined && {
      // A name of this file, or an SAE ID.
      peers: peers.map((one) => tables.application[one]?.id ?? one),
    }),
  };
}

function rulesOf({ routing, sessions, accounting }: RawConfig): Rules {
  const { empty_bits: empty, low_bits: low, enough_bits: enough } = routing;
  return {
    ...defaultRules,
    silentMs: Math.max(leastSilentMs, routing.silent),
    averageMs: routing.average,
    settleMs: routing.settle,
    stock: { empty, low, enough },
    holdDownMs: routing.hold_down,
    hysteresis: routing.hysteresis,
    drainMs: routing.drain,
    routes: routing.routes,
    transit: routing.transit,
    avoidMs: routing.avoid,
    badAlarms: routing.bad_alarms,
    sessions: sessions.most,
    sessionsOfApplication: sessions.of_application,
    sessionMs: sessions.longest,
    accountMs: accounting.period,
    accountPeriods: accounting.periods,
  };
}

export function policyOf(raw: RawConfig): ControllerPolicy {
  const { controller, access, routing } = raw;
  return {
    id: controller.id,
    mode: controller.mode,
    nodes: Object.entries(raw.node).map(([name, node]) => nodePolicy(name, node)),
    links: Object.values(raw.link).map((link) => linkPolicy(raw, link)),
    pairs: Object.values(raw.pair).map((pair) => pairPolicy(raw, pair)),
    classes: Object.entries(raw.class).map(([name, one]) => classPolicy(name, one)),
    ...(routing.class !== undefined && { defaultClass: routing.class }),
    access: {
      openToKms: access.open_to_kms,
      openToApplications: access.open_to_applications,
      applications: Object.entries(raw.application).map(([name, one]) =>
        applicationPolicy(raw, name, one),
      ),
    },
    rules: rulesOf(raw),
  };
}

/** What is wrong with the tables together. */
export function checkNetwork(raw: RawConfig, complain: Complain): void {
  const known = (table: "node" | "link" | "class" | "application", name: string, key: string) => {
    const names = Object.keys(raw[table]);
    if (names.includes(name)) return;
    complain(key, `no such ${table}: ${name}${didYouMean(name, names)}`);
  };
  checkNodes(raw, complain);
  checkEnds(raw, complain, known);
  for (const [name, { standby_for, ration }] of Object.entries(raw.link)) {
    for (const one of standby_for) known("link", one, `link.${name}.standby_for`);
    if (standby_for.includes(name)) complain(`link.${name}.standby_for`, "is the link itself");
    for (const one of ration?.classes ?? []) known("class", one, `link.${name}.ration.classes`);
  }
  for (const name of Object.keys(raw.pair)) checkPair(raw, name, complain, known);
  for (const [name, { node, class: of }] of Object.entries(raw.application)) {
    if (node !== undefined) known("node", node, `application.${name}.node`);
    if (of !== undefined) known("class", of, `application.${name}.class`);
  }
  const { class: standard, empty_bits, low_bits, enough_bits } = raw.routing;
  if (standard !== undefined) known("class", standard, "routing.class");
  if (low_bits < empty_bits) complain("routing.low_bits", "expected at least empty_bits");
  if (enough_bits < low_bits) complain("routing.enough_bits", "expected at least low_bits");
}

function checkNodes({ node }: RawConfig, complain: Complain): void {
  const kms = new Map<string, string>();
  const owners = new Map<string, string>();
  for (const [name, { km = name, names = [km], x, y }] of Object.entries(node)) {
    const other = kms.get(km);
    if (other !== undefined) complain(`node.${name}.km`, `the node ${other} has it, too`);
    kms.set(km, name);
    for (const one of names) {
      const owner = owners.get(one);
      if (owner !== undefined) complain(`node.${name}.names`, `${owner} has the name ${one}, too`);
      owners.set(one, name);
    }
    if ((x === undefined) !== (y === undefined)) complain(`node.${name}`, "x and y go together");
  }
}

type Known = (table: "node" | "link" | "class" | "application", name: string, key: string) => void;

function checkEnds(raw: RawConfig, complain: Complain, known: Known): void {
  for (const kind of ["link", "pair"] as const) {
    const seen = new Map<string, string>();
    for (const [name, { between }] of Object.entries(raw[kind])) {
      const key = `${kind}.${name}.between`;
      for (const one of between) known("node", one, key);
      if (between[0] === between[1]) complain(key, "both ends are one node");
      const ends = [...between].sort().join(" ");
      const other = seen.get(ends);
      if (other !== undefined) complain(key, `${other} is between them, too`);
      seen.set(ends, name);
    }
  }
}

function checkPair(raw: RawConfig, name: string, complain: Complain, known: Known): void {
  const key = `pair.${name}`;
  const pair = raw.pair[name] as Pair;
  const { between, class: of, routes, fill, rate_bits_per_s, low_bits, high_bits, hours } = pair;
  if (of !== undefined) known("class", of, `${key}.class`);
  for (const route of routes) {
    for (const one of route) known("node", one, `${key}.routes`);
    const all = [...between, ...route];
    if (new Set(all).size < all.length) complain(`${key}.routes`, "a node is twice on the way");
    const wrong = routeProblem(all.map((one) => kmOf(raw, one)));
    if (wrong !== undefined) complain(`${key}.routes`, wrong);
  }
  if ((fill === "fixed_rate") !== (rate_bits_per_s !== undefined)) {
    complain(`${key}.rate_bits_per_s`, `goes together with fill = "fixed_rate"`);
  }
  if ((fill === "scheduled") !== hours.length > 0) {
    complain(`${key}.hours`, `goes together with fill = "scheduled"`);
  }
  if (high_bits !== undefined && low_bits > high_bits) {
    complain(`${key}.low_bits`, "expected no more than high_bits");
  }
}
