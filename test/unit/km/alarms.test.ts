import { readFileSync } from "node:fs";
import test from "ava";
import { ms } from "../../../src/base/duration.ts";
import { catalogue } from "../../../src/km/alarms/catalogue.ts";
import { KmAlarms } from "../../../src/km/alarms/rules.ts";
import type {
  KmStatus,
  LinkStatus,
  NextStartStatus,
  ToldStatus,
} from "../../../src/km/model/status.ts";
import type { AlarmRecord } from "../../../src/ops/alarms/alarm.ts";
import { goodRelay } from "../../rig/km-status.ts";

const link: LinkStatus = {
  name: "fibre",
  peer: "km-b",
  leads: true,
  takes: "witnessed",
  session: "ready",
  key_exchange: "X25519MLKEM768",
  same_policy: true,
  waiting_keys: 0,
  waiting_bits: 0,
  oldest_s: 0,
  matched_bits: 1_000_000,
  stock_bits: 500_000,
  peer_stock_bits: 500_000,
  compared_keys: 10,
  differing_keys: 0,
  expired_keys: 0,
  aborted_batches: 0,
  extents: 1,
  uses: 0,
  taken_bits: 0,
  unfetched_bits: 0,
  under_way_bits: 0,
};

function statusOf(changes: Partial<LinkStatus> = {}, full = false): KmStatus {
  return {
    km_id: "km-a",
    version: "0",
    pid: 1,
    rss_bytes: 1,
    uptime_s: 0,
    store: {
      buffered_keys: 0,
      buffered_bits: 0,
      stock_bits: 0,
      disk_bytes: full ? 100 : 10,
      limit_bytes: 100,
      full,
      left_over_keys: 0,
      left_over_stock_bits: 0,
      master_key: { from: "file" },
    },
    nodes_connected: 1,
    refused: {},
    links: [{ ...link, ...changes }],
    kq2: { connections: 0, messages: 0, refused: {} },
    modules: [],
    alarms: [],
    node_alarms: [],
  };
}

/** Looks once a second for so many seconds. @returns what is raised then */
function after(seconds: number, status: KmStatus, alarms = new KmAlarms({ plain: false })) {
  for (let s = 0; s <= seconds; s++) alarms.look(status, { now: s * 1_000, wall: s * 1_000 });
  return alarms.shown().map(({ alarm, severity }) => `${alarm} ${severity}`);
}

test("a link that works, with key in stock, raises nothing", (t) => {
  t.deepEqual(after(600, statusOf()), []);
});

test("a key manager that is away is told after half a minute, and not before", (t) => {
  t.deepEqual(after(29, statusOf({ session: "down" })), []);
  t.deepEqual(after(31, statusOf({ session: "down" })), ["peer_away.fibre major"]);
});

test("keys that wait while both are connected are told, those of a moment are not", (t) => {
  t.deepEqual(after(300, statusOf({ waiting_keys: 5, oldest_s: 2 })), []);
  const waits = statusOf({ waiting_keys: 5, oldest_s: 90 });
  t.deepEqual(after(61, waits), ["matching_fails.fibre major"]);
});

test("a master key that the next start would not have is told, one of a moment is not", (t) => {
  const status = (next_start: NextStartStatus): KmStatus => {
    const whole = statusOf();
    return { ...whole, store: { ...whole.store, master_key: { from: "hsm", next_start } } };
  };
  const alarms = new KmAlarms({ plain: false });
  const fails = "there is no such token (token=t)";
  t.deepEqual(after(31, status({ fails }), alarms), []);
  t.deepEqual(after(31, statusOf(), alarms), []);
  t.deepEqual(after(61, status({ left_over: "/km/master-key.hsm.next" }), alarms), [
    "master_key.store warning",
  ]);
  t.is(alarms.shown()[0]?.detail, "/km/master-key.hsm.next is left of a re-key");
  t.deepEqual(after(61, status({ fails, left_over: "x" })), ["master_key.store major"]);
  t.deepEqual(after(5, status({ fails })), []);
  t.deepEqual(after(60, statusOf(), alarms), []);
});

test("a key manager that runs twice is told, and stays so until a person has seen it", (t) => {
  const alarms = new KmAlarms({ plain: false });
  alarms.told("fibre", { type: "twice" }, { now: 0, wall: 0 });
  t.deepEqual(after(600, statusOf(), alarms), ["peer_twice.fibre critical"]);
});

test("a node that tells nothing of its module any more is told after a minute, one that never did is not", (t) => {
  const module = { name: "m", module_id: "A", matching_module_id: "B", link: "fibre" };
  const counts = { received_keys: 0, received_bits: 0, repeats: 0, conflicts: 0 };
  const told = (current: boolean): ToldStatus => ({
    node: "node-a",
    current,
    age_s: 1,
    module: "OPERATING",
    link: "ACTIVE",
    since: "2026-01-31T12:00:00.000Z",
    reason: "",
    figures: {},
    alarms: [],
    alarms_left_out: 0,
  });
  const status = (of?: ToldStatus): KmStatus => ({
    ...statusOf(),
    modules: [{ ...module, ...counts, ...(of && { told: of }) }],
  });
  t.deepEqual(after(600, status()), []);
  t.deepEqual(after(600, status(told(true))), []);
  t.deepEqual(after(59, status(told(false))), []);
  t.deepEqual(after(61, status(told(false))), ["node_silent.m minor"]);
});

test("a disk that does not answer is told after ten seconds, and over when it does", (t) => {
  const stalled = (stalled_s: number): KmStatus => {
    const whole = statusOf();
    return { ...whole, store: { ...whole.store, stalled_s } };
  };
  const alarms = new KmAlarms({ plain: false });
  t.deepEqual(after(1, stalled(9), alarms), []);
  t.deepEqual(after(1, stalled(10), alarms), ["store_stalled.store critical"]);
  t.deepEqual(after(60, statusOf(), alarms), []);
});

