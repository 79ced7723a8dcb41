/** What nodes tell their KMs of modules and links (Kq-2): real nodes, real key managers, and a KM that has none of it. */
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import type { KmStatus, ToldStatus } from "../../src/km/model/status.ts";
import type { KmTold } from "../../src/ops/cli/shapes.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { testWhole } from "../needs.ts";
import { patience } from "../patience.ts";
import { problemsOf, qkdKm, qkdNode, tooWide } from "../rig/cli.ts";
import type { KmOfPair } from "../rig/km-pair.ts";
import type { RigEnd } from "../rig/rig.ts";
import { deadline, withRig } from "../rig/with-rig.ts";

const source = () => seedSource({ seed: 5, blockBits: 8_192, clock: systemClock });
/** Raised by the QBER of any link. */
const touchy = `[module.alarms]\nqber_warning = 0.005\n`;

async function toldAt(km: KmOfPair): Promise<ToldStatus | undefined> {
  return (await km.status()).modules[0]?.told;
}

async function statusOf({ config }: RigEnd): Promise<readonly KmTold[]> {
  const { out } = await qkdNode(["status", "--json", "--config", config]);
  return (JSON.parse(out) as { readonly kq2: readonly KmTold[] }).kq2;
}

test.serial(
  "a KM shows its module's QBER, key rate, link and alarms as the node tells them, within moments",
  async (t) => {
    const options = { source: source(), keyBits: 256, blockIntervalMs: 20, realKms: true };
    await withRig({ ...options, extra: touchy }, async (rig) => {
      const { alice, bob } = rig.kms ?? t.fail();
      for (const km of [alice, bob]) {
        const told = await rig.until(`${km.end}'s KM knows`, () => toldAt(km), {
          when: (seen) =>
            Number(seen?.figures.secret_key_rate) > 0 && /^Keys flow/.test(seen?.reason ?? ""),
        });
        t.true(told?.current);
        t.is(told?.node, `node-${km.end}`);
        t.is(told?.module, "OPERATING");
        t.is(told?.link, "ACTIVE");
        t.true(Number(told?.figures.qber) > 0.01 && Number(told?.figures.qber) < 0.05);
      }

      const alarm = (status: KmStatus) =>
        status.node_alarms.find(({ alarm: id }) => id === "qber_high.alice");
      const raised = await rig.until("the node's alarm", async () => alarm(await alice.status()), {
        when: (seen) => seen !== undefined,
      });
      t.is(raised?.node, "node-alice");
      t.is(raised?.severity, "warning");
      t.deepEqual(raised?.modules, ["m"]);
      t.regex(raised?.text ?? "", /quantum bit error ratio/);
      const status = await alice.status();
      t.false(status.alarms.some(({ alarm: id }) => id.startsWith("qber_high")));
      t.is(status.kq2.connections, 1);
      t.deepEqual(status.kq2.refused, {});
      t.is(status.links[0]?.modules?.[0]?.link, "ACTIVE");
      t.deepEqual(await statusOf(rig.alice), [{ km: "local", state: "up", reason: "" }]);

      const config = join(rig.folder, "kms", "alice.toml");
      for (const command of ["status", "links", "alarms"]) {
        const { out, code } = await qkdKm([command, "--config", config]);
        t.is(code, 0);
        t.deepEqual(tooWide(out), [], out);
        t.regex(
          out,
          command === "alarms" ? /warning +qber_high\.alice/ : /node-alice +OPERATING +ACTIVE/,
        );
        if (command === "alarms") t.regex(out, /an alarm of node-alice: /);
      }
      const json = JSON.parse((await qkdKm(["alarms", "--json", "--config", config])).out);
      t.true(json.some((one: { readonly node?: string }) => one.node === "node-alice"));

      rig.pair.alice.unplug();
      const down = await rig.until("the KM hears that it is away", () => toldAt(alice), {
        when: (seen) => seen?.link === "OFF",
      });
      t.is(down?.module, "DOWN");
      t.regex(down?.reason ?? "", /module: /);
      await alice.process.logged(/msg="link of a module" .*link=OFF/, deadline());
      t.is((await toldAt(bob))?.module, "OPERATING");
      rig.pair.alice.plug();
      await rig.until("and that it is back", async () => (await toldAt(alice))?.link, {
        is: "ACTIVE",
      });

      await rig.alice.node.stop();
      const gone = await rig.until("a node that ended", () => toldAt(alice), {
        when: (seen) => seen?.current === false,
      });
      t.is(gone?.module, "OPERATING", "what it said last is kept, with its age");
      const { links } = await alice.status();
      t.is(links[0]?.modules?.[0]?.link, "UNKNOWN");
      const { out } = await qkdKm(["links", "--config", config]);
      t.regex(out, /node-alice +UNKNOWN +UNKNOWN/);

      rig.alice.node.start();
      await rig.until("it is back", async () => (await toldAt(alice))?.current, { is: true });
      await alice.process.stop();
      await rig.until("the node sees it", async () => (await statusOf(rig.alice))[0]?.state, {
        is: "down",
      });
      await alice.start(patience(30_000));
      await rig.until("told anew", async () => (await toldAt(alice))?.current, { is: true });
    });
  },
);

testWhole.serial("a KM without Kq-2 gets its keys as ever, and is asked once", async (t) => {
  await withRig({ source: source(), blockIntervalMs: 20 }, async (rig) => {
    const { node, km, config } = rig.alice;
    await rig.until("both KMs hold 50 keys", () => rig.holds(50));
    await rig.until("Kq-2", async () => (await statusOf(rig.alice))[0]?.state, {
      is: "not_offered",
    });
    await rig.until("handshakes", () => km.counts.refusedHandshakes, { is: 1 });
    t.is(km.counts.connections, 1, "that of Kq-1 alone");
    t.is(km.counts.badResponses, 0);
    const lines = node.lines.filter((line) => line.includes("kq2"));
    t.is(lines.length, 1, lines.join("\n"));
    t.regex(lines[0] ?? "", /level=info .*msg="the KM does not have Kq-2/);
    t.is(rig.view.node("node-alice").km, "UP");
    const { out } = await qkdNode(["status", "--config", config]);
    t.regex(out, /Kq-2 +local: not told: the KM does not have Kq-2/);
    t.deepEqual(tooWide(out), []);
    const json = await qkdNode(["status", "--json", "--config", config]);
    t.deepEqual(problemsOf("status", json.out), []);
    const raised = (await qkdNode(["alarms", "--json", "--config", config])).out;
    t.false(raised.includes('"km_'), raised);
  });
});

testWhole.serial("a KM that is not to be told is never asked", async (t) => {
  const off = { source: source(), blockIntervalMs: 20, kmExtra: `kq2 = "off"` };
  await withRig(off, async (rig) => {
    await rig.until("both KMs hold 20 keys", () => rig.holds(20));
    t.is(rig.alice.km.counts.connections, 1);
    t.deepEqual(await statusOf(rig.alice), []);
  });
});
