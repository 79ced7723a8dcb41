import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { firstWordMs } from "../../../../src/node/panel/guard.ts";
import { settle } from "../../../clock.ts";
import { PanelBench, withPanel } from "../../../rig/panel-bench.ts";

/** Lets the disk do what it was told. */
async function written(): Promise<void> {
  for (let i = 0; i < 20; i++) await settle();
}

test("tampering stops supply and tells the modules within the call that reports it", async (t) => {
  await withPanel(async (bench) => {
    t.false(bench.halt.on);
    bench.controller.contact(2, true);
    t.true(bench.halt.on, "nothing was awaited");
    t.deepEqual(
      bench.modules.map(({ told }) => told),
      [["zeroize"], ["zeroize"]],
    );
    t.true(bench.modules.every(({ forgotten }) => forgotten > 0));
    t.is(bench.guard.status().tamper, "seen");
    t.true(bench.controller.shows("tamper", "red", "fast"));
    await written();
    t.like(bench.guard.status(), { tamper: "latched", contacts: [2], zeroize: "done" });
    t.true(bench.controller.shows("tamper", "red"));
    t.is(bench.halt.why, "chassis contact 3 opened");
    t.deepEqual(
      [...bench.alarms],
      [
        ["tamper", "chassis contact 3 opened"],
        ["zeroized.alice", "by tamper"],
        ["zeroized.spare", "by tamper"],
      ],
    );
    t.deepEqual(
      bench.events.map(({ type }) => type),
      ["node_zeroize", "node_tamper", "module_zeroized", "module_zeroized"],
    );
    t.deepEqual(bench.store.data.panel, {
      tamper: { at: bench.store.data.panel?.tamper?.at as number, contacts: [2] },
    });
  });
});

test("by the policy stop, no module is told to destroy anything", async (t) => {
  await withPanel(
    async (bench) => {
      bench.controller.contact(0, true);
      bench.controller.contact(0, false);
      bench.controller.contact(1, true);
      await written();
      t.deepEqual(bench.guard.status().contacts, [0, 1]);
      t.deepEqual(
        bench.modules.flatMap(({ told }) => told),
        [],
      );
      t.deepEqual([...bench.alarms], [["tamper", "chassis contact 1, 2 opened"]]);
      t.is(bench.events.length, 2);
    },
    { onTamper: "stop" },
  );
});

test("a contact that chatters a thousand times is told once", async (t) => {
  await withPanel(async (bench) => {
    const before = bench.told.length;
    for (let i = 0; i < 1_000; i++) bench.controller.contact(0, i % 2 === 0);
    await written();
    await bench.clock.advance(1_000);
    t.is(bench.events.filter(({ type }) => type === "node_tamper").length, 1);
    t.is(bench.modules[0]?.told.length, 1);
    t.true(bench.told.length - before < 30, `${bench.told.length - before} messages`);
  });
});

test("a controller whose memory was lost is tampering; clearing makes it good", async (t) => {
  await withPanel(
    async (bench) => {
      bench.controller.memoryLost = true;
      bench.controller.tell();
      await written();
      t.is(bench.halt.why, "the panel could not have noticed");
      t.deepEqual(bench.guard.status().contacts, []);
      t.is(await bench.guard.clear("noc"), undefined);
      t.false(bench.controller.memoryLost);
      t.false(bench.halt.on);
    },
    { onTamper: "stop" },
  );
});

test("clearing needs closed contacts, a panel that is there, and something to clear", async (t) => {
  await withPanel(
    async (bench) => {
      const { controller, guard } = bench;
      t.is(await guard.clear("noc"), "not_tampered");
      controller.contact(0, true);
      await written();
      t.is(await guard.clear("noc"), "contact_open");
      controller.contact(0, false);
      bench.link(false);
      t.is(await guard.clear("noc"), "panel_lost");
      bench.link(true);
      bench.unplug();
      await settle();
      t.is(await guard.clear("noc"), "panel_lost");
      await bench.plug();

      // It is opened again while it is being cleared.
      controller.silent = true;
      const reopened = guard.clear("noc");
      t.is(await guard.clear("noc"), "busy");
      controller.silent = false;
      controller.contact(3, true);
      t.is(await reopened, "contact_open");
      t.deepEqual(guard.status().contacts, [0, 3]);
      controller.contact(3, false);
      await bench.clock.advance(100);

      // A controller that reports but does not clear.
      controller.receive = () => {};
      const silent = guard.clear("noc");
      await bench.clock.advance(5_000);
      t.is(await silent, "panel_silent");
      t.true(bench.halt.on);
      delete (controller as { receive?: unknown }).receive;

      t.is(await guard.clear("noc"), undefined);
      t.is(controller.latched, 0);
      t.false(bench.halt.on);
      t.false(bench.alarms.has("tamper"));
      t.deepEqual(bench.events.at(-1)?.facts, { by: "noc" });
      t.is(bench.store.data.panel, undefined);
      t.is(controller.lights.tamper.colour, "off");
    },
    { onTamper: "stop" },
  );
});

