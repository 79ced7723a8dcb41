import test from "ava";
import { HoldButton, holdMs } from "../../../../drivers/panel/button.ts";
import { lightsOf } from "../../../../drivers/panel/lights.ts";
import type { Light } from "../../../../drivers/panel/report.ts";
import type { NodeMessage } from "../../../../src/port/panel.ts";
import { settle } from "../../../clock.ts";
import { obey } from "../../../emulator/panel/words.ts";
import { random } from "../../../random.ts";
import { type PanelBench, withPanel } from "../../../rig/panel-bench.ts";
import { quietNode as node } from "../../../rig/panel-messages.ts";

const zeroizations = (bench: PanelBench) =>
  bench.events.filter(({ type }) => type === "node_zeroize").length;

test("held for 4.9 s the button does nothing; for 5 s all modules destroy their key, once", async (t) => {
  await withPanel(async (bench) => {
    const { controller, clock } = bench;
    controller.press(true);
    t.deepEqual(controller.lights.zeroize, { colour: "amber", rhythm: "fast" });
    await clock.advance(4_900);
    controller.press(false);
    t.is(controller.lights.zeroize.colour, "off");
    await clock.advance(60_000);
    t.is(zeroizations(bench), 0);
    t.deepEqual(
      bench.modules.flatMap(({ told }) => told),
      [],
    );

    controller.press(true);
    await clock.advance(4_999);
    t.is(zeroizations(bench), 0);
    await clock.advance(1);
    t.is(zeroizations(bench), 1);
    t.deepEqual(
      bench.modules.map(({ told }) => told),
      [["zeroize"], ["zeroize"]],
    );
    await settle();
    t.deepEqual(controller.lights.zeroize, { colour: "red", rhythm: "steady" });
    t.false(bench.halt.on, "no tampering: supply goes on once the key is destroyed");
    // Held on, released, tapped: nothing more.
    await clock.advance(60_000);
    controller.press(false);
    controller.press(true);
    controller.press(false);
    await clock.advance(10_000);
    t.is(zeroizations(bench), 1);
    t.is(bench.guard.status().tamper, "none");
  });
});

test("a press that is interrupted, even unseen, begins anew", async (t) => {
  await withPanel(async (bench) => {
    const { controller, clock } = bench;
    controller.press(true);
    await clock.advance(4_000);
    // Released and pressed between two reports that arrived.
    controller.silent = true;
    controller.press(false);
    controller.press(true);
    controller.silent = false;
    controller.tell();
    await clock.advance(4_000);
    t.is(zeroizations(bench), 0);
    await clock.advance(1_000);
    t.is(zeroizations(bench), 1);
  });
});

test("a button that is stuck, or held while the panel comes, is nobody's will", async (t) => {
  await withPanel(async (bench) => {
    const { controller, clock } = bench;
    controller.press(true);
    await clock.advance(3_000);
    bench.unplug();
    await settle();
    await bench.plug();
    await clock.advance(60_000);
    t.is(zeroizations(bench), 0);
    controller.press(false);
    controller.press(true);
    await clock.advance(5_000);
    t.is(zeroizations(bench), 1);
  });
  const button = new HoldButton();
  button.seen(true, 1, 0);
  t.false(button.fired(holdMs * 10));
  t.is(button.left(0), undefined);
});

test("a request that the node was not there to hear is followed when it is, for ten minutes", async (t) => {
  await withPanel(async (bench) => {
    const { controller, clock } = bench;
    bench.link(false);
    controller.press(true);
    await clock.advance(5_000);
    controller.press(false);
    t.deepEqual(controller.lights.zeroize, { colour: "red", rhythm: "fast" });
    t.deepEqual(controller.lights.node, { colour: "red", rhythm: "slow" });
    await clock.advance(300_000);
    t.is(zeroizations(bench), 0);
    bench.link(true);
    t.is(zeroizations(bench), 1);
    await clock.advance(5_000);
    t.is(zeroizations(bench), 1, "it is the same request");

    bench.link(false);
    controller.press(true);
    await clock.advance(5_000);
    controller.press(false);
    await clock.advance(601_000);
    t.is(controller.lights.zeroize.colour, "off");
    bench.link(true);
    t.is(zeroizations(bench), 1);
  });
});

