/** What a key manager tells of itself when all is well, to be changed by tests; and a view of it for surfaces. */
import { catalogue } from "../../src/km/alarms/catalogue.ts";
import { KmRecorder } from "../../src/km/history/recorder.ts";
import type { KmView } from "../../src/km/history/view.ts";
import type { RelayStatus } from "../../src/km/model/relay-status.ts";
import type {
  ControllerStatus,
  KmStatus,
  LinkStatus,
  ModuleStatus,
} from "../../src/km/model/status.ts";
import type { AlarmRecord } from "../../src/ops/alarms/alarm.ts";
import { EventHistory } from "../../src/ops/events/event-history.ts";
import { LogRing } from "../../src/ops/local/log-ring.ts";
import type { ManualClock } from "../clock.ts";

export const goodLink: LinkStatus = {
  name: "fibre",
  peer: "km-b",
  leads: true,
  takes: "witnessed",
  session: "ready",
  key_exchange: "X25519MLKEM768",
  same_policy: true,
  waiting_keys: 3,
  waiting_bits: 768,
  oldest_s: 0.5,
  matched_bits: 1_000_000,
  stock_bits: 500_000,
  peer_stock_bits: 400_000,
  compared_keys: 3_906,
  differing_keys: 0,
  expired_keys: 1,
  aborted_batches: 2,
  extents: 1,
  uses: 0,
  taken_bits: 99_840,
  unfetched_bits: 256,
  under_way_bits: 512,
};

export const goodModule: ModuleStatus = {
  name: "m",
  module_id: "QKD-A",
  matching_module_id: "QKD-B",
  link: "fibre",
  received_keys: 3_910,
  received_bits: 1_000_960,
  repeats: 4,
  conflicts: 0,
};

export const goodController: ControllerStatus = {
  name: "one",
  address: "controller.example:9447",
  binding: "grpc",
  connected: true,
  since: "2026-01-31T12:00:00.000Z",
  standby: false,
  asked: true,
  key_exchange: "X25519MLKEM768",
};

export const goodRelay: RelayStatus = {
  under_way: 1,
  passed: { relays: 12, failed: 1, bits: 3_145_728 },
  collected: { relays: 0, failed: 0, bits: 0 },
  taken: { relays: 4, failed: 0, bits: 1_048_576 },
  pairs: [
    {
      link: "fibre",
      scheme: "case-2",
      routing: "configuration",
      route: ["km-c"],
      under_way: 1,
      used_bits_per_s: 2_560,
      failed: 2,
      methods: [
        { scheme: "case-2", stock_bits: 900_000, relays: 4, bits: 1_048_576, pad_bits: 2_099_200 },
      ],
    },
  ],
};

export function goodStatus(link: Partial<LinkStatus> = {}, more: Partial<KmStatus> = {}): KmStatus {
  return {
    km_id: "km-a",
    version: "1.2.3",
    pid: 1,
    rss_bytes: 1e8,
    uptime_s: 100,
    store: {
      buffered_keys: 3,
      buffered_bits: 768,
      stock_bits: 900_000,
      disk_bytes: 10,
      limit_bytes: 100,
      full: false,
      left_over_keys: 0,
      left_over_stock_bits: 0,
      master_key: { from: "file" },
    },
    nodes_connected: 1,
    refused: { unknown_module: 2 },
    kq2: { connections: 0, messages: 0, refused: {} },
    links: [{ ...goodLink, ...link }],
    modules: [goodModule],
    applications: [
      {
        master: "app-a",
        slave: "app-b",
        peer: "km-b",
        requests: 5,
        keys: 20,
        bits: 5_120,
        refused: 1,
      },
    ],
    alarms: [],
    relay: goodRelay,
    controllers: [goodController],
    proactive: {
      source: { sessions: 1, deliveries: { delivered: 3, late: 1 }, keys: 7 },
      destination: { sessions: 0, deliveries: {}, keys: 0 },
    },
    node_alarms: [],
    ...more,
  };
}

/** An alarm as surfaces other than the page are told it. */
export function alarmStatus(name: keyof typeof catalogue, object: string, severity: string) {
  const { text, action } = catalogue[name];
  const since = "2026-01-31T12:00:00.000Z";
  const facts = { active: true, acknowledged: false, since, count: 1 };
  return { alarm: `${name}.${object}`, severity, ...facts, text, action };
}

/** Shows such a state, looked at twice, so that keys have come. */
export function shownKm(
  clock: ManualClock,
  status: () => KmStatus,
  alarms: readonly AlarmRecord[] = [],
): KmView {
  const moment = () => ({ now: clock.now(), wall: clock.wall() });
  const recorder = new KmRecorder(["fibre"], moment());
  recorder.look(status(), moment());
  return {
    id: "km-a",
    version: "1.2.3",
    started: clock.wall(),
    links: [{ name: "fibre", unit_bits: 256, address: "km-b:9444" }],
    status,
    alarms: () => alarms,
    history: new EventHistory(),
    recorder,
    logs: new LogRing(),
  };
}
