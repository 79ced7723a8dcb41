/**
 * Every metric of the key manager, in one table by table. Pure. `README.md` beside this file is the same for
 * people; a test compares the two.
 *
 * How many series there are follows from the configuration and from tables of the key manager, never from what a
 * peer sends: applications count together.
 */
import { type Family, one, type Sample } from "../../ops/metrics/exposition.ts";
import { familiesOf, type MetricOf } from "../../ops/metrics/table.ts";
import { type ProcessFacts, processFamilies } from "../../ops/page/process.ts";
import type { KmView } from "../history/view.ts";
import type { KmStatus, LinkStatus, ModuleStatus } from "../model/status.ts";
import { controllerFamilies } from "./controller-families.ts";
import { proactiveFamilies } from "./proactive-families.ts";
import { relayFamilies } from "./relay-families.ts";

const ofLinks: readonly MetricOf<LinkStatus>[] = [
  [
    "qkd_km_peer_up",
    "gauge",
    undefined,
    "1 while the other key manager is connected and its books were compared.",
    (link) => (link.session === "ready" ? 1 : 0),
  ],
  [
    "qkd_km_waiting_keys",
    "gauge",
    undefined,
    "QKD-keys that wait for their match.",
    (link) => link.waiting_keys,
  ],
  ["qkd_km_waiting_bits", "gauge", "bits", "The same in bits.", (link) => link.waiting_bits],
  [
    "qkd_km_waiting_oldest_seconds",
    "gauge",
    "seconds",
    "How long the oldest of them waits.",
    (link) => link.oldest_s,
  ],
  [
    "qkd_km_matched_bits",
    "counter",
    "bits",
    "Key that was compared and became stock, since the link began.",
    (link) => link.matched_bits,
  ],
  [
    "qkd_km_taken_bits",
    "counter",
    "bits",
    "Key that applications fetched, at either end, since the link began.",
    (link) => link.taken_bits,
  ],
  [
    "qkd_km_unfetched_bits",
    "counter",
    "bits",
    "Key that applications did not fetch in time, at either end, since the link began.",
    (link) => link.unfetched_bits,
  ],
  [
    "qkd_km_under_way_bits",
    "gauge",
    "bits",
    "Key on its way to applications.",
    (link) => link.under_way_bits,
  ],
  [
    "qkd_km_compared_keys",
    "counter",
    undefined,
    "QKD-keys that were compared and equal, since the start.",
    (link) => link.compared_keys,
  ],
  [
    "qkd_km_differing_keys",
    "counter",
    undefined,
    "QKD-keys with other bytes at the two ends: void at both, since the start.",
    (link) => link.differing_keys,
  ],
  [
    "qkd_km_expired_keys",
    "counter",
    undefined,
    "QKD-keys that found no match in time, since the start.",
    (link) => link.expired_keys,
  ],
  [
    "qkd_km_aborted_batches",
    "counter",
    undefined,
    "Batches that were given up, and their keys proposed again, since the start.",
    (link) => link.aborted_batches,
  ],
];

const ofModules: readonly MetricOf<ModuleStatus>[] = [
  [
    "qkd_km_received_keys",
    "counter",
    undefined,
    "QKD-keys that came, each counted once, since the start.",
    (module) => module.received_keys,
  ],
  [
    "qkd_km_received_bits",
    "counter",
    "bits",
    "The same in bits.",
    (module) => module.received_bits,
  ],
  [
    "qkd_km_repeated_keys",
    "counter",
    undefined,
    "QKD-keys that came again, since the start.",
    (module) => module.repeats,
  ],
  [
    "qkd_km_conflicting_keys",
    "counter",
    undefined,
    "QKD-keys under an ID that another has, since the start.",
    (module) => module.conflicts,
  ],
];

/** Who owns bytes: this key manager, or the other. */
function ownerFamilies(km: KmView, links: readonly LinkStatus[]): Family[] {
  const unit = (name: string) => km.links.find((link) => link.name === name)?.unit_bits ?? 0;
  const both = (bits: (link: LinkStatus, of: number) => number): Sample[] =>
    links.flatMap((link) =>
      [[km.id, link.stock_bits] as const, [link.peer, link.peer_stock_bits] as const].map(
        ([owner, of]) => ({ labels: { link: link.name, owner }, value: bits(link, of) }),
      ),
    );
  return [
    {
      name: "qkd_km_stock_bits",
      type: "gauge",
      unit: "bits",
      help: "KMA-key that its owner may still allocate.",
      samples: both((_, bits) => bits),
    },
    {
      name: "qkd_km_stock_units",
      type: "gauge",
      help: "The same in whole KMA-keys, of the link's unit length.",
      samples: both(({ name }, bits) => (unit(name) === 0 ? 0 : Math.floor(bits / unit(name)))),
    },
  ];
}

