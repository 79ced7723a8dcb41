/** Key managers that are renamed, replaced or taken back: what was held for the one that is gone ends. */
import test from "ava";
import type { CkMessageOf } from "../../../src/wire/ck/messages.ts";
import {
  applicationExtensions,
  pairExtension,
  sessionExtension,
} from "../../../src/wire/ck/state.ts";
import { link, Rig, square } from "./rig.ts";

/** It relays to another one, and uses so many bit/s of that. */
function pair(peer: string, consumption: number) {
  const counted = { stock: 0, relayed: 0, pads: 0, relays: 0, failed: 0 };
  return pairExtension({
    ...{ peer, consumption, ...counted },
    ...{ up: true, scheme: "case-2", routing: "controller" },
  });
}

const wanted: CkMessageOf<"sessionRequest"> = {
  type: "sessionRequest",
  sourceApp: "far",
  destinationApp: "app",
};

/** a–b–d and a–c–d; a has an application, and keys of d. */
function network(): Rig {
  const rig = new Rig();
  rig.network(square);
  rig.attach("a", [link("b"), link("c")], [pair("d", 5_000), ...applicationExtensions(["app"])]);
  rig.attach("d", [link("b"), link("c")], applicationExtensions(["far"]));
  rig.pass(20_000);
  return rig;
}

/** The key manager of a is called z now. */
function rename(rig: Rig): void {
  rig.core.detached("a", "closed");
  rig.attach("z", [link("b"), link("c")], [pair("d", 5_000), ...applicationExtensions(["app"])]);
  for (const km of ["b", "c"]) rig.attach(km, [link("z"), link("d")]);
}

function live(rig: Rig, seconds: number): void {
  for (let s = 0; s < seconds; s += 5) {
    rig.pass(5_000);
    for (const km of ["b", "c", "d", "z"]) rig.report(km, []);
  }
}

test("a pair whose key manager has another name wants no keys after 15 min", (t) => {
  const rig = network();
  rename(rig);
  live(rig, 60);
  t.like(rig.pair("a--d"), { route: [], demand: 5_000 });
  t.is(rig.core.status().verdict.code, "no_route");
  live(rig, 900 + 60);
  t.is(rig.pair("a--d"), undefined);
  t.is(rig.pair("d--z")?.route.length, 3);
  t.is(rig.core.status().verdict.level, "good");
});

test("a key manager that is taken back leaves nothing: its pairs, links, sessions, orders and place are gone", (t) => {
  const rig = network();
  const session = { id: "s", source: "far", destination: "app", keys: 0 };
  rig.report("d", [], [sessionExtension({ ...session, role: "source" })]);
  t.is(rig.core.status().open_sessions, 1);
  rig.core.orderRelay("a", "d", 1_000, "an operator");
  rename(rig);
  rig.take();
  rig.core.revoke("km", "a", "an operator");
  const { nodes, links, pairs, open_sessions } = rig.core.status();
  t.deepEqual(nodes.map(({ km }) => km).sort(), ["b", "c", "d", "z"]);
  t.false(links.some(({ a, b }) => a === "a" || b === "a"));
  t.is(pairs.find((one) => one.pair === "a--d")?.demand, 0);
  t.is(open_sessions, 0);
  t.true(rig.told.some(({ text }) => text.startsWith("1000 bits that were ordered taken back")));
  live(rig, 900 + 60);
  t.is(rig.pair("a--d"), undefined);
});

test("applications of a key manager that was taken back are its that tells of them, too", (t) => {
  const rig = network();
  rename(rig);
  rig.core.revoke("km", "a", "an operator");
  rig.take();
  rig.command("d", wanted);
  t.like(rig.take().at(-1), { km: "z", command: { type: "sessionNotification" } });
});

test("a key manager that is taken back while it is connected has no place once that is over", (t) => {
  const rig = network();
  rig.core.revoke("km", "a", "an operator");
  rig.core.detached("a", "withdrawn");
  for (const km of ["b", "c"]) rig.report(km, [link("d")], [], true);
  t.false(rig.core.status().nodes.some(({ km }) => km === "a"));
});