test("keys that wait for a disk are no fault of nodes and modules", (t) => {
  const whole = statusOf({ waiting_keys: 5, oldest_s: 90 });
  const stalled = { ...whole, store: { ...whole.store, stalled_s: 90 } };
  t.deepEqual(after(600, stalled), ["store_stalled.store critical"]);
});

test("little stock, a full store, no post-quantum key exchange and plain TCP are each told", (t) => {
  t.deepEqual(after(61, statusOf({ stock_bits: 100, peer_stock_bits: 0 })), [
    "stock_low.fibre minor",
  ]);
  t.deepEqual(after(1, statusOf({}, true)), ["store_full.store critical"]);
  t.deepEqual(after(1, statusOf({ key_exchange: "X25519" })), ["classical_link.fibre warning"]);
  const plain = new KmAlarms({ plain: true });
  t.deepEqual(after(1, statusOf(), plain), ["plain_link.kq1 major"]);
});

test("a pair whose relays fail is told once little is left, and is over when key comes", (t) => {
  const last = { failure: "policy", at: "km-x", route: ["km-x"], time: "2026-01-01T00:00:00Z" };
  const [pair] = goodRelay.pairs;
  const failing = { failing_since: last.time, last_failure: last, low_bits: 100_000 };
  const status = (stock_bits: number, more: object = failing): KmStatus => ({
    ...statusOf({ stock_bits, peer_stock_bits: 0 }),
    relay: { ...goodRelay, pairs: [{ ...(pair as (typeof goodRelay.pairs)[number]), ...more }] },
  });
  t.deepEqual(after(600, status(100_000)), []);
  t.deepEqual(after(29, status(99_000)), []);
  const alarms = new KmAlarms({ plain: false });
  t.deepEqual(after(31, status(99_000), alarms), ["relay_fails.fibre major"]);
  t.is(alarms.shown()[0]?.detail, "policy at km-x, by way of km-x");
  t.deepEqual(after(31, status(99_000, {}), alarms), []);
  // What a pool should have is its policy's to say.
  t.deepEqual(after(600, status(10, {})), []);
  // Without one: what is little of any link.
  t.deepEqual(after(31, status(65_535, { ...failing, low_bits: undefined })), [
    "relay_fails.fibre major",
  ]);
});

test("what must not be overlooked stays until it was acknowledged", (t) => {
  const alarms = new KmAlarms({ plain: false });
  const moment = { now: 0, wall: 0 };
  const ids = Buffer.alloc(16);
  alarms.told("fibre", { type: "differs", id: ids.toString("hex"), ids, runs: [] }, moment);
  alarms.told("fibre", { type: "restored", which: "them", mark: 1, remembered: 2 }, moment);
  alarms.conflict("m", moment);
  t.is(alarms.shown().length, 3);
  t.is(after(3_600, statusOf(), alarms).length, 3);
  const later = { now: 3_601_000, wall: 3_601_000 };
  t.is(alarms.acknowledge("keys_differ.fibre", "operator", later), undefined);
  t.is(alarms.acknowledge("keys_differ.other", "operator", later), "unknown_alarm");
  t.is(alarms.shown().length, 2);
});

test("alarms go on after a restart; one of a link that is not there any more is over", (t) => {
  const before = new KmAlarms({ plain: false });
  const moment = { now: 0, wall: 0 };
  before.told("fibre", { type: "restored", which: "them", mark: 1, remembered: 2 }, moment);
  before.told("gone", { type: "restored", which: "them", mark: 1, remembered: 2 }, moment);
  const changes: string[] = [];
  const alarms = new KmAlarms({
    plain: false,
    onTransition: ({ change, record }) => changes.push(`${change} ${record.id}`),
  });
  const unknown = { ...before.records()[0], id: "old.x", name: "old", object: "x" } as AlarmRecord;
  alarms.restore([...before.records(), unknown], (_, object) => object === "fibre", moment);
  t.deepEqual(after(3_600, statusOf(), alarms), ["restored_disk.fibre critical"]);
  t.deepEqual(changes, ["cleared restored_disk.gone", "changed restored_disk.fibre"]);
  t.is(alarms.acknowledge("restored_disk.fibre", "noc", { now: 1e7, wall: 1e7 }), undefined);
  t.deepEqual(alarms.shown(), []);
});

test("how long another key manager is away before it is told can be chosen", (t) => {
  const alarms = new KmAlarms({ plain: false, peerAway: ms(2_000) });
  t.deepEqual(after(3, statusOf({ session: "down" }), alarms), ["peer_away.fibre major"]);
});

test("the table for people is the table of the code", (t) => {
  const path = new URL("../../../src/km/alarms/README.md", import.meta.url);
  const rows = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  const told = rows.map((row) =>
    row
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
  const coded = Object.entries(catalogue).map(([name, kind]) => [
    `\`${name}\``,
    kind.type,
    kind.cause,
    kind.severities.join(", "),
    "latched" in kind ? "yes" : "",
    kind.text,
    kind.action,
  ]);
  t.deepEqual(told, coded);
});

test("keys that wait because matching_mac differs say so, until keys are matched", (t) => {
  const alarms = new KmAlarms({ plain: false });
  const waits = statusOf({ waiting_keys: 5, oldest_s: 90 });
  alarms.told("fibre", { type: "macMissing" }, { now: 0, wall: 0 });
  t.deepEqual(after(61, waits, alarms), ["matching_fails.fibre major"]);
  t.regex(alarms.shown()[0]?.detail ?? "", /matching_mac of the link differs/);
});