function verdictFamilies(km: KmView, status: KmStatus): Family[] {
  const verdicts = status.links.map(
    (link) => [link.name, km.recorder.linkVerdict(status, link)] as const,
  );
  return [
    {
      name: "qkd_km_ready",
      type: "gauge",
      help: "1 while applications can get keys of the link.",
      samples: verdicts.map(([link, { ready }]) => ({ labels: { link }, value: ready ? 1 : 0 })),
    },
    {
      name: "qkd_km_verdict",
      type: "gauge",
      help: "1 for the verdict that holds: its level (good, waiting, attention, bad) and its reason.",
      samples: verdicts.map(([link, { level, code }]) => {
        return { labels: { link, level, reason: code }, value: 1 };
      }),
    },
  ];
}

function storeFamilies({ store }: KmStatus): Family[] {
  return [
    one(
      "qkd_km_store_bytes",
      "gauge",
      "What the store takes on the disk.",
      store.disk_bytes,
      "bytes",
    ),
    one("qkd_km_store_limit_bytes", "gauge", "What it may take.", store.limit_bytes, "bytes"),
    one("qkd_km_store_full", "gauge", "1 while no key is taken.", store.full ? 1 : 0),
  ];
}

function applicationFamilies({ applications }: KmStatus): Family[] {
  if (applications === undefined) return [];
  const sum = (of: "requests" | "keys" | "refused") =>
    applications.reduce((total, pair) => total + pair[of], 0);
  return [
    one(
      "qkd_km_application_requests",
      "counter",
      "Questions of applications, since the start.",
      sum("requests"),
    ),
    one(
      "qkd_km_application_keys",
      "counter",
      "Keys handed out here, since the start.",
      sum("keys"),
    ),
    one(
      "qkd_km_application_refusals",
      "counter",
      "Questions that were refused, since the start.",
      sum("refused"),
    ),
  ];
}

function alarmSamples(km: KmView): Sample[] {
  const counts = new Map<string, Sample & { value: number }>();
  for (const { name, severity } of km.alarms()) {
    if (severity === "cleared") continue;
    const known = counts.get(`${name} ${severity}`);
    if (known !== undefined) known.value++;
    else counts.set(`${name} ${severity}`, { labels: { name, severity }, value: 1 });
  }
  return [...counts.values()];
}

export function families(km: KmView, process: ProcessFacts): Family[] {
  const status = km.status();
  const { links, modules, refused } = status;
  return [
    {
      name: "qkd_km",
      type: "info",
      help: "This key manager and its software.",
      samples: [{ labels: { km: km.id, version: km.version }, value: 1 }],
    },
    one(
      "qkd_km_uptime_seconds",
      "gauge",
      "Time since the process began.",
      status.uptime_s,
      "seconds",
    ),
    one(
      "qkd_km_nodes_connected",
      "gauge",
      "Connections of nodes over TCP.",
      status.nodes_connected,
    ),
    ...verdictFamilies(km, status),
    ...ownerFamilies(km, links),
    ...familiesOf(ofLinks, links, ({ name }) => ({ link: name })),
    ...familiesOf(ofModules, modules, ({ name, link }) => ({ link, module: name })),
    {
      name: "qkd_km_refused_keys",
      type: "counter",
      help: "Answers to nodes that were not success, by reason.",
      samples: Object.entries(refused).map(([reason, value]) => ({ labels: { reason }, value })),
    },
    ...applicationFamilies(status),
    ...proactiveFamilies(status),
    ...relayFamilies(status),
    ...controllerFamilies(status),
    ...storeFamilies(status),
    {
      name: "qkd_km_alarms",
      type: "gauge",
      help: "Raised alarms, by name and severity.",
      samples: alarmSamples(km),
    },
    one("qkd_km_events", "counter", "Events since the process began.", km.history.sequence),
    ...processFamilies(process),
  ];
}
