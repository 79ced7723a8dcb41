/** What the emulator's README promises of `--fault`, of seeds, of clocks, and of its folder. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { BlockFacts } from "../../../src/port/key.ts";
import { ManualClock } from "../../clock.ts";
import { readCommand } from "../../emulator/control/commands.ts";
import { play, readScenario } from "../../emulator/control/scenario.ts";
import type { TransportKind } from "../../emulator/end.ts";
import { EmulatedPair } from "../../emulator/pair.ts";
import { presets } from "../../emulator/physics/bb84.ts";
import { PhysicalLink } from "../../emulator/physics/link.ts";
import { EmulatedSocket } from "../../emulator/socket.ts";
import { physicsSource } from "../../emulator/source/physics.ts";

interface Made {
  readonly facts: BlockFacts;
  readonly digest: string;
}

interface Run {
  readonly clock: ManualClock;
  readonly pair: EmulatedPair;
  /** What each end was given. */
  readonly made: Readonly<Record<"alice" | "bob", Made[]>>;
  readonly folder: string;
}

const second = 1_000;

async function withPair(
  seed: number,
  prepare: (pair: EmulatedPair, clock: ManualClock) => void,
  body: (run: Run) => Promise<void>,
  transport: TransportKind = "serial",
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "qkd-emulator-"));
  const folder = join(root, "not", "there", "yet");
  const clock = new ManualClock();
  const link = new PhysicalLink(presets.gys, { km: 20 }, seed);
  const made = { alice: [] as Made[], bob: [] as Made[] };
  const pair = new EmulatedPair({
    folder,
    transport,
    baud: 0,
    source: physicsSource({ name: "test", link, seed, seconds: 1, clock }),
    link,
    blockIntervalMs: second,
    clock,
    seed,
    prepare(plugged) {
      for (const { module } of plugged.ends) {
        const distil = module.distill.bind(module);
        module.distill = (facts, bytes) => {
          const digest = createHash("sha256").update(bytes).digest("hex");
          made[module.identity.role].push({ facts, digest });
          return distil(facts, bytes);
        };
      }
      prepare(plugged, clock);
    },
  });
  try {
    await body({ clock, pair, made, folder });
  } finally {
    pair.close();
    rmSync(root, { recursive: true });
  }
}

const say = (pair: EmulatedPair, line: string) => readCommand(line)(pair);

test.serial("a fault of the start holds for the very first block", async (t) => {
  await withPair(
    1,
    (pair) => {
      say(pair, "set eve 1");
      say(pair, "bob skip 1");
    },
    async ({ made }) => {
      t.is(made.alice.length, 1);
      t.true((made.alice[0]?.facts.qber ?? 0) > 0.2, "the eavesdropper was there");
      t.is(made.bob.length, 0);
    },
  );
  await withPair(
    1,
    (pair) => say(pair, "stop"),
    async ({ clock, made }) => {
      await clock.advance(5 * second);
      t.is(made.alice.length, 0);
    },
  );
});

test.serial("what a scenario has at 00:00 holds for the very first block", async (t) => {
  await withPair(
    1,
    (pair, clock) => {
      const scenario = readScenario("00:00 set eve 1\n5s set eve 0", "test");
      play(scenario, clock, ({ action }) => action(pair));
    },
    async ({ clock, made }) => {
      await clock.advance(10 * second);
      t.true((made.alice[0]?.facts.qber ?? 0) > 0.2);
      t.true((made.alice.at(-1)?.facts.qber ?? 1) < 0.1);
    },
  );
});

test.serial("a fault of the start that cannot be leaves nothing behind", async (t) => {
  await t.throwsAsync(
    withPair(
      1,
      (pair) => {
        t.true(pair.alice.port.plugged);
        throw new Error("not that");
      },
      async () => {},
    ),
    { message: "not that" },
  );
});

async function course(t: ExecutionContext, seed: number, disturb: (run: Run) => void) {
  let blocks: readonly Made[] = [];
  await withPair(
    seed,
    () => {},
    async (run) => {
      for (let i = 0; i < 50; i++) {
        disturb(run);
        await run.clock.advance(second);
      }
      blocks = run.made.bob;
      t.true(blocks.length >= 50);
    },
  );
  return blocks
    .slice(0, 50)
    .map(({ facts, digest }) => [facts.ref, facts.bits, facts.qber, digest]);
}

test.serial("the same seed gives the same key, however often its telemetry is read", async (t) => {
  const alone = await course(t, 7, () => {});
  let read = 0;
  const attached = await course(t, 7, ({ pair }) => {
    // As a node does that is attached: as often as it wants, and not in step with the blocks.
    for (let n = 0; n < 1 + (read++ % 3); n++) pair.link?.telemetry(true);
  });
  t.deepEqual(attached, alone);
  t.notDeepEqual(await course(t, 8, () => {}), alone);
});

test.serial(
  "a module whose clock jumps stamps its blocks by it, and the other end does not",
  async (t) => {
    await withPair(
      1,
      (pair) => say(pair, "alice clock 86400"),
      async ({ clock, pair, made }) => {
        const ahead = () => {
          const [a, b] = [made.alice, made.bob].map((end) => end.at(-1)?.facts.generatedAt ?? 0);
          return (a as number) - (b as number);
        };
        t.is(ahead(), 86_400_000);
        for (const [jump, sum] of [
          ["-86400", 0],
          ["-3600.5", -3_600_500],
          ["0.0004", -3_600_500],
        ] as const) {
          say(pair, `alice clock ${jump}`);
          await clock.advance(second);
          t.is(Math.round(ahead()), sum);
        }
        say(pair, "bob clock -1e10");
        await clock.advance(second);
        t.is(made.bob.at(-1)?.facts.generatedAt, 0, "there is no time before 1970");
        t.true(made.alice.every(({ facts }) => Number.isInteger(facts.generatedAt)));
      },
    );
  },
);

for (const transport of ["serial", "pcie", "socket"] as const) {
  test.serial(`${transport}: the folder is made if it is not there`, async (t) => {
    await withPair(
      1,
      () => {},
      async ({ folder, pair }) => {
        if (pair.alice.port instanceof EmulatedSocket) await pair.alice.port.ready();
        t.true(existsSync(folder));
        t.true(pair.alice.port.plugged);
      },
      transport,
    );
  });
}
