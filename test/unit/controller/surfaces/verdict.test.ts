/** The controller's headline: the same on all surfaces, and never better than what is known. */
import test from "ava";
import { kindOf } from "../../../../src/controller/alarms/catalogue.ts";
import { checkKms, checkLinks } from "../../../../src/controller/doctor/network.ts";
import { network as told } from "../../../../src/controller/manager/payloads.ts";
import { families } from "../../../../src/controller/metrics/families.ts";
import { lookOf } from "../../../../src/controller/model/look.ts";
import { verdictOf, withAlarms } from "../../../../src/controller/model/verdict.ts";
import { pageContent } from "../../../../src/controller/page/content.ts";
import { snapshot } from "../../../../src/controller/page/snapshot.ts";
import { ManualClock } from "../../../clock.ts";
import { link, network } from "../../../rig/controller-parts.ts";
import { Rig, link as reported } from "../rig.ts";

/** What of it each surface says. */
function surfaces(rig: Rig) {
  const status = rig.core.status();
  const view = { status: () => status, families: () => [], idleMs: () => 0 };
  const process = { cpuSeconds: 1, residentBytes: 1, heapBytes: 1, viewers: 0 };
  const metrics = families(status, { refused: 0, leftOut: 0, waiting: 0, dropped: 0 }, process);
  const states = metrics.find(({ name }) => name === "qkd_controller_links")?.samples ?? [];
  const page = snapshot(status, rig.wall);
  const { ready, verdict } = pageContent(view, new ManualClock()).readiness() as {
    ready: boolean;
    verdict: { code: string };
  };
  return {
    verdicts: [status.verdict, page.condition, verdict, told(1, status).verdict].map(
      ({ code }) => code,
    ),
    links: [
      status.links.map(({ state }) => state).join(),
      page.links.map(({ state }) => state).join(),
      states
        .flatMap(({ labels, value }) => Array<string>(value as number).fill(labels?.state ?? ""))
        .join(),
    ],
    ready,
  };
}

test("page, status, metrics and manager tell one state of links and network", (t) => {
  const rig = new Rig({ nodes: [{ km: "a" }, { km: "b" }] });
  const all = (code: string, state: string, ready: boolean) => {
    const shown = surfaces(rig);
    t.deepEqual(shown.verdicts, [code, code, code, code]);
    t.deepEqual(shown.links, [state, state, state]);
    t.is(shown.ready, ready, code);
  };
  all("not_all_reported", "", false);
  rig.core.attached("a");
  rig.core.attached("b");
  all("nothing_known", "", false);
  rig.network([["a", "b"]]);
  all("ready", "good", true);
  // What was there a moment ago is in the average still.
  rig.pass(1_000);
  for (const [km, peer] of [
    ["a", "b"],
    ["b", "a"],
  ] as const) {
    rig.report(km, [reported(peer, { stock: 0 })]);
  }
  all("nothing_known", "scarce", false);
});

test("a link is shown no better than it is known, and the headline neither", (t) => {
  const { ends } = link("a", "b");
  const aged = ends.map((end) => ({ ...end, age_s: 31, known: false }));
  const empty = ends.map((end) => ({ ...end, stock_bits: 0 }));
  const cases = [
    [{}, "good", "", "ready"],
    [{ ends: [] }, "unknown", "no key manager has told of it", "not_all_reported"],
    [{ ends: aged }, "unknown", "no key manager tells of it any more", "not_all_reported"],
    [{ ends: empty }, "scarce", "no key in stock", "nothing_known"],
    [{ state: "bad", reason: "QBER" }, "bad", "QBER", "links_bad"],
    // There are keys, and few of them may be had at a time.
    [{ state: "scarce", reason: "rationed" }, "scarce", "rationed", "ready"],
    [
      { state: "bad", reason: "out of service", service: "out_of_service" },
      "bad",
      "out of service",
      "nothing_known",
    ],
  ] as const;
  for (const [more, state, reason, code] of cases) {
    const one = link("a", "b", more);
    const known = { ...one, ...lookOf(one) };
    t.deepEqual([known.state, known.reason], [state, reason]);
    t.is(verdictOf(true, network({ links: [known] })).code, code, reason);
  }
  t.is(verdictOf(true, network({})).text, "No link is known yet");
});

