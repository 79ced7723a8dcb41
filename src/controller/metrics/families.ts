/**
 * Every metric of the controller, in one table by table. Pure. `README.md` beside this file is the same for people; a
 * test compares the two. How many series there are follows from the network: links, and pairs that are configured or
 * asked for.
 */
import { type Family, one } from "../../ops/metrics/exposition.ts";
import { familiesOf, type MetricOf } from "../../ops/metrics/table.ts";
import { type ProcessFacts, processFamilies } from "../../ops/page/process.ts";
import { isLost } from "../model/missed.ts";
import type { ControllerStatus, LinkStatus, PairStatus } from "../model/status.ts";

const states = ["good", "scarce", "bad", "unknown"] as const;
/** Pairs of which there are series: those that are used most. */
const mostPairs = 500;

const ofLinks: readonly MetricOf<LinkStatus>[] = [
  [
    "qkd_controller_link_stock_bits",
    "gauge",
    "bits",
    "Stock of a link, averaged, as routes are computed from it.",
    (link) => link.average_stock_bits,
  ],
  [
    "qkd_controller_link_key_rate",
    "gauge",
    undefined,
    "Key rate of a link, averaged, bit/s.",
    (link) => link.average_key_rate,
  ],
  [
    "qkd_controller_link_reserved_rate",
    "gauge",
    undefined,
    "What of it is promised to relays, bit/s.",
    (link) => link.reserved_rate,
  ],
  [
    "qkd_controller_link_qber_ratio",
    "gauge",
    "ratio",
    "QBER of a link, of both ends the worse.",
    ({ ends }) => {
      const told = ends.flatMap(({ qber }) => (qber === undefined ? [] : [qber]));
      return told.length === 0 ? undefined : Math.max(...told);
    },
  ],
];

const ofPairs: readonly MetricOf<PairStatus>[] = [
  [
    "qkd_controller_pair_share",
    "gauge",
    undefined,
    "What the route of a pair carries at the most, bit/s.",
    (pair) => pair.share,
  ],
  [
    "qkd_controller_pair_demand",
    "gauge",
    undefined,
    "What the pair asks for, bit/s.",
    (pair) => pair.demand,
  ],
  [
    "qkd_controller_pair_hops",
    "gauge",
    undefined,
    "Links on its route; 0: there is none.",
    ({ route }) => Math.max(0, route.length - 1),
  ],
  [
    "qkd_controller_relays",
    "counter",
    undefined,
    "Relays that its key managers told of, also those that they wanted themselves.",
    (pair) => pair.relays,
  ],
  [
    "qkd_controller_relay_failures",
    "counter",
    undefined,
    "Of these those that failed.",
    (pair) => pair.failed,
  ],
];

/** What is counted beside the network. */
export interface DoorFacts {
  /** Connections of strangers since the start. */
  readonly refused: number;
  /** Words of node controllers that there was no room for, since it leads, or began. */
  readonly leftOut: number;
  /** Records that wait to be written. */
  readonly waiting: number;
  /** Records that were given up because it could not be written for too long, since the start. */
  readonly dropped: number;
}

export function families(
  status: ControllerStatus,
  { refused, leftOut, waiting, dropped }: DoorFacts,
  facts: ProcessFacts,
): Family[] {
  const { role, version, nodes, links, pairs, open_sessions, alarms } = status;
  const { counted_sessions: counted } = status;
  const count = (state: string) => links.filter((link) => link.state === state).length;
  const raised = new Map<string, number>();
  for (const { severity } of alarms) raised.set(severity, (raised.get(severity) ?? 0) + 1);
  const busiest =
    pairs.length <= mostPairs
      ? pairs
      : pairs.toSorted((a, b) => b.demand - a.demand).slice(0, mostPairs);
  return [
    {
      name: "qkd_controller",
      type: "info",
      help: "Which version it is.",
      samples: [{ labels: { version }, value: 1 }],
    },
    one(
      "qkd_controller_leads",
      "gauge",
      "1 while it leads, 0 while it stands by.",
      role === "active" ? 1 : 0,
    ),
    one("qkd_controller_nodes", "gauge", "Key managers that it knows.", nodes.length),
    one(
      "qkd_controller_nodes_attached",
      "gauge",
      "Key managers that are connected.",
      nodes.filter(({ attached }) => attached).length,
    ),
    {
      name: "qkd_controller_links",
      type: "gauge",
      help: "Links, by what routing makes of them.",
      samples: states.map((state) => ({ labels: { state }, value: count(state) })),
    },
    one(
      "qkd_controller_pairs_without_route",
      "gauge",
      "Pairs that have no route.",
      pairs.filter(isLost).length,
    ),
    one("qkd_controller_sessions", "gauge", "Open sessions of applications.", open_sessions),
    one("qkd_controller_sessions_opened", "counter", "Sessions that opened.", counted.opened),
    one("qkd_controller_sessions_ended", "counter", "Sessions that ended.", counted.ended),
    {
      name: "qkd_controller_sessions_refused",
      type: "counter",
      help: "Sessions that were refused, by reason.",
      samples: Object.entries(counted.refused).map(([reason, value]) => {
        return { labels: { reason }, value };
      }),
    },
    one("qkd_controller_refused", "counter", "Connections of strangers, since the start.", refused),
    one(
      "qkd_controller_node_words_left_out",
      "counter",
      "What nodes told over MQTT and there was no room for.",
      leftOut,
    ),
    one("qkd_controller_store_waiting", "gauge", "Records that wait to be written.", waiting),
    one("qkd_controller_store_dropped", "counter", "Records that could never be written.", dropped),
    {
      name: "qkd_controller_alarms",
      type: "gauge",
      help: "The controller's own alarms, by severity.",
      samples: ["critical", "major", "minor", "warning"].map((severity) => ({
        labels: { severity },
        value: raised.get(severity) ?? 0,
      })),
    },
    ...familiesOf(ofLinks, links, ({ link }) => ({ link })),
    ...familiesOf(ofPairs, busiest, ({ pair }) => ({ pair })),
    ...processFamilies(facts),
  ];
}
