import test from "ava";
import { recordedNames } from "../../../../src/km/history/recorder.ts";
import type { KmStatus } from "../../../../src/km/model/status.ts";
import { kmVerdict, linkVerdict } from "../../../../src/km/model/verdict.ts";
import { ManualClock } from "../../../clock.ts";
import {
  alarmStatus,
  goodLink,
  goodModule,
  goodRelay,
  goodStatus,
  shownKm,
} from "../../../rig/km-status.ts";

const recent = () => 1;

function of(status: KmStatus, lastKeys: (module: string) => number | undefined = recent) {
  const { level, code, ready } = kmVerdict(status, lastKeys);
  return `${level} ${code}${ready ? " ready" : ""}`;
}

test("keys are compared and ready only where stock is there and keys come", (t) => {
  t.is(of(goodStatus()), "good ready ready");
  t.is(kmVerdict(goodStatus(), recent).text, "Keys are compared and ready");
  t.is(of(goodStatus({ stock_bits: 0, peer_stock_bits: 0 })), "waiting no_stock");
  t.is(
    of(goodStatus(), () => 119),
    "good ready ready",
  );
  t.is(
    of(goodStatus(), () => 121),
    "attention no_keys ready",
  );
  t.is(
    of(goodStatus(), () => undefined),
    "attention no_keys ready",
  );
  const empty = goodStatus({ stock_bits: 0, peer_stock_bits: 0 });
  t.is(
    of(empty, () => undefined),
    "waiting no_key_yet",
  );
});

test("otherwise it is the first thing that is wrong", (t) => {
  t.is(of(goodStatus({ session: "down" })), "bad peer_away");
  t.is(of(goodStatus({ session: "comparing" })), "waiting comparing");
  t.is(of(goodStatus({ waiting_keys: 9, oldest_s: 61 })), "bad matching_fails ready");
  const { store } = goodStatus();
  t.is(of(goodStatus({}, { store: { ...store, full: true } })), "bad store_full ready");
  const text = (part: number) => {
    const disk_bytes = part * store.limit_bytes;
    return kmVerdict(goodStatus({}, { store: { ...store, full: true, disk_bytes } }), recent).text;
  };
  t.is(text(0.95), "The store is full: no key is taken");
  t.is(text(0.1), "The disk has no room: no key is taken", "others have filled it");
  const stalled = { store: { ...store, stalled_s: 11 } };
  const alarmed = { ...stalled, alarms: [alarmStatus("store_stalled", "store", "critical")] };
  t.is(of(goodStatus({}, alarmed)), "bad store_stalled", "no application is given keys");
  t.is(of(goodStatus({}, { links: [] })), "attention no_link");
  const direct = { modules: [], relay: { ...goodRelay, pairs: [] } };
  t.is(of(goodStatus({}, direct)), "attention no_module");
  const alarms = [
    alarmStatus("restored_disk", "fibre", "critical"),
    alarmStatus("peer_away", "fibre", "major"),
  ];
  t.is(of(goodStatus({ session: "down" }, { alarms })), "bad restored_disk");
  const minor = [alarmStatus("stock_low", "fibre", "minor")];
  t.is(of(goodStatus({}, { alarms: minor })), "attention stock_low ready");
});

test("a link without modules has what is relayed", (t) => {
  t.is(of(goodStatus({}, { modules: [] })), "good ready ready");
  const none = { stock_bits: 0, peer_stock_bits: 0 };
  t.is(of(goodStatus(none, { modules: [] })), "waiting no_stock");
  const last = { failure: "policy", at: "km-x", route: ["km-x"], time: "2026-01-01T00:00:00Z" };
  const pairs = goodRelay.pairs.map((pair) => ({ ...pair, last_failure: last }));
  const failing = goodStatus(none, { modules: [], relay: { ...goodRelay, pairs } });
  t.is(of(failing), "attention relay_fails");
  t.is(kmVerdict(failing, recent).text, `Keys are not relayed: km-x says "policy"`);
});

test("an alarm of one link is no word on another, and the worst link is named", (t) => {
  const links = [goodLink, { ...goodLink, name: "copper" }];
  const modules = [goodModule, { ...goodModule, name: "n", link: "copper" }];
  const alarms = [alarmStatus("keys_differ", "copper", "critical")];
  const status = goodStatus({}, { links, modules, alarms });
  t.is(linkVerdict(status, links[0] as typeof goodLink, recent).code, "ready");
  t.is(linkVerdict(status, links[1] as typeof goodLink, recent).code, "keys_differ");
  t.regex(kmVerdict(status, recent).text, /^copper: A key has other bytes/);
});

