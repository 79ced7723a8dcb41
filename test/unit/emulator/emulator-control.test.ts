import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Fault } from "../../../src/base/errors.ts";
import { ManualClock } from "../../clock.ts";
import { commandHelp, readCommand } from "../../emulator/control/commands.ts";
import { fasterClock, play, readScenario } from "../../emulator/control/scenario.ts";
import { ControlServer, send } from "../../emulator/control/server.ts";
import { parseOptions } from "../../emulator/options.ts";
import { EmulatedPair } from "../../emulator/pair.ts";
import { presets } from "../../emulator/physics/bb84.ts";
import { type Conditions, PhysicalLink } from "../../emulator/physics/link.ts";
import { physicsSource } from "../../emulator/source/physics.ts";
import type { BlockSource } from "../../emulator/source/source.ts";

const minute = 60_000;
const hour = 60 * minute;

interface Bench {
  readonly clock: ManualClock;
  readonly pair: EmulatedPair;
  readonly link: PhysicalLink;
  /** Every block, with the time at which it was finished. */
  readonly blocks: {
    readonly at: number;
    readonly bits: number;
    readonly qber: number | undefined;
  }[];
  readonly folder: string;
}

/** A pair with physics, a block a minute, in passed-in time. */
async function withPair(
  conditions: Partial<Conditions>,
  body: (bench: Bench) => Promise<void>,
  maxBlocks = 100_000,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-emulator-"));
  const clock = new ManualClock();
  const link = new PhysicalLink(presets.gys, { km: 20, ...conditions }, 1);
  const blocks: Bench["blocks"] = [];
  const physics = physicsSource({
    name: "test",
    link,
    seed: 1,
    seconds: 60,
    clock,
    maxBits: 8_000,
  });
  const source: BlockSource = {
    ...physics,
    next() {
      const block = physics.next();
      if (block !== undefined) {
        const { bits, qber } = block.facts;
        blocks.push({ at: clock.now(), bits, qber });
      }
      return block;
    },
  };
  const pair = new EmulatedPair({
    folder,
    baud: 0,
    source,
    link,
    blockIntervalMs: minute,
    clock,
    maxBlocks,
  });
  try {
    await body({ clock, pair, link, blocks, folder });
  } finally {
    pair.close();
    rmSync(folder, { recursive: true });
  }
}

function shipped(name: string) {
  const file = new URL(`../../emulator/scenarios/${name}.txt`, import.meta.url);
  return readScenario(readFileSync(file, "utf8"), name);
}

test.serial(
  "the day with an eavesdropper: no key while she is bold, and the QBER shows it",
  async (t) => {
    await withPair({}, async ({ clock, pair, blocks }) => {
      play(shipped("day-with-eve"), clock, ({ action }) => action(pair));
      await clock.advance(26 * hour);
      const during = (from: number, to: number) =>
        blocks.filter(({ at }) => at > from * hour + minute && at < to * hour - minute);
      const bold = during(12 + 20 / 60, 12 + 50 / 60);
      t.true(bold.length >= 25);
      t.true(bold.every(({ bits, qber = 0 }) => bits === 0 && qber > 0.11));
      for (const quiet of [during(0, 12), during(13, 24)]) {
        t.true(quiet.every(({ bits, qber = 1 }) => bits > 0 && qber < 0.06));
      }
      t.true(during(12 + 6 / 60, 12 + 19 / 60).every(({ qber = 0 }) => qber > 0.05 && qber < 0.08));
    });
  },
);

test.serial("the satellite: key for the minutes of a pass, and none between two", async (t) => {
  await withPair({ km: 0 }, async ({ clock, pair, blocks }) => {
    play(shipped("satellite-pass"), clock, ({ action }) => action(pair));
    await clock.advance(190 * minute);
    for (const begin of [0, 95]) {
      const at = (from: number, to: number) =>
        blocks.filter((b) => b.at > (begin + from) * minute && b.at < (begin + to) * minute);
      t.true(
        at(7, 10).every(({ bits }) => bits > 0),
        "overhead",
      );
      t.true(
        at(12, 94).every(({ bits, qber }) => bits === 0 && qber === undefined),
        "below",
      );
    }
  });
});

test.serial(
  "the failing detector shows in QBER and dark counts long before the rate has halved",
  async (t) => {
    await withPair({ km: 80 }, async ({ clock, pair, link }) => {
      play(shipped("failing-detector"), clock, ({ action }) => action(pair));
      await clock.advance(hour);
      const fresh = { ...link.now };
      while (link.now.secretKeyRate > 0.8 * fresh.secretKeyRate) await clock.advance(10 * minute);
      t.true(link.now.secretKeyRate > 0.5 * fresh.secretKeyRate);
      t.true(link.now.darkRate > 2 * fresh.darkRate);
      t.true(link.now.qber > fresh.qber + 0.002);
      await clock.advance(60 * hour);
      t.true(link.now.secretKeyRate > 0.9 * fresh.secretKeyRate, "exchanged");
    });
  },
);