test("how long what a key manager told counts is the same to routes and to people", (t) => {
  for (const silentMs of [10_000, 300_000]) {
    const rig = new Rig({ rules: { silentMs }, pairs: [{ a: "a", b: "b" }] });
    rig.network([["a", "b"]]);
    const told = () => [
      rig.pair("a--b")?.route.length,
      rig.link("a--b")?.state,
      rig
        .link("a--b")
        ?.ends.map(({ known }) => known)
        .join(),
    ];
    rig.pass(silentMs - 1_000);
    t.deepEqual(told(), [2, "good", "true,true"]);
    t.is(rig.core.status().verdict.code, "ready");
    rig.pass(2_000);
    t.deepEqual(told(), [0, "unknown", "false,false"]);
  }
});

test("what an operator took out of service is missed on no surface", (t) => {
  const rig = new Rig({ nodes: [{ km: "a" }, { km: "b" }, { km: "c" }] });
  const running = () => ({ status: rig.core.status() });
  const all = () => [
    ...[rig.core.status().verdict.code, told(1, rig.core.status()).links_bad],
    ...[checkKms(running()), ...checkLinks(running())].map(({ status }) => status),
  ];
  rig.network([
    ["a", "b"],
    ["a", "c"],
  ]);
  t.deepEqual(all(), ["ready", 0, "ok", "ok"]);
  rig.core.setService("c", "out_of_service", "test");
  t.is(rig.link("a--c")?.reason, "c is not in service");
  t.deepEqual(all(), ["ready", 0, "ok", "ok"]);
  rig.core.detached("c", "unplugged");
  for (let i = 0; i < 5; i++) {
    rig.report("a", [reported("b"), reported("c", { up: false })]);
    rig.report("b", [reported("a")]);
    rig.pass(5_000);
  }
  t.deepEqual(all(), ["ready", 0, "ok", "ok"]);
  rig.core.setService("c", "in_service", "test");
  t.deepEqual(all(), ["links_bad", 1, "warn", "warn"]);
});

test("a grave alarm of the controller itself leaves no headline good", (t) => {
  const alarm = (name: string, severity: string, object = "controller") => {
    const { text, action } = kindOf(name);
    const since = new Date(0).toISOString();
    return {
      ...{ alarm: `${name}.${object}`, severity, since, text, action, count: 1 },
      ...raised,
    };
  };
  const raised = { active: true, acknowledged: false };
  const good = network({ links: [link("a", "b")] });
  const of = (...alarms: (ReturnType<typeof alarm> & { readonly detail?: string })[]) =>
    withAlarms(good, alarms).verdict;
  for (const [name, severity] of [
    ["store_away", "critical"],
    ["certificate_invalid", "critical"],
    ["clock_implausible", "major"],
    ["km_twice", "major"],
  ] as const) {
    t.like(of(alarm(name, severity)), { level: "attention", code: "alarms" });
    t.is(of(alarm(name, severity)).action, kindOf(name).action);
  }
  // Those of the network are in the headline while they hold, and their alarms a while longer.
  t.is(of(alarm("link_bad", "major", "a--b"), alarm("km_away", "major", "a")).level, "good");
  t.is(of(alarm("certificate_expiring", "warning", "ck")).level, "good");
  t.is(of(alarm("link_bad", "major", "a--b"), alarm("store_away", "critical")).code, "alarms");
  // No key manager can connect: whoever waits for readiness is told so, also while those of before are here.
  for (const [detail, says] of [
    ["expired", "has expired"],
    ["not valid yet", "is not valid yet"],
  ] as const) {
    const shut = { ...alarm("certificate_invalid", "critical", "ck"), detail };
    const told = of(shut);
    t.like(told, { level: "bad", code: "alarms", action: shut.action });
    t.is(told.text, `No key manager can connect: the certificate of ck ${says}`);
    const lost = network({ links: [link("a", "b", { state: "bad" })] });
    t.is(withAlarms(lost, [shut]).verdict.text, told.text);
    const status = () => withAlarms(good, [shut]);
    const view = { status, families: () => [], idleMs: () => 0 };
    t.like(pageContent(view, new ManualClock()).readiness(), { ready: false });
  }
  t.is(
    of({ ...alarm("certificate_invalid", "critical", "ck"), detail: "unreadable" }).level,
    "attention",
  );
  const standby = { ...good, verdict: verdictOf(false, good) };
  t.is(withAlarms(standby, [alarm("store_away", "critical")]).verdict.code, "standby");
});
