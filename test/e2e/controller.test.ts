/** A controller as an operator runs it: key managers over both bindings, its command line, a restart. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { eventually } from "../eventually.ts";
import { qkdController, tooWide } from "../rig/cli.ts";
import { ControllerProcess, type TestKm } from "../rig/controller-process.ts";
import { deadline } from "../rig/with-rig.ts";

const tables = `[node.km-a]
site = "north"
[node.km-b]
[node.km-c]
[link.ab]
between = ["km-a", "km-b"]
length_km = 40
[link.bc]
between = ["km-b", "km-c"]
[routing]
settle_s = 0
hold_down_s = 0
[web]
port = 0
`;

test.serial("key managers over both bindings are routed, shown, and cut off", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-controller-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const controller = await ControllerProcess.make({ folder, tables });
  t.teardown(() => controller.process.stop("SIGKILL"));
  await controller.start(deadline());
  const cli = (...args: string[]) => qkdController([...args, "--config", controller.config]);

  const a = await controller.km("km-a");
  const b = await controller.km("km-b", "grpc");
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  const attached = async () => {
    const { nodes } = await controller.status();
    return nodes.filter((node) => node.attached).map(({ km }) => km);
  };
  await eventually("both are attached", attached, { is: ["km-a", "km-b"] });

  await a.tell("km-b");
  await b.tell("km-a");
  await b.tell("km-c");
  const { message } = await a.end.session.request({
    type: "nextHopRequest",
    sourceKma: "km-a",
    destinationKma: "km-c",
  });
  t.like(message, { type: "nextHopResponse", nextKmas: ["km-b"] });

  const shown = await cli("links");
  t.is(shown.code, 0, shown.err);
  t.regex(shown.out, /^km-a--km-b +good/m);
  t.deepEqual(tooWide(shown.out), []);
  const status = await cli("status");
  t.regex(status.out, /nodes +3, 2 connected/);
  const json = JSON.parse((await cli("links", "--json")).out);
  t.like(json[0], { link: "km-a--km-b", length_km: 40, origin: "configured" });

  const out = await cli("service", "km-b--km-c", "out_of_service");
  t.is(out.code, 0, out.err);
  const none = await a.end.session.request({
    type: "nextHopRequest",
    sourceKma: "km-a",
    destinationKma: "km-c",
  });
  t.deepEqual(none.message.type === "nextHopResponse" && none.message.nextKmas, []);

  await controller.process.stop();
  // A configuration that was good for an older version is that for this one, which says what it takes otherwise.
  const text = await readFile(controller.config, "utf8");
  await writeFile(controller.config, text.replace("[routing]\n", "[routing]\nsilent_s = 5\n"));
  const note = /routing\.silent_s = 5 is taken as 10: key managers report every 5 s/;
  const checked = await cli("check-config");
  t.is(checked.code, 0, checked.err);
  t.regex(checked.out, /: good \(.*\n.*: note: routing/);
  t.regex(checked.out, note);
  await controller.start(deadline());
  t.true(controller.process.lines.some((line) => note.test(line)));
  const services = async () => (await controller.status()).links.map(({ service }) => service);
  await eventually("the order outlives a restart", services, {
    is: ["in_service", "out_of_service"],
  });
  await eventually("key managers come back", attached, { is: ["km-a", "km-b"] });
  t.regex((await cli("changes")).out, /service +km-b--km-c/);
  t.is(await controller.process.stop(), 0);
});

/** From an alarm of a link to another route, ms. */
const rerouteMs = 2_000;

test.serial("an alarm of a link is another route at once, and the way back waits", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-reroute-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const names = ["km-a", "km-b", "km-c", "km-d"];
  const links = [
    ["km-a", "km-b"],
    ["km-b", "km-c"],
    ["km-a", "km-d"],
    ["km-d", "km-c"],
  ] as const;
  const controller = await ControllerProcess.make({
    folder,
    tables: `${names.map((name) => `[node.${name}]\n`).join("")}
[pair.ac]
between = ["km-a", "km-c"]
demand_bits_per_s = 1000
[routing]
settle_s = 3600
`,
  });
  t.teardown(() => controller.process.stop("SIGKILL"));
  await controller.start(deadline());
  const kms = new Map<string, TestKm>();
  for (const name of names) kms.set(name, await controller.km(name));
  t.teardown(() => Promise.all([...kms.values()].map((km) => km.stop())));
  const km = (name: string) => kms.get(name) as TestKm;
  for (const name of names) {
    await eventually(`${name} is connected`, () => km(name).end.sessions.length, { is: 1 });
  }
  for (const [one, other] of links) {
    await km(one).tell(other);
    await km(other).tell(one);
  }
  const routeOf = async () => {
    const { pairs } = await controller.status();
    return pairs.find(({ pair }) => pair === "km-a--km-c")?.route ?? [];
  };
  const before = await eventually("a route", routeOf, { when: (route) => route.length === 3 });
  const [, between = ""] = before;

  const alarm = { name: "qber_high", severity: "major" } as const;
  const raised = performance.now();
  await km(between).tell("km-c", { qber: 0.12, alarms: [alarm] });
  const after = await eventually("another route", routeOf, {
    when: (route) => route.length === 3 && route[1] !== between,
  });
  const took = performance.now() - raised;
  t.deepEqual(after, ["km-a", between === "km-b" ? "km-d" : "km-b", "km-c"]);
  const { changes } = await controller.status();
  const told = changes.find(({ kind, object }) => kind === "reroute" && object === "km-a--km-c");
  t.log(`${Math.round(took)} ms on the wire, ${told?.after_ms} ms in the controller`);
  t.true((told?.after_ms ?? Number.POSITIVE_INFINITY) <= rerouteMs);
  // The link is good again: not before it was so for a while.
  await km(between).tell("km-c", { qber: 0.01, alarms: [] });
  t.deepEqual(await routeOf(), after);
});
