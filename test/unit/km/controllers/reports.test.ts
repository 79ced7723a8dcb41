import test from "ava";
import { LinkFlows } from "../../../../src/km/controllers/flow.ts";
import { type Told, tellingsOf } from "../../../../src/km/controllers/report.ts";
import { Reporter } from "../../../../src/km/controllers/reporter.ts";
import type { KmStatus, NodeAlarmStatus } from "../../../../src/km/model/status.ts";
import type { CkMessage } from "../../../../src/wire/ck/messages.ts";
import { linksIn } from "../../../../src/wire/ck/report.ts";
import { stateIn } from "../../../../src/wire/ck/state.ts";
import { encodeFrames } from "../../../../src/wire/ck/tcp.ts";
import { goodLink, goodStatus } from "../../../rig/km-status.ts";

const alarm: NodeAlarmStatus = {
  alarm: "qber_high.m",
  name: "qber_high",
  object: "m",
  severity: "major",
  active: true,
  acknowledged: false,
  since: "2026-01-31T11:30:00.000Z",
  node: "node-a",
  current: true,
  age_s: 1,
  modules: ["m"],
};
/** One link with a module, one pair without. */
function statusOf(changes: Partial<KmStatus> = {}): KmStatus {
  const fibre = {
    ...goodLink,
    modules: [{ name: "m", link: "ACTIVE", qber: 0.031, secret_key_rate: 1_000 }],
  } as const;
  const far = { ...goodLink, name: "far", peer: "km-c" };
  const good = goodStatus();
  const [pair] = good.relay?.pairs ?? [];
  if (good.relay === undefined || pair === undefined) throw new Error("no pair");
  const relay = {
    ...good.relay,
    pairs: [{ ...pair, link: "far", routing: "controller" as const }],
  };
  return goodStatus({}, { links: [fibre, far], relay, ...changes });
}
function told(status: KmStatus, more: Partial<Told> = {}): Told {
  return {
    status,
    flows: new LinkFlows(),
    started: 0,
    applications: ["app-a"],
    sessions: [],
    service: () => "in_service",
    ...more,
  };
}
function tellings(of: Told) {
  return tellingsOf(of, (_, why) => {
    throw why;
  });
}
const reportOf = (message: CkMessage) => ({ ...stateIn(message), links: linksIn(message) });

test("all of it is told, then what changed", (t) => {
  const reporter = new Reporter("km-a");
  const whole = reporter.whole(tellings(told(statusOf(), { site: "Bern" })), 0);
  t.true(whole.whole);
  const { links, pairs, applications, usage, km } = reportOf(whole);
  t.like(links, [{ peer: "km-b", up: true, qber: 0.031, secretKeyRate: 1_000, alarms: [] }]);
  t.like(pairs, [{ peer: "km-c", routing: "controller", scheme: "case-2", relayed: 1_048_576 }]);
  t.like(usage, [{ applications: ["app-a", "app-b"], keys: 20, bits: 5_120 }]);
  t.deepEqual(applications, ["app-a"]);
  t.like(km, { version: "1.2.3", site: "Bern" });
  const same = tellings(told(statusOf(), { site: "Bern" }));
  t.is(reporter.changed(same, 5).extension, undefined);
  t.is(reporter.urgent(same, 5), undefined);
  const links2 = statusOf().links.map((one) => ({ ...one, stock_bits: one.stock_bits - 8 }));
  const less = tellings(told(statusOf({ links: links2 }), { site: "Bern" }));
  t.is(reporter.urgent(less, 6), undefined);
  t.is(reporter.changed(less, 6).extension?.length, 2);
  t.is(reporter.changed(less, 7).extension, undefined);
  reporter.forget();
  t.is(reporter.changed(less, 8).extension?.length, 5);
});

