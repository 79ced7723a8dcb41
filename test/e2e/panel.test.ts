import test from "ava";
import { testWhole } from "../needs.ts";
import { PanelRig } from "../rig/panel-rig.ts";

/** What is done at once takes at most so many of the machine's own round trips; `npm run soak` measures. */
const trips = 10;

test.serial(
  "tamper while keys flow: supply stops, the module destroys its key, lamps show it",
  async (t) => {
    await PanelRig.with({ onTamper: "zeroize" }, async (bench) => {
      const { controller, rig } = bench;
      await bench.flowing();
      await bench.until("lamps", () => controller.shows("supply", "green"));
      await bench.until("the other lamps", () => controller.lights, {
        is: { node: { colour: "green" }, tamper: { colour: "off" } },
      });
      await bench.until("status", () => bench.status?.panel, {
        is: { presence: "ok", tamper: "none", serial: "EMU-PANEL-1" },
      });

      const quick = trips * (await bench.roundTrip());
      const at = performance.now();
      controller.contact(1, true);
      await bench.until("zeroized", () => bench.zeroized.length, { atLeast: 1 });
      const last = () => (bench.keys.at(-1) ?? 0) - at;
      const took = (bench.zeroized[0] as number) - at;
      const times = `last key ${last().toFixed(1)} ms, module told ${took.toFixed(1)} ms`;
      t.log(`${times}; at once is ${quick.toFixed(1)} ms`);
      t.true(took < quick, times);
      await bench.until("latched", () => controller.shows("tamper", "red"));
      const { length } = bench.keys;
      await bench.until("zeroized lamp", () => controller.shows("zeroize", "red"));
      await bench.until("alarms", () => bench.alarm("zeroized.alice") !== undefined);
      await bench.until("the alarm of the tampering", () => bench.alarm("tamper.node"), {
        is: { severity: "critical", active: true, detail: "chassis contact 2 opened" },
      });
      t.like(bench.alarm("zeroized.alice"), { severity: "critical", detail: "by tamper" });
      await bench.until("event", () => bench.events("node_tamper").length, { atLeast: 1 });
      t.deepEqual(
        bench.events("node_tamper").map(({ facts }) => facts),
        [{ detail: "chassis contact 2 opened", policy: "zeroize" }],
      );
      t.is(bench.keys.length, length, "no key once tampering is known");
      t.true(last() < quick, `${last()} ms`);
      t.is(rig.pair.alice.module.heldBlocks, 0);
      await bench.until("status of the tampering", () => bench.status?.panel, {
        is: { tamper: "latched", contacts: [1], halted: true },
      });
      await bench.until("the reason", () => rig.view.node("node-alice").reason, {
        matches: /supply stopped: chassis contact 2 opened/,
      });
    });
  },
);

test.serial(
  "tampering outlives SIGKILL and another controller; only a signed command clears it",
  async (t) => {
    await PanelRig.with({ onTamper: "stop" }, async (bench) => {
      const { controller, rig } = bench;
      await bench.flowing();
      controller.contact(0, true);
      await bench.until("latched", () => bench.status?.panel?.tamper, { is: "latched" });
      await bench.until("the panel shows it", () => controller.shows("tamper", "red"));

      // Neither an acknowledgement nor a forger lets keys flow again.
      t.like(await bench.command("acknowledge_alarm", { alarm: "tamper.node" }), {
        status: "failed",
        reason: "needs_clear_tamper",
      });
      t.like(await bench.publish("clear_tamper", "no signature"), {
        status: "refused",
        reason: "unsigned",
      });
      t.like(await bench.command("clear_tamper", {}, 99), {
        status: "refused",
        reason: "wrong_boot",
      });
      t.like(await bench.command("clear_tamper", {}), { status: "failed", reason: "contact_open" });

      const { length } = bench.keys;
      const bob = rig.bob.km.store.size;
      controller.contact(0, false);
      controller.replace();
      await bench.restart();
      await bench.until("up again", () => bench.status?.boot, { is: 2 });
      await bench.until("panel is back", () => bench.status?.panel?.presence, { is: "ok" });
      await bench.until("Bob goes on", () => rig.bob.km.store.size, { atLeast: bob + 21 });
      t.is(controller.latched, 0);
      t.is(bench.keys.length, length, "nothing is supplied after the restart");
      await bench.until("the alarm", () => bench.alarm("tamper.node"), { is: { active: true } });
      await bench.until("status", () => bench.status?.panel, {
        is: { tamper: "latched", halted: true, contacts: [0] },
      });

      // Refused while the panel is away, for which a busy machine suffices.
      await bench.until("cleared", () => bench.command("clear_tamper", {}), {
        is: { status: "done" },
      });
      await bench.flowing("keys flow again");
      await bench.until("alarm is over", () => bench.alarm("tamper.node"), { is: undefined });
      await bench.until("the event", () => bench.events("node_tamper_cleared")[0]?.facts, {
        is: { by: "noc" },
      });
      t.is(rig.pair.alice.module.zeroized, false);
      await bench.until("both have them", () => rig.compare().common, { atLeast: length + 6 });
      t.is(rig.compare().different, 0);
    });
  },
);