test("where no panel is configured any more, what was latched holds until it is cleared", async (t) => {
  await withPanel(
    async (bench) => {
      bench.controller.contact(0, true);
      await written();
      bench.connected = false;
      bench.options = undefined;
      await bench.powerCut(1);
      t.true(bench.halt.on);
      t.like(bench.guard.status(), { panel: "none", tamper: "latched" });
      t.is(await bench.guard.clear("noc"), undefined);
      t.false(bench.halt.on);
    },
    { onTamper: "stop" },
  );
});

test("a disk that fails does not let keys flow; what was seen is latched once it works", async (t) => {
  await withPanel(async (bench) => {
    bench.disk.failFrom(bench.disk.operations);
    bench.controller.contact(1, true);
    await written();
    t.true(bench.halt.on);
    t.is(bench.guard.status().tamper, "seen");
    await bench.clock.advance(20_000);
    t.is(bench.guard.status().tamper, "seen");
    t.true(bench.controller.shows("tamper", "red", "fast"));
    bench.disk.failFrom(Number.POSITIVE_INFINITY);
    await bench.clock.advance(6_000);
    await written();
    t.is(bench.guard.status().tamper, "latched");
    t.true(bench.halt.on);

    bench.controller.contact(1, false);
    await bench.clock.advance(100);
    bench.disk.failFrom(bench.disk.operations);
    await t.throwsAsync(bench.guard.clear("noc"), { instanceOf: Fault });
    t.true(bench.halt.on, "what is not on disk is not cleared");
    t.is(bench.guard.status().tamper, "seen");
    bench.disk.failFrom(Number.POSITIVE_INFINITY);
    await bench.clock.advance(6_000);
    await written();
    t.is(bench.guard.status().tamper, "latched");
    t.is(await bench.guard.clear("noc"), undefined);
  });
});

/** Tampering with power failing at the nth operation of the disk from then on. */
async function cutWhileLatching(n: number, seed: number) {
  const bench = await PanelBench.open({ onTamper: "zeroize" });
  bench.modules[1]!.connected = false;
  const start = bench.disk.operations;
  bench.disk.failFrom(start + n);
  bench.controller.contact(0, true);
  bench.controller.contact(0, false);
  await written();
  const used = bench.disk.operations - start;
  const shown = bench.controller.shows("tamper", "red");
  const told = bench.guard.status().tamper;
  // An attacker who cuts the power may also put in another controller.
  bench.controller.replace();
  await bench.powerCut(seed);
  const { panel } = bench.store.data;
  const result = { used, shown, told, halted: bench.halt.on, panel };
  await bench.close();
  return result;
}

test("power may fail at any operation of the disk: what the lamp said is latched, is latched", async (t) => {
  let used = Number.POSITIVE_INFINITY;
  let kept = 0;
  for (let n = 1; n <= used + 1; n++) {
    for (let seed = 1; seed <= 4; seed++) {
      const result = await cutWhileLatching(n, seed);
      if (n > result.used) used = result.used;
      t.is(result.shown, result.told === "latched", "the lamp does not lie");
      if (result.shown) {
        t.true(result.halted, `operation ${n}, seed ${seed}`);
        t.deepEqual(result.panel?.tamper?.contacts, [0]);
      }
      if (result.panel?.tamper !== undefined) {
        kept++;
        t.true(result.halted);
        t.true(result.panel.zeroize?.modules.includes("spare"), "what is owed is not forgotten");
      }
    }
  }
  t.true(used >= 10 && kept >= 4, `${used} operations, ${kept} kept`);
});

test("power may fail while it is cleared: it is cleared whole, or latched whole", async (t) => {
  for (let n = 1; n <= 12; n++) {
    const bench = await PanelBench.open({ onTamper: "stop" });
    bench.controller.contact(0, true);
    bench.controller.contact(0, false);
    await written();
    bench.disk.failFrom(bench.disk.operations + n);
    const cleared = await bench.guard.clear("noc").then(
      (why) => why === undefined,
      () => false,
    );
    const { halted } = bench.guard.status();
    t.is(halted, !cleared);
    await bench.powerCut(n);
    if (cleared) t.is(bench.store.data.panel, undefined);
    // Whether the controller's latch was cleared before does not matter: the node has its own.
    t.is(
      bench.halt.on && bench.guard.status().tamper === "latched",
      bench.store.data.panel !== undefined,
    );
    await bench.close();
  }
});

test("a module that is away is told when it is back, also after a power cut", async (t) => {
  await withPanel(async (bench) => {
    const [alice, spare] = bench.modules;
    spare!.connected = false;
    bench.controller.contact(0, true);
    await written();
    t.deepEqual(bench.store.data.panel?.zeroize, { modules: ["spare"], cause: "tamper" });
    t.is(bench.guard.status().zeroize, "failed");
    await bench.powerCut(3);
    t.is(alice!.told.length, 1, "who has done it is not told again");
    t.true(bench.halt.on);
    spare!.connected = true;
    bench.guard.moduleLink("spare", undefined);
    await written();
    t.is(spare!.told.length, 1);
    t.is(bench.store.data.panel?.zeroize, undefined);
    t.is(bench.alarms.get("zeroized.spare"), "by tamper");
    t.true(bench.halt.on, "tampering is not cleared by it");
  });
});