test("an alarm, a link that goes, low stock and a session are told at once, and they alone", (t) => {
  const reporter = new Reporter("km-a");
  reporter.whole(tellings(told(statusOf())), 0);
  const urgent = (status: KmStatus, more: Partial<Told> = {}) => {
    const report = reporter.urgent(tellings(told(status, more)), 1);
    t.is(report?.extension?.length, 1);
    return reportOf(report as CkMessage);
  };
  t.like(urgent(statusOf({ node_alarms: [alarm] })).links[0]?.alarms, [
    { name: "qber_high", severity: "major" },
  ]);
  t.deepEqual(urgent(statusOf()).links[0]?.alarms, []);
  const down = statusOf().links.map((one) =>
    one.name === "far" ? one : { ...one, session: "down" as const },
  );
  t.false(urgent(statusOf({ links: down })).links[0]?.up);
  t.true(urgent(statusOf()).links[0]?.up);
  const low = statusOf().links.map((one) =>
    one.name === "far" ? one : { ...one, stock_bits: 9, peer_stock_bits: 9 },
  );
  t.is(urgent(statusOf({ links: low })).links[0]?.stock, 9);
  urgent(statusOf());
  t.is(urgent(statusOf(), { service: () => "standby" }).links[0]?.service, "standby");
  urgent(statusOf());
  const session = { id: "s", source: "a", destination: "b", role: "source", keys: 1 } as const;
  t.is(urgent(statusOf(), { sessions: [session] }).sessions[0]?.id, "s");
  const more = tellings(told(statusOf(), { sessions: [{ ...session, keys: 2 }] }));
  t.is(reporter.urgent(more, 1), undefined);
});

test("old words of nodes, alarms that are over and those of other links are none of a link", (t) => {
  const alarms = [
    { ...alarm, current: false },
    { ...alarm, active: false },
    { ...alarm, modules: ["other"] },
  ];
  const own = { active: true, acknowledged: false, since: "", count: 1, text: "", action: "" };
  const status = statusOf({
    node_alarms: alarms,
    alarms: [
      { ...own, alarm: "stock_low.fibre", severity: "minor" },
      { ...own, alarm: "keys_differ.fibre", severity: "critical" },
      { ...own, alarm: "peer_away.elsewhere", severity: "major" },
    ],
  });
  const [link] = linksIn(new Reporter("km-a").whole(tellings(told(status)), 0));
  t.deepEqual(link?.alarms, [
    { name: "keys_differ", severity: "critical" },
    { name: "stock_low", severity: "minor" },
  ]);
});

test("what has no place in one report is in the next", (t) => {
  const applications = Array.from({ length: 2_000 }, (_, i) => {
    return {
      master: `a-${i}`,
      slave: `b-${i}`,
      peer: "km-b",
      requests: 1,
      keys: 1,
      bits: 8,
      refused: 0,
    };
  });
  const all = tellings(told(statusOf({ applications })));
  const reporter = new Reporter("km-a");
  const reports = [reporter.whole(all, 0), reporter.changed(all, 1), reporter.changed(all, 2)];
  t.deepEqual(
    reports.map(({ extension = [] }) => extension.length),
    [900, 900, 204],
  );
  for (const report of reports) t.notThrows(() => encodeFrames(report, 1));
  t.is(reporter.changed(all, 3).extension, undefined);
});

test("rates are those of the last minute", (t) => {
  const flows = new LinkFlows();
  const look = (matched: number, stock: number, now: number) =>
    flows.look(
      [{ ...goodLink, matched_bits: matched, stock_bits: stock, peer_stock_bits: 0 }],
      now,
    );
  look(0, 0, 0);
  t.is(flows.of("fibre"), undefined);
  look(10_000, 4_000, 10_000);
  t.deepEqual(flows.of("fibre"), { rate: 1_000, consumption: 600 });
  for (let s = 11; s <= 100; s++) look(10_000, 4_000, s * 1_000);
  t.deepEqual(flows.of("fibre"), { rate: 0, consumption: 0 });
  t.is(flows.of("other"), undefined);
});

test("a name that is cut stays a text, and what cannot be told leaves the rest", (t) => {
  const name = `${"a".repeat(62)}\u{1F600}bb`;
  const [link] = linksIn(
    new Reporter("km-a").whole(tellings(told(statusOf({ node_alarms: [{ ...alarm, name }] }))), 0),
  );
  t.is(link?.alarms?.[0]?.name.length, 64);
  t.true(link?.alarms?.[0]?.name.isWellFormed());
  const [good] = statusOf().links;
  const links = [
    { ...good, peer: "km-\u0007" } as typeof goodLink,
    { ...good, peer: "km-b" } as typeof goodLink,
  ];
  const odd: string[] = [];
  const all = tellingsOf(told(statusOf({ links })), (what) => odd.push(what));
  t.deepEqual(odd, ["link km-\u0007"]);
  t.true(all.has("link km-b"));
});