test("an application that moves is its new key manager's, though the old one gave it up later", (t) => {
  const rig = network();
  rig.report("b", [], applicationExtensions(["app"]));
  rig.attach("a", [link("b"), link("c")]);
  rig.take();
  rig.command("d", wanted);
  t.like(rig.take().at(-1), { km: "b", command: { type: "sessionNotification" } });
});

test("an application that the configuration gives to a key manager stays its, whatever that tells", (t) => {
  const rig = new Rig({ nodes: [{ km: "a", applications: ["app"] }] });
  rig.attach("a", [link("d")], applicationExtensions(["app"]));
  rig.attach("d", [link("a")], applicationExtensions(["far"]));
  rig.attach("a", [link("d")]);
  rig.take();
  rig.command("d", wanted);
  t.like(rig.take().at(-1), { km: "a", command: { type: "sessionNotification" } });
});

test("what was ordered of a pair stays ordered while both its key managers are away", (t) => {
  const rig = network();
  rig.core.detached("b", "closed");
  rig.core.detached("c", "closed");
  rig.core.orderRelay("b", "c", 1_000, "an operator");
  rig.pass(1_900_000);
  t.is(rig.pair("b--c")?.ordered_bits, 1_000);
});

test("that an application is another key manager's is told once, and what to do where that one is away", (t) => {
  const rig = network();
  const told = () => rig.told.filter(({ text }) => text.startsWith("its application app is"));
  rig.report("b", [], applicationExtensions(["app"]));
  t.like(told(), [{ object: "b", text: "its application app is served by a" }]);
  rename(rig);
  rig.report("z", [], applicationExtensions(["app"]));
  const text =
    "its application app is served by a, which is not connected: withdraw that one if it is none any more";
  t.like(told().slice(1), [{ object: "z", text }]);
  t.is(told().length, 2);
});

test("routes that were set by hand are taken back, also of a key manager that is gone", (t) => {
  const rig = network();
  rig.core.setRoutes("a", "d", [["a", "b", "d"]], "an operator");
  rename(rig);
  rig.core.revoke("km", "a", "an operator");
  t.is(rig.saved.get("routes")?.size, 1);
  rig.core.setRoutes("a", "d", undefined, "an operator");
  t.is(rig.saved.get("routes")?.size, 0);
  const again = t.throws(() => rig.core.setRoutes("a", "d", undefined, "an operator"));
  t.regex(again.message, /there is no such key manager/);
});

test("an application stays its first key manager's when that one connects anew", (t) => {
  const rig = network();
  rig.report("b", [], applicationExtensions(["app"]));
  rig.core.detached("a", "closed");
  rig.attach("a", [link("b"), link("c")], [pair("d", 5_000), ...applicationExtensions(["app"])]);
  rig.take();
  rig.command("d", wanted);
  t.like(rig.take().at(-1), { km: "a", command: { type: "sessionNotification" } });
});

test("applications that the configuration gives to a key manager that was taken back are another's that tells of them", (t) => {
  const rig = new Rig({ nodes: [{ km: "a", applications: ["app"] }, { km: "b" }, { km: "d" }] });
  rig.attach("b", [link("d")], applicationExtensions(["app"]));
  rig.attach("d", [link("b")], applicationExtensions(["far"]));
  rig.core.revoke("km", "a", "an operator");
  rig.take();
  rig.command("d", wanted);
  t.like(rig.take().at(-1), { km: "b", command: { type: "sessionNotification" } });
});

test("that a component is not known is said of one that is taken back, and it is refused all the same", (t) => {
  const access = { openToKms: true, openToApplications: true, applications: [] };
  const rig = new Rig({ nodes: [{ km: "configured", applications: ["its"] }], access });
  rig.attach("a", [link("b")], applicationExtensions(["app"]));
  for (const app of ["app", "its"]) t.true(rig.core.revoke("application", app, "x"), app);
  for (const km of ["b", "a", "configured"]) t.true(rig.core.revoke("km", km, "x"), km);
  t.false(rig.core.revoke("km", "slip", "x"));
  t.false(rig.core.revoke("application", "slip", "x"));
  t.is(rig.core.mayAttach("slip"), "unauthorized");
  t.true(rig.core.revoke("km", "slip", "x"), "it is on record by now");
});