testWhole.serial(
  "a contact that was open while the node was off is noticed before any key leaves",
  async (t) => {
    await PanelRig.with({ onTamper: "stop", away: true }, async (bench) => {
      const { controller, rig } = bench;
      controller.contact(3, true);
      controller.contact(3, false);
      await bench.until("node waits", () =>
        rig.view.node("node-alice").reason.includes("waiting for the chassis panel"),
      );
      bench.process.start();
      await bench.until("latched", () => bench.status?.panel?.tamper, { is: "latched" });
      t.is(bench.keys.length, 0);
      await bench.until("cleared", () => bench.command("clear_tamper", {}), {
        is: { status: "done" },
      });
      t.is(controller.latched, 0, "the controller's latch is cleared too");
      await bench.flowing();
    });
  },
);

testWhole.serial(
  "a panel that dies, hangs, is unplugged or falls silent is an alarm within 3 s; keys flow on",
  async (t) => {
    await PanelRig.with({ onTamper: "zeroize" }, async (bench) => {
      const { controller, attachment } = bench;
      const deaths: [string, () => unknown, () => unknown][] = [
        ["killed", () => bench.process.stop("SIGKILL"), () => bench.process.start()],
        ["hung", () => bench.process.signal("SIGSTOP"), () => bench.process.signal("SIGCONT")],
        ["unplugged", () => attachment.unplug(), () => attachment.plug()],
        [
          "silent",
          () => {
            controller.silent = true;
          },
          () => {
            controller.silent = false;
          },
        ],
      ];
      await bench.flowing();
      const quick = trips * (await bench.roundTrip());
      for (const [how, die, revive] of deaths) {
        await bench.until("present", () => bench.status?.panel?.presence, { is: "ok" });
        const at = performance.now();
        await die();
        await bench.until(`${how}: alarm`, () => bench.alarm("panel_lost.node")?.active, {
          is: true,
        });
        const took = performance.now() - at;
        t.log(`${how}: alarm at the broker after ${took.toFixed(0)} ms`);
        t.true(took < 3_000 + quick, `${how}: ${took}, at once is ${quick}`);
        await bench.flowing(`${how}: keys flow on`);
        await revive();
        await bench.until(`${how}: over`, () => bench.alarm("panel_lost.node"), { is: undefined });
        await bench.until("present again", () => bench.status?.panel?.presence, { is: "ok" });
      }
      t.is(bench.zeroized.length, 0);
      t.is(bench.events("node_tamper").length, 0);
    });
  },
);

testWhole.serial("on_lost = stop: no key without the panel, and on with it", async (t) => {
  await PanelRig.with({ onTamper: "stop", panel: 'on_lost = "stop"' }, async (bench) => {
    await bench.flowing();
    await bench.process.stop("SIGKILL");
    await bench.until("lost", () => bench.status?.panel?.presence, { is: "lost" });
    const { length } = bench.keys;
    const bob = bench.rig.bob.km.store.size;
    await bench.until("Bob goes on", () => bench.rig.bob.km.store.size, { atLeast: bob + 21 });
    t.is(bench.keys.length, length);
    bench.process.start();
    await bench.flowing("keys flow again");
  });
});

testWhole.serial(
  "garbage and a chattering key by the ten thousand harm nobody; the key switch is told",
  async (t) => {
    await PanelRig.with({ onTamper: "zeroize" }, async (bench) => {
      const { controller } = bench;
      await bench.flowing();
      controller.key(true);
      await bench.until("maintenance", () => controller.shows("maintenance", "amber"));
      await bench.until("told", () => bench.status?.panel?.maintenance, { is: true });
      const panel = bench.process.pid;
      const node = bench.rig.alice.node.pid;
      for (let i = 0; i < 20_000; i++) {
        controller.key(i % 2 === 0);
        if (i % 4 === 0) controller.sendRaw(Buffer.alloc(i % 64, i));
        if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await bench.flowing("keys flow on");
      await bench.until("settled", () => bench.status?.panel?.maintenance, { is: false });
      await bench.until("controller heard", () => controller.hosted);
      t.is(bench.process.pid, panel);
      t.is(bench.rig.alice.node.pid, node);
      t.true(bench.events("node_maintenance").length < 20);
      t.is(bench.events("node_tamper").length, 0);
      t.is(bench.zeroized.length, 0);
    });
  },
);

testWhole.serial(
  "the zeroize button, held for five seconds, has the module destroy its key",
  async (t) => {
    await PanelRig.with({ onTamper: "stop" }, async (bench) => {
      const { controller } = bench;
      await bench.flowing();
      await bench.until("heard", () => bench.status?.panel?.presence, { is: "ok" });
      const quick = trips * (await bench.roundTrip());
      const at = performance.now();
      controller.press(true);
      await bench.until("lamp while held", () => controller.shows("zeroize", "amber", "fast"));
      await bench.until("zeroized", () => bench.zeroized.length, { atLeast: 1 });
      const took = (bench.zeroized[0] as number) - at;
      t.log(`told after ${took.toFixed(1)} ms; at once is ${quick.toFixed(1)} ms`);
      t.true(took >= 5_000 && took < 5_000 + quick, `${took}, at once is ${quick}`);
      await bench.until("lamp", () => controller.shows("zeroize", "red"));
      await bench.until("alarm", () => bench.alarm("zeroized.alice")?.detail, { is: "by button" });
      await bench.until("event", () => bench.events("module_zeroized").length, { atLeast: 1 });
      await bench.until("its cause", () => bench.events("node_zeroize").length, { is: 1 });
      t.like(bench.events("module_zeroized")[0]?.facts, { cause: "button" });
      await bench.until("no tamper", () => bench.status?.panel?.tamper, { is: "none" });
      controller.press(false);
      bench.initialise();
      await bench.flowing("keys flow once the module is initialised anew");
      t.is(bench.zeroized.length, 1);
    });
  },
);