test("a controller that falls silent is noticed within 2 s, and told with why", async (t) => {
  await withPanel(async (bench) => {
    await bench.clock.advance(10_000);
    bench.controller.silent = true;
    await bench.clock.advance(1_400);
    t.false(bench.alarms.has("panel_lost"));
    await bench.clock.advance(600);
    t.regex(bench.alarms.get("panel_lost") ?? "", /^controller: controller says nothing/);
    t.false(bench.halt.on, "supply goes on");
    bench.controller.silent = false;
    await bench.plug();
    t.false(bench.alarms.has("panel_lost"));
  });
});

test("reports that cannot be read are counted, and nothing else", async (t) => {
  await withPanel(async (bench) => {
    const next = random(5);
    for (let round = 0; round < 10; round++) {
      await obey("garbage 1000", bench.controller, {} as never, next);
      await bench.clock.advance(250);
    }
    await bench.clock.advance(1_000);
    t.is(bench.told.at(-1)?.malformed, 10_000);
    t.is(bench.events.length, 0);
    t.is(bench.alarms.size, 0);
    // Garbage alone is silence.
    bench.controller.silent = true;
    for (let round = 0; round < 10; round++) {
      bench.controller.sendRaw(Buffer.alloc(32, round));
      await bench.clock.advance(250);
    }
    t.true(bench.alarms.has("panel_lost"));
  });
});

test("tampering overtakes what else is to be told", async (t) => {
  await withPanel(async (bench) => {
    bench.controller.key(true);
    bench.controller.key(false);
    const before = bench.told.length;
    bench.controller.key(true);
    bench.controller.key(false);
    t.is(bench.told.length, before, "a chattering key waits");
    bench.controller.contact(0, true);
    t.is(bench.told.length, before + 1);
    t.deepEqual(bench.told.at(-1)?.latched, [0]);
  });
});

test("the controller tells who it is, also after it started anew", async (t) => {
  await withPanel(async (bench) => {
    await bench.clock.advance(1_000);
    t.like(bench.guard.status(), { serial: "EMU-PANEL-1", firmware: "1.0.0" });
    bench.controller.restart();
    await bench.clock.advance(1_000);
    t.false(bench.controller.host?.identify);
    t.is(bench.guard.status().panel, "ok");
  });
});

test("the lamps show what the document says", (t) => {
  const show = (change: Partial<NodeMessage> = {}, held = false, asking = false) => {
    const lights = lightsOf({ node: { ...node, ...change }, held, asking });
    return Object.values(lights).map(({ colour, rhythm }: Light) =>
      rhythm === "steady" ? colour : `${colour} ${rhythm}`,
    );
  };
  const ok = ["green", "green", "off", "off", "off", "off"];
  t.deepEqual(show(), ok);
  t.deepEqual(show({ supply: false }), ok.with(1, "amber"));
  t.deepEqual(show({ health: "warning" }), ok.with(2, "amber"));
  t.deepEqual(show({ health: "alarm" }), ok.with(2, "red"));
  t.deepEqual(show({ tamper: "seen" }), ok.with(3, "red fast"));
  t.deepEqual(show({ tamper: "latched" }), ok.with(3, "red"));
  t.deepEqual(show({ maintenance: true }), ok.with(4, "amber"));
  t.deepEqual(show({ zeroize: "pending" }), ok.with(5, "red slow"));
  t.deepEqual(show({ zeroize: "failed" }), ok.with(5, "red fast"));
  t.deepEqual(show({ zeroize: "done" }), ok.with(5, "red"));
  t.deepEqual(show({ zeroize: "done" }, true), ok.with(5, "amber fast"));
  t.deepEqual(show({}, false, true), ok.with(5, "red fast"));
  const alone = lightsOf({ node: undefined, held: false, asking: false });
  t.deepEqual(alone.node, { colour: "red", rhythm: "slow" });
  t.true(Object.entries(alone).every(([lamp, { colour }]) => lamp === "node" || colour === "off"));
});
