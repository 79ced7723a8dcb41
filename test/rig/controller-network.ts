/** Networks for the page of a controller: what a controller says of them, made by hand. */
import type { ControllerStatus, LinkStatus } from "../../src/controller/model/status.ts";
import { random as seeded } from "../random.ts";
import { alarm, at, change, end, link, network, node, pair } from "./controller-parts.ts";

/** Three nodes in a ring; keys of `alice` and `carol` go over their own link. */
export function threeNodes(): ControllerStatus {
  return network({
    nodes: [
      node("km-alice", { name: "Alice", site: "Delft", applications: ["sae-a", "sae-b"] }),
      node("km-bob", { name: "Bob", site: "Leiden" }),
      node("km-carol", { name: "Carol", site: "The Hague" }),
    ],
    links: [
      link("km-alice", "km-bob"),
      link("km-bob", "km-carol"),
      link("km-alice", "km-carol", { length_km: 12.4 }),
    ],
    pairs: [
      pair(["km-alice", "km-carol"], { others: [["km-alice", "km-bob", "km-carol"]], sessions: 2 }),
      pair(["km-alice", "km-bob"], { sessions: 0 }),
    ],
    sessions: [
      {
        session: "s1",
        source: "sae-a",
        destination: "sae-km-carol",
        source_km: "km-alice",
        destination_km: "km-carol",
        since: at(600),
        state: "open",
      },
    ],
    open_sessions: 2,
    counted_sessions: { opened: 2, ended: 0, refused: {} },
    changes: [change(60, "reroute", "km-alice--km-carol", "first route, over their own link")],
  });
}

/** The same after QBER rose on the link of `alice` and `carol`. */
export function rerouted(): ControllerStatus {
  const before = threeNodes();
  const worse = { up: true, qber: 0.126, key_rate: 0, stock_bits: 3_276_800 };
  return {
    ...before,
    verdict: {
      level: "attention",
      code: "links_bad",
      text: "1 of 3 links is bad; all pairs have a route",
      action: "look at the fibre between Alice and Carol",
    },
    links: before.links.map((one) =>
      one.link !== "km-alice--km-carol"
        ? one
        : {
            ...one,
            ends: [end("km-alice", worse), end("km-carol", worse)],
            state: "bad",
            reason: "QBER is above its limit",
            alarms: [alarm("qber_high", "critical"), alarm("key_rate_low", "major", "mqtt")],
          },
    ),
    pairs: [
      pair(["km-alice", "km-bob", "km-carol"], { sessions: 2, since: at(3_500) }),
      pair(["km-alice", "km-bob"], { sessions: 0 }),
    ],
    changes: [
      change(
        3_500.4,
        "reroute",
        "km-alice--km-carol",
        "now over km-bob: QBER of km-alice--km-carol is above its limit",
        412,
      ),
      change(3_500, "link", "km-alice--km-carol", "bad: QBER 12.60 % is above its limit"),
      ...before.changes,
    ],
  };
}

/** The T1 backbone of NSFNET, 14 nodes and 21 links, as studies of networks have it. */
const nsfnetNodes = [
  ["Seattle", "km-wa", 0.04, 0.08],
  ["Palo Alto", "km-ca1", 0.02, 0.48],
  ["San Diego", "km-ca2", 0.08, 0.82],
  ["Salt Lake City", "km-ut", 0.22, 0.42],
  ["Boulder", "km-co", 0.34, 0.5],
  ["Houston", "km-tx", 0.46, 0.95],
  ["Lincoln", "km-ne", 0.47, 0.4],
  ["Champaign", "km-il", 0.61, 0.46],
  ["Pittsburgh", "km-pa", 0.78, 0.4],
  ["Atlanta", "km-ga", 0.72, 0.84],
  ["Ann Arbor", "km-mi", 0.67, 0.16],
  ["Ithaca", "km-ny", 0.86, 0.16],
  ["Princeton", "km-nj", 0.97, 0.38],
  ["College Park", "km-md", 0.92, 0.62],
] as const;
const nsfnetLinks = [
  [0, 1],
  [0, 2],
  [0, 7],
  [1, 2],
  [1, 3],
  [2, 5],
  [3, 4],
  [3, 10],
  [4, 5],
  [4, 6],
  [5, 9],
  [5, 12],
  [6, 7],
  [7, 8],
  [8, 9],
  [8, 11],
  [8, 13],
  [10, 11],
  [10, 13],
  [11, 12],
  [12, 13],
] as const;