test("a grave alarm of the whole key manager leaves no link good, and is named after none", (t) => {
  const links = [goodLink, { ...goodLink, name: "copper" }];
  const modules = [goodModule, { ...goodModule, name: "n", link: "copper" }];
  const grave = [
    ["certificate_invalid", "kq1", "critical"],
    ["certificate_expiring", "controller.main", "major"],
    ["crl_invalid", "kx", "critical"],
    ["clock_implausible", "km", "major"],
  ] as const;
  for (const [name, object, severity] of grave) {
    const alarms = [alarmStatus(name, object, severity)];
    const status = goodStatus({}, { links, modules, alarms });
    t.is(of(status), `attention ${name} ready`);
    t.is(linkVerdict(status, links[1] as typeof goodLink, recent).code, name);
    t.regex(kmVerdict(status, recent).text, /^Keys are compared and ready; but [a-z]/);
  }
  // What no key is touched by is left to the list of alarms.
  const small = [alarmStatus("broker_unreachable", "manager", "minor")];
  t.is(of(goodStatus({}, { alarms: small })), "good ready ready");
  const { store } = goodStatus();
  const full = goodStatus({}, { links, modules, store: { ...store, full: true, disk_bytes: 1 } });
  t.is(kmVerdict(full, recent).text, "The disk has no room: no key is taken");
});

test("no link is ready while the door of applications lets none in", (t) => {
  const at = (name: "certificate_invalid" | "crl_invalid", severity: string, detail: string) => [
    { ...alarmStatus(name, "etsi014", severity), detail },
  ];
  const shut = at("certificate_invalid", "critical", "expired");
  t.is(of(goodStatus({}, { alarms: shut })), "bad certificate_invalid");
  t.is(
    of(goodStatus({}, { alarms: at("certificate_invalid", "critical", "not valid yet") })),
    "bad certificate_invalid",
  );
  t.is(
    of(goodStatus({}, { alarms: at("crl_invalid", "critical", "list of CA has run out") })),
    "bad crl_invalid",
  );
  // Keys in stock help none who cannot connect.
  const { store } = goodStatus();
  const full = { ...store, full: true };
  t.is(of(goodStatus({}, { store: full })), "bad store_full ready");
  t.is(of(goodStatus({}, { store: full, alarms: shut })), "bad store_full");
  const stale = () => 600;
  t.is(kmVerdict(goodStatus({}, { alarms: shut }), stale).ready, false);
  // What was read before is in use, and a list that has run out is enforced where no fresh one is asked for.
  t.is(
    of(goodStatus({}, { alarms: at("certificate_invalid", "critical", "unreadable") })),
    "attention certificate_invalid ready",
  );
  t.is(
    of(goodStatus({}, { alarms: at("crl_invalid", "major", "list of CA has run out") })),
    "attention crl_invalid ready",
  );
  t.regex(
    kmVerdict(goodStatus({}, { alarms: shut }), recent).text,
    /: the certificate of etsi014 has expired$/,
  );
});

test("rates, the last key and since when a verdict holds are remembered, second by second", async (t) => {
  const clock = new ManualClock();
  let status = goodStatus();
  const { recorder } = shownKm(clock, () => status);
  const begun = clock.wall();
  const step = async (seconds: number, bits: number) => {
    for (let i = 0; i < seconds; i++) {
      await clock.advance(1_000);
      const [module = goodModule] = status.modules;
      const received_bits = module.received_bits + bits;
      const received_keys = module.received_keys + bits / 256;
      status = { ...status, modules: [{ ...module, received_bits, received_keys }] };
      recorder.look(status, { now: clock.now(), wall: clock.wall() });
    }
  };
  await step(20, 2_560);
  t.is(recorder.rates("fibre").received, 2_560);
  t.is(recorder.moduleRates("m").keys, 10);
  t.is(recorder.verdict(status).code, "ready");
  t.is(recorder.verdict(status).since, begun);
  await step(130, 0);
  t.is(recorder.rates("fibre").received, 0);
  t.is(recorder.moduleRates("m").last_key_s, 130);
  const { code, since } = recorder.verdict(status);
  t.is(code, "no_keys");
  t.is(since, begun + 140_000);
  const part = recorder.history("fibre")?.query(recordedNames, clock.now(), 60_000, 1_000);
  t.is(part?.curves.total_stock_bits.mean.at(-1), 900_000);
});
