/**
 * A shipped scenario of the emulator in passed-in time: its physics measure and distil, custody takes
 * the blocks to a KM, and the alarm rules hear all of it, second by second.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { every } from "../../src/base/clock.ts";
import { seconds } from "../../src/base/duration.ts";
import { intermittentTiming, ModuleRules } from "../../src/node/alarms/module-rules.ts";
import { standardThresholds } from "../../src/node/alarms/thresholds.ts";
import type { Moment } from "../../src/ops/alarms/severity.ts";
import type { ModuleEvent, ModuleRole } from "../../src/port/module.ts";
import { play, readScenario } from "../emulator/control/scenario.ts";
import { EmulatedPair } from "../emulator/pair.ts";
import { presets } from "../emulator/physics/bb84.ts";
import { type Conditions, PhysicalLink } from "../emulator/physics/link.ts";
import { physicsSource } from "../emulator/source/physics.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { AlarmBench } from "./alarm-bench.ts";
import { durable, Km, withBench } from "./custody-bench.ts";

export interface ScenarioOptions {
  /** A file in `test/emulator/scenarios`. */
  readonly scenario: string;
  readonly hours: number;
  readonly conditions?: Partial<Conditions>;
  /** Whose node it is; default Bob's, who has the detectors. */
  readonly role?: ModuleRole;
  readonly qberLimit?: number;
  readonly intermittent?: boolean;
  readonly seed?: number;
}

export interface Block {
  /** Seconds since the scenario began. */
  readonly at: number;
  readonly number: number;
  readonly bits: number;
  readonly qber: number | undefined;
  /** The KM has its key. */
  supplied: boolean;
}

export interface Told {
  /** Seconds since the scenario began. */
  readonly at: number;
  /** `qber_high.m raised critical` */
  readonly what: string;
}

export interface Course {
  readonly told: readonly Told[];
  readonly blocks: readonly Block[];
  /** Secret key rate at each second, bit/s. */
  readonly rates: readonly number[];
  readonly withheld: number;
}

const blockSeconds = 60;

/** Plays a scenario from its beginning. */
export async function playScenario(options: ScenarioOptions): Promise<Course> {
  const { scenario, hours, conditions, role = "bob", qberLimit = 0.11, seed = 1 } = options;
  const { intermittent = false } = options;
  const folder = mkdtempSync(join(tmpdir(), "qkd-scenario-"));
  const course = { told: [] as Told[], blocks: [] as Block[], rates: [] as number[], withheld: 0 };
  const file = new URL(`../emulator/scenarios/${scenario}.txt`, import.meta.url);
  await withBench({ qberLimit, maxHeldBytes: 1_048_576 }, async (bench) => {
    const { clock, module, custody } = bench;
    const begun = clock.now();
    const thresholds = standardThresholds();
    const alarms = new AlarmBench({
      timing: (name) =>
        intermittent ? intermittentTiming(name, seconds(thresholds.settle_s)) : undefined,
    });
    const rules = new ModuleRules(
      { module: "m", qberLimit, intermittent, thresholds },
      alarms.book,
    );
    const moment = (): Moment => ({ now: clock.now(), wall: clock.wall() });
    const km = new Km(custody);
    const link = new PhysicalLink(presets.gys, { km: 20, ...conditions }, seed);
    const physics = physicsSource({
      name: "test",
      link,
      seed,
      seconds: blockSeconds,
      clock,
      maxBits: 1_024,
    });
    const source: BlockSource = {
      ...physics,
      next() {
        const block = physics.next();
        if (block === undefined) return undefined;
        const { ref, bits, qber } = block.facts;
        const at = (clock.now() - begun) / 1_000;
        course.blocks.push({ at, number: ref.number, bits, qber, supplied: false });
        module.add(ref.number, bits, qber === undefined ? {} : { qber }, Buffer.from(block.bob));
        return block;
      },
    };
    const pair = new EmulatedPair({
      folder,
      transport: "socket",
      baud: 0,
      source,
      link,
      blockIntervalMs: blockSeconds * 1_000,
      clock,
      maxBlocks: 100_000,
    });
    const { module: emulated } = pair[role];
    const tell = emulated.event.bind(emulated);
    emulated.event = (event: ModuleEvent) => {
      rules.event(event, moment());
      tell(event);
    };
    try {
      module.connect(custody);
      custody.kmUp(km);
      rules.moduleUp(moment());
      rules.kmUp("main", moment());
      const end = play(readScenario(readFileSync(file, "utf8"), scenario), clock, ({ action }) =>
        action(pair),
      );
      let heard = 0;
      const timer = every(clock, 1_000, () => {
        alarms.now = clock.now() - begun;
        const at = moment();
        rules.telemetry({ values: link.telemetry(role === "bob") }, at);
        course.rates.push(link.now.secretKeyRate);
        for (const { type, facts } of bench.events.slice(heard)) rules.custody(type, facts, at);
        heard = bench.events.length;
        rules.counters(custody.counters(), at);
        rules.tick(at);
        alarms.book.tick(at);
        for (const line of alarms.take()) {
          const [seconds, ...words] = line.split(" ");
          course.told.push({ at: Number(seconds), what: words.join(" ") });
        }
      });
      for (let minute = 0; minute < hours * 60; minute++) {
        await clock.advance(blockSeconds * 1_000);
        module.offer();
        await durable(bench);
        km.answerAll();
        await durable(bench);
      }
      timer.cancel();
      end();
      course.withheld = custody.counters().withheld;
      // A block is at the KM if the module was told to let go of it, and there was key in it.
      for (const block of course.blocks) {
        const name = [...module.released].some((each) => each.endsWith(`/${block.number}`));
        block.supplied = block.bits > 0 && name;
      }
    } finally {
      pair.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
  return course;
}
