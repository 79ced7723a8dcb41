/** Whether what a key costs stays the same while everything else grows. The baseline is the smallest. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { silentLog } from "../../src/base/log.ts";
import { diskFiles } from "../../src/host/disk/files.ts";
import { AlarmBook } from "../../src/node/alarms/book.ts";
import { ModuleRules } from "../../src/node/alarms/module-rules.ts";
import { standardThresholds } from "../../src/node/alarms/thresholds.ts";
import { Custody } from "../../src/node/custody/custody.ts";
import type { KmLink } from "../../src/node/keys/ports.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { TelemetryWindow } from "../../src/node/telemetry/window.ts";
import { type BlockRef, KeyBlock, keyMemory, type QkdKey } from "../../src/port/key.ts";
import type { ModuleSession } from "../../src/port/module.ts";
import { someIdentity } from "../../test/rig/identity.ts";
import type { Benchmark, Sample } from "./measure.ts";
import { runPath } from "./path.ts";

const epoch = "00112233aabbccdd";
const quiet = 1_000_000_000;

/** Node CPU per key, µs, with that many modules that give what they can. */
function modules(count: number) {
  return async (seconds: number): Promise<Sample> => {
    // The default window: a site with many modules keeps it.
    const options = { blockBytes: 32_768, keyBits: 256, window: 256, modules: count };
    const { cores, keysPerSecond, usage } = await runPath(options, Math.max(seconds, 1));
    const value = (cores / keysPerSecond) * 1e6;
    return { value, cores, notes: { "keys/s": keysPerSecond, "RSS MB": usage.rss / 1e6 } };
  };
}

/** A module that holds many blocks and gives them as credit allows; a KM that takes everything. */
class Endless {
  #left: number;
  #next = 0;
  #credit = 0;
  readonly #custody: Custody;
  readonly #done: () => void;
  #released = 0;
  readonly #blocks: number;

  constructor(custody: Custody, blocks: number, done: () => void) {
    this.#custody = custody;
    this.#left = blocks;
    this.#blocks = blocks;
    this.#done = done;
  }