/** One link is bad, one scarce, one unknown, one waits; a node is away. */
export function nsfnet(placed = true): ControllerStatus {
  const random = seeded(7);
  const id = (i: number) => nsfnetNodes[i]?.[1] ?? "";
  const stocked = (one: string, other: string) => {
    const stock_bits = Math.round(2e6 + random() * 3e7);
    const figures = {
      stock_bits,
      key_rate: Math.round(800 + random() * 9_000),
      qber: 0.01 + random() * 0.03,
    };
    const [a = "", b = ""] = [one, other].sort();
    return link(a, b, { ends: [end(a, figures), end(b, figures)] });
  };
  const special: Readonly<Record<string, Partial<LinkStatus>>> = {
    "km-co--km-ne": {
      state: "bad",
      reason: "QBER is above its limit",
      alarms: [alarm("qber_high", "critical")],
    },
    "km-tx--km-ga": {},
    "km-ca2--km-tx": {
      state: "scarce",
      reason: "stock is below its floor",
      alarms: [alarm("stock_low", "minor")],
    },
    "km-mi--km-ut": { state: "unknown", reason: "no key manager has told of it", ends: [] },
    "km-md--km-mi": { service: "standby" },
  };
  const links = nsfnetLinks.map(([i, j]) => {
    const made = stocked(id(i), id(j));
    return { ...made, ...special[made.link] };
  });
  const away = { attached: false, since: at(3_400), alarms: [alarm("km_lost", "major")] };
  return network({
    verdict: {
      level: "attention",
      code: "links_bad",
      text: "1 of 21 links is bad; all pairs have a route",
      action: "look at the fibre between Boulder and Lincoln",
    },
    nodes: nsfnetNodes.map(([name, km, x, y], i) =>
      node(km, {
        name,
        site: name,
        ...(placed && { place: { x, y } }),
        controllers:
          i % 3 === 0 ? [] : [{ node: `node-${km}`, online: i !== 5, age_s: i === 5 ? 640 : 3 }],
        ...(km === "km-ga" && away),
      }),
    ),
    links,
    pairs: [
      pair(["km-ca1", "km-ut", "km-co", "km-tx", "km-nj"], {
        others: [["km-ca1", "km-wa", "km-il", "km-pa", "km-ny", "km-nj"]],
        sessions: 4,
      }),
      pair(["km-wa", "km-il", "km-pa", "km-md"], { sessions: 2 }),
      pair(["km-ca2", "km-tx", "km-md"], { sessions: 1, demand: 512 }),
      pair(["km-co", "km-tx", "km-ga"], { sessions: 0, demand: 0 }),
    ],
    open_sessions: 7,
    counted_sessions: { opened: 7, ended: 0, refused: {} },
    changes: [
      change(
        3_500.3,
        "reroute",
        "km-ca1--km-nj",
        "now over km-ut, km-co, km-tx: km-co--km-ne is bad",
        344,
      ),
      change(3_500, "link", "km-co--km-ne", "bad: QBER 12.10 % is above its limit"),
      change(3_400, "node", "km-ga", "its key manager is no longer connected"),
      change(1_200, "service", "km-md--km-mi", "standby, by operator anna"),
    ],
  });
}

/** A hundred nodes in 20 towns and 300 links, from a seed: rings, with ways across. */
export function largeNetwork(towns = 20, each = 5, links = 300): ControllerStatus {
  const random = seeded(11);
  const pick = (n: number) => Math.floor(random() * n);
  const id = (town: number, i: number) => `km-${String(town).padStart(2, "0")}-${i}`;
  const nodes = Array.from({ length: towns * each }, (_, n) => {
    const [town, i] = [Math.floor(n / each), n % each];
    const silent = n % 4 === 0 ? { controllers: [] } : {};
    return node(id(town, i), { site: `Town ${town + 1}`, ...silent });
  });
  const made = new Map<string, LinkStatus>();
  const add = (one: string, other: string) => {
    if (one === other) return;
    const figures = {
      stock_bits: Math.round(2e6 + random() * 3e7),
      key_rate: Math.round(500 + random() * 20_000),
      qber: 0.01 + random() * 0.04,
    };
    const [a = "", b = ""] = [one, other].sort();
    const fresh = link(a, b, { ends: [end(a, figures), end(b, figures)] });
    if (!made.has(fresh.link)) made.set(fresh.link, fresh);
  };
  for (let town = 0; town < towns; town++) {
    for (let i = 0; i < each; i++) {
      add(id(town, i), id(town, (i + 1) % each));
      add(id(town, i), id((town + 1) % towns, pick(each)));
    }
  }
  while (made.size < links) {
    const town = pick(towns);
    const near = random() < 0.7 ? town : (town + 1 + pick(3)) % towns;
    add(id(town, pick(each)), id(near, pick(each)));
  }
  const all = [...made.values()].map((one, i): LinkStatus => {
    if (i % 60 === 7)
      return {
        ...one,
        state: "bad",
        reason: "QBER is above its limit",
        alarms: [alarm("qber_high", "critical")],
      };
    if (i % 45 === 3) return { ...one, state: "scarce", reason: "stock is below its floor" };
    if (i % 70 === 11)
      return { ...one, state: "unknown", ends: [], reason: "no key manager has told of it" };
    return one;
  });
  return network({
    verdict: {
      level: "attention",
      code: "links_bad",
      text: "5 of 300 links are bad",
      action: "look at the links in the list",
    },
    nodes: nodes.map((one, i) =>
      i === 42 ? { ...one, attached: false, alarms: [alarm("km_lost", "major")] } : one,
    ),
    links: all,
    pairs: Array.from({ length: towns * 10 }, (_, n) => {
      const [from, to] = [n % towns, (n + 1 + pick(towns - 2)) % towns];
      return pair([id(from, 0), id(to, 1)], {
        sessions: n % 5,
        route: n === 3 ? [] : [id(from, 0), id(to, 1)],
      });
    }).filter((one, i, list) => list.findIndex(({ pair: name }) => name === one.pair) === i),
    open_sessions: 120,
    counted_sessions: { opened: 120, ended: 0, refused: {} },
    changes: [change(3_500, "link", "km-00-0--km-00-1", "good again")],
  });
}

/** Names that would be HTML if they were not text. */
export function hostile(): ControllerStatus {
  const evil = `<img src=x onerror="window.hacked=1">`;
  const km = `km-"><script>window.hacked=1</script>`;
  return network({
    controller: evil,
    nodes: [
      node(km, { name: evil, site: evil, applications: [evil] }),
      node("km-b", { site: evil, controllers: [{ node: evil, online: false, age_s: 9 }] }),
    ],
    links: [
      link(km, "km-b", {
        reason: evil,
        state: "bad",
        alarms: [{ ...alarm("x", "major"), name: evil }],
      }),
    ],
    pairs: [pair([km, "km-b"], { class: evil })],
    changes: [change(1, "link", evil, evil)],
  });
}