test("a module that says it is zeroized needs no telling; one that fails is told again and again", async (t) => {
  await withPanel(async (bench) => {
    const [alice, spare] = bench.modules;
    alice!.answer = () => Promise.reject(new Fault("module.command", "no answer"));
    spare!.answer = () => Promise.reject(new Fault("module.command", "failed"));
    bench.controller.contact(0, true);
    await written();
    await bench.clock.advance(30_000);
    t.true(spare!.told.length > 5 && spare!.told.length < 20, `${spare!.told.length}`);
    const facts = { source: "x", zeroized: true };
    alice!.zeroized = true;
    bench.guard.moduleLink("alice", new Fault("qmlp.refused", "module is zeroized", facts));
    await written();
    t.is(bench.alarms.get("zeroized.alice"), "by tamper");
    t.deepEqual(bench.store.data.panel?.zeroize?.modules, ["spare"]);
    t.true(bench.controller.shows("zeroize", "red", "fast"));
    // An operator gives up what can't be done.
    bench.controller.contact(0, false);
    await bench.clock.advance(100);
    t.is(await bench.guard.clear("noc"), undefined);
    t.false(bench.halt.on);
    const { length } = spare!.told;
    await bench.clock.advance(30_000);
    t.is(spare!.told.length, length);
  });
});

test("supply waits for the panel's first word; without one it is an alarm, and goes on or not", async (t) => {
  for (const onLost of ["supply", "stop"] as const) {
    const bench = await PanelBench.open({ onLost });
    bench.connected = false;
    await bench.powerCut(1);
    t.is(bench.halt.why, "waiting for the chassis panel");
    await bench.clock.advance(firstWordMs - 1);
    t.true(bench.halt.on);
    t.false(bench.alarms.has("panel_lost"));
    await bench.clock.advance(1);
    t.true(bench.alarms.has("panel_lost"));
    t.is(bench.halt.on, onLost === "stop");
    bench.link(true);
    t.false(bench.halt.on);
    t.false(bench.alarms.has("panel_lost"));
    bench.link(false);
    t.true(bench.alarms.has("panel_lost"));
    t.is(bench.halt.on, onLost === "stop");
    await bench.close();
  }
});

test("a panel that is not expected may be away, and counts when it is there", async (t) => {
  await withPanel(
    async (bench) => {
      bench.connected = false;
      await bench.powerCut(1);
      await bench.clock.advance(60_000);
      t.false(bench.halt.on);
      t.is(bench.alarms.size, 0);
      bench.link(true);
      t.is(bench.guard.status().panel, "ok");
      bench.controller.contact(0, true);
      t.true(bench.halt.on);
    },
    { expected: false },
  );
});

test("with the panel the key is gone, at once for the console, and within a second for all", async (t) => {
  await withPanel(async (bench) => {
    const { controller, relay, clock } = bench;
    t.false(relay.keyTurned);
    controller.key(true);
    await clock.advance(2_000);
    t.true(relay.keyTurned);
    // A node that is not there takes nothing away.
    bench.link(false);
    t.true(relay.keyTurned);
    await clock.advance(1_000);
    t.false(bench.guard.status().maintenance);
    t.deepEqual(bench.events.at(-1)?.facts, { on: false });
    bench.link(true);
    await clock.advance(2_000);
    t.true(bench.guard.status().maintenance);

    controller.contact(0, true);
    controller.contact(0, false);
    t.false(relay.keyTurned);
    await clock.advance(5_000);
    // Latches of another controller are clear, but not the node's.
    controller.replace();
    controller.key(true);
    await clock.advance(2_000);
    t.like(bench.guard.status(), { maintenance: true, tamper: "latched" });
    t.false(relay.keyTurned);
    t.is(await bench.guard.clear("somebody"), undefined);
    await clock.advance(1_000);
    t.true(relay.keyTurned);
    bench.unplug();
    await settle();
    t.false(relay.keyTurned);
  });
});

test("the key switch is told, at most once a second however it chatters, and right in the end", async (t) => {
  await withPanel(async (bench) => {
    bench.controller.key(true);
    await bench.clock.advance(100);
    t.true(bench.guard.status().maintenance);
    t.is(bench.controller.lights.maintenance.colour, "amber");
    for (let i = 0; i < 100; i++) {
      bench.controller.key(i % 2 === 0);
      await bench.clock.advance(30);
    }
    await bench.clock.advance(2_000);
    t.false(bench.guard.status().maintenance);
    const told = bench.events.filter(({ type }) => type === "node_maintenance");
    t.true(told.length <= 6, `${told.length}`);
    t.deepEqual(told.at(-1)?.facts, { on: false });
    t.false(bench.halt.on);
  });
});