  connect(): void {
    const session: Partial<ModuleSession> = {
      identity: someIdentity,
      grant: (blocks) => {
        this.#credit += blocks;
      },
      release: (refs: readonly BlockRef[]) => {
        this.#released += refs.length;
        setImmediate(() => {
          this.#custody.released(refs);
          if (this.#released >= this.#blocks) this.#done();
          else this.#offer();
        });
      },
    };
    this.#custody.moduleUp(session as ModuleSession, "QKD-B");
    const answers: QkdKey[] = [];
    const km: KmLink = {
      get room() {
        return 256 - answers.length;
      },
      supply: (key: QkdKey) => {
        if (answers.push(key) > 1) return;
        setImmediate(() => {
          for (const one of answers.splice(0)) this.#custody.answered(one, "success");
        });
      },
    };
    this.#custody.kmUp(km);
    this.#offer();
  }

  #offer(): void {
    for (; this.#credit > 0 && this.#left > 0; this.#credit--) {
      this.#left--;
      const facts = { ref: { epoch, number: quiet + this.#next++ }, bits: 256, qber: 0.03 };
      this.#custody.block(new KeyBlock(facts, keyMemory(32).fill(1)));
    }
  }
}

let warm = false;

/**
 * CPU per key of custody and ledger, µs, for keys of a block each.
 * @param entries that the ledger has of blocks which the module never lets go of
 */
function keys(count: number, entries: number) {
  return async (): Promise<Sample> => {
    // What is not compiled yet would cost the smallest most.
    if (!warm) {
      warm = true;
      await keys(20_000, 0)();
    }
    const folder = mkdtempSync(join(tmpdir(), "qkd-bench-ledger-"));
    const path = join(folder, "ledger");
    try {
      const earlier = await LedgerFile.open(diskFiles, path, silentLog);
      for (let number = 0; number < entries; number++) {
        earlier.append({ kind: "withheld", ref: { epoch, number } });
      }
      await earlier.close();
      const opening = performance.now();
      const ledger = await LedgerFile.open(diskFiles, path, silentLog);
      const opened = performance.now() - opening;
      const custody = new Custody(
        { qberLimit: 0.11, keyBits: undefined, maxHeldBlocks: 1_024, maxHeldBytes: 4_194_304 },
        {
          ledger,
          clock: systemClock,
          log: silentLog,
          backoff: () => [][Symbol.iterator](),
          onEvent: () => {},
        },
      );
      const before = process.cpuUsage();
      await new Promise<void>((done) => new Endless(custody, count, done).connect());
      const { user, system } = process.cpuUsage(before);
      await ledger.close();
      return { value: (user + system) / count, notes: { "ledger opened ms": opened } };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

let warmTelemetry = false;
const longWarmUp = 12;

/** CPU per sample, µs, of the last hour after that many hours of telemetry, a sample a second. */
function telemetry(hours: number) {
  return async (): Promise<Sample> => {
    if (hours !== longWarmUp && !warmTelemetry) {
      warmTelemetry = true;
      await telemetry(longWarmUp)();
    }
    const window = new TelemetryWindow(10_000);
    const book = new AlarmBook({
      flap: { count: 5, window: ms(600_000), quiet: ms(300_000) },
      onTransition: () => {},
    });
    const rules = new ModuleRules(
      { module: "m", qberLimit: 0.11, intermittent: false, thresholds: standardThresholds() },
      book,
    );
    rules.moduleUp({ now: 0, wall: 0 });
    rules.kmUp("km", { now: 0, wall: 0 });
    let before = process.cpuUsage();
    for (let second = 0; second < hours * 3_600; second++) {
      if (second === (hours - 1) * 3_600) before = process.cpuUsage();
      const moment = { now: second * 1_000, wall: second * 1_000 };
      const swing = Math.sin(second / 600);
      const sample = {
        values: {
          qber: 0.03 + 0.005 * swing,
          secret_key_rate: 1e6 * (1 + 0.1 * swing),
          detector_counts: [1e6 + 1e4 * swing, 1e6 - 1e4 * swing],
          detector_temperature: [-50 + swing, -50 - swing],
          key_buffer_fill: 0.5 + 0.1 * swing,
        },
      };
      window.add(sample, moment.now);
      rules.telemetry(sample, moment);
      book.tick(moment);
      if (second % 5 === 0) window.take(moment.now);
    }
    const { user, system } = process.cpuUsage(before);
    const memory = process.memoryUsage().heapUsed / 1e6;
    return { value: (user + system) / 3_600, notes: { "heap MB": memory } };
  };
}

function growth(
  name: string,
  about: string,
  subject: Benchmark["subject"],
  baseline: Benchmark["subject"],
  more: Partial<Benchmark> = {},
): Benchmark {
  const reach = { mostRatio: 1.2 };
  return { name: `growth ${name}`, about, unit: "µs/key", reach, subject, baseline, ...more };
}

const manyModules = "CPU of the node per key of 256 bit; baseline: one module";
const manyHeld =
  "custody and ledger on disk, per key, for as many keys as the module holds; baseline: 5,000";
const manyEntries = "the same, with as many entries in the ledger already; baseline: none";
const manyHours =
  "telemetry and alarm rules, per sample, in the last of many hours; baseline: the 2nd";

export const growthBenchmarks: readonly Benchmark[] = [
  ...[2, 4, 8, 16].map((count) =>
    growth(`${count} modules`, manyModules, modules(count), modules(1), { slow: count !== 16 }),
  ),
  ...[10_000, 100_000, 1_000_000].map((count) =>
    growth(`${count} held`, manyHeld, keys(count, 0), keys(5_000, 0), { slow: count !== 10_000 }),
  ),
  ...[1_000, 10_000, 100_000].map((entries) =>
    growth(`${entries} entries`, manyEntries, keys(5_000, entries), keys(5_000, 0), {
      slow: entries !== 10_000,
    }),
  ),
  ...[24, 240].map((hours) =>
    growth(`${hours} h`, manyHours, telemetry(hours), telemetry(2), {
      unit: "µs/sample",
      slow: hours !== 24,
    }),
  ),
];