test.serial("every fault by command does what it says", async (t) => {
  await withPair({}, async ({ clock, pair }) => {
    const say = (line: string) => readCommand(line)(pair);
    const { alice, bob } = pair;
    say("bob skip 2");
    await clock.advance(3 * minute);
    t.is(alice.module.heldBlocks - bob.module.heldBlocks, 2);
    say("both identity QKD-X-1");
    t.deepEqual(
      [alice.module.identity.moduleId, bob.module.identity.moduleId],
      ["QKD-X-1", "QKD-X-1"],
    );
    const before = alice.wall();
    say("alice clock -3600.5");
    t.is(alice.wall() - before, -3_600_500);
    t.is(bob.wall(), before);
    say("bob unplug");
    t.false(bob.port.plugged);
    say("bob plug");
    t.true(bob.port.plugged);
    say("alice health bad");
    t.false(alice.module.healthy);
    const held = alice.module.heldBlocks;
    say("stop");
    await clock.advance(10 * minute);
    t.is(alice.module.heldBlocks, held);
    say("start");
    await clock.advance(minute);
    t.is(alice.module.heldBlocks, held + 1);
    say("alice zeroize");
    t.deepEqual([alice.module.heldBlocks, alice.module.zeroized], [0, true]);
    t.regex(say("status"), /blocks, \d+ bit; alice idle, 0 held/);
  });
});

test.serial("full modules wait, or overflow at both ends alike", async (t) => {
  await withPair(
    {},
    async ({ clock, pair, blocks }) => {
      await clock.advance(20 * minute);
      t.is(pair.alice.module.heldBlocks, 5);
      t.true(blocks.length <= 6, "nothing is distilled in vain");
      readCommand("overflow on")(pair);
      await clock.advance(10 * minute);
      t.is(pair.overflowed, 10);
      t.deepEqual(pair.alice.module.heldNames, pair.bob.module.heldNames);
    },
    5,
  );
});

test.serial("the pair distils no faster than the lower of the two requests", async (t) => {
  await withPair({}, async ({ clock, pair, blocks }) => {
    pair.alice.module.targetKeyRate = 1_000;
    pair.bob.module.targetKeyRate = 40;
    await clock.advance(10 * hour);
    const rate = blocks.reduce((sum, { bits }) => sum + bits, 0) / (10 * 3_600);
    t.true(rate <= 40 * 1.02 && rate > 40 * 0.9, `${rate} bit/s`);
  });
});

test("a command that is wrong is told by its word", (t) => {
  for (const [line, says] of [
    ["", /a word is missing/],
    ["eve 1", /"eve": expected one of set, overflow/],
    ["bob explode", /"explode": expected one of unplug/],
    ["bob stall", /stall is written: stall MS/],
    ["bob stall 1.5", /"1.5": expected a whole number/],
    ["bob ber 2", /"2": expected a number from 0 to 0.1/],
    ["set eve much", /"much": expected a number from 0 to 1/],
    ["set eve 1 during 5m", /"during": expected one of over/],
    ["set eve 1 over soon", /"soon": expected a time/],
    ["alice event fire major", /"fire": expected one of/],
    ["alice event vendor_1 major", /"vendor_1"/],
    ["alice event tamper huge", /"huge": expected one of critical/],
  ] as const) {
    const fault = t.throws(() => readCommand(line), { instanceOf: Fault, message: says });
    t.is((fault as Fault | undefined)?.code, "config.value");
  }
  t.true(commandHelp().every((line) => line.length <= 80));
});

test("a scenario that is wrong is told by file, line and word", (t) => {
  for (const [text, says] of [
    ["\n06:61 start", /^day:2: "06:61": expected a time/],
    ["10s start\n5s stop", /^day:2: time goes back/],
    ["repeat 5s\n1s start", /^day:2: repeat must be the last/],
    ["10s start\nrepeat 5s", /^day:2: repeat is earlier/],
    ["1s bob explode", /^day:1: "explode"/],
  ] as const) {
    t.throws(() => readScenario(text, "day"), { instanceOf: Fault, message: says });
  }
  const { steps, period } = readScenario(
    "# nothing\n00:01:30 start\n+90s stop # end\nrepeat 1h",
    "day",
  );
  t.deepEqual(
    steps.map(({ at, text }) => [at, text]),
    [
      [90_000, "start"],
      [180_000, "stop"],
    ],
  );
  t.is(period, hour);
});

test("a scenario that is not there is told in words, as one that is no good", (t) => {
  const args = ["/tmp", "--preset", "gys", "--scenario", "/none/such"];
  const error = t.throws(() => parseOptions(args), { instanceOf: Fault });
  t.is(error?.message, "--scenario /none/such: cannot be read: no such file");
});

test("a scenario plays at its times, faster if asked to, until it is stopped", async (t) => {
  const clock = new ManualClock();
  const played: string[] = [];
  const scenario = readScenario("10s start\n+10s stop\nrepeat 30s", "test");
  const stop = play(scenario, fasterClock(clock, 10), ({ text }) => {
    played.push(`${clock.now()} ${text}`);
  });
  await clock.advance(6_000);
  t.deepEqual(played, ["1000 start", "2000 stop", "4000 start", "5000 stop"]);
  stop();
  await clock.advance(60_000);
  t.is(played.length, 4);
  t.is(clock.timers, 0);
});

test.serial("commands come by socket too, and each gets a line", async (t) => {
  await withPair({}, async ({ pair, folder }) => {
    const control = new ControlServer(join(folder, "control.sock"), pair);
    t.is(await send(control.path, "bob unplug"), "ok bob: unplug");
    t.false(pair.bob.port.plugged);
    t.regex(await send(control.path, "bob dance"), /^error "dance": expected/);
    control.close();
    await t.throwsAsync(send(control.path, "status"), { message: /no emulator answers/ });
  });
});
