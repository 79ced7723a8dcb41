/** The key manager: from a message of a node to a key that both ends have compared and stored. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KmStatus } from "../../src/km/model/status.ts";
import { KmPair } from "../../test/rig/km-pair.ts";
import { drawIds, feed } from "./km-feed.ts";
import type { Benchmark, Sample } from "./measure.ts";
import { usageOf } from "./node-child.ts";

const modules = ["QKD-A-0001", "QKD-B-0001"] as const;
const deadlineMs = 120_000;

interface Load {
  readonly keyBytes: number;
  readonly window: number;
  /** Keys a second that a machine like this takes, about: how many there are follows from it. */
  readonly about: number;
  /** Keys a second; undefined: as many as are taken. */
  readonly rate?: number;
  /** One key manager, and none at the other end. */
  readonly alone?: true;
}

interface Ran {
  readonly perSecond: number;
  /** Of the busier key manager. */
  readonly cores: number;
  readonly rss: number;
}

async function run(load: Load, seconds: number): Promise<Ran> {
  const { keyBytes, window, about, rate, alone } = load;
  const count = Math.ceil((rate ?? about) * Math.max(seconds, 2));
  const folder = mkdtempSync(join(tmpdir(), "qkd-bench-km-"));
  const pair = await KmPair.make({ folder, modules });
  const kms = alone ? [pair.alice] : pair.kms;
  try {
    await Promise.all(kms.map((km) => km.start(AbortSignal.timeout(deadlineMs))));
    const ids = drawIds(count);
    const key = randomBytes(keyBytes);
    const pids = kms.map(({ process }) => process.pid as number);
    const cpu = () => pids.map((pid) => usageOf(pid).cpu);
    const before = cpu();
    const begun = performance.now();
    await Promise.all(
      kms.map((km, i) => {
        const own = [modules[i], modules[1 - i]] as [string, string];
        return feed({ at: km.at, modules: own, ids, key, window, rate });
      }),
    );
    const isDone = ({ links, store }: KmStatus) =>
      alone ? store.buffered_keys === count : links[0]?.matched_bits === count * keyBytes * 8;
    for (;;) {
      const seen = await Promise.all(kms.map((km) => km.status()));
      if (seen.every(isDone)) break;
      if (performance.now() - begun > deadlineMs) throw new Error("keys were not matched in time");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const took = (performance.now() - begun) / 1_000;
    const cores = cpu().map((spent, i) => (spent - (before[i] as number)) / took);
    return {
      perSecond: count / took,
      cores: Math.max(...cores),
      rss: Math.max(...pids.map((pid) => usageOf(pid).rss)) / 1e6,
    };
  } finally {
    await pair.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const megabits = (load: Load, { perSecond }: Ran) => (perSecond * load.keyBytes * 8) / 1e6;

function rates(load: Load, unit: "keys/s" | "Mbit/s") {
  return async (seconds: number): Promise<Sample> => {
    const ran = await run(load, seconds);
    const value = unit === "keys/s" ? ran.perSecond : megabits(load, ran);
    return { value, cores: ran.cores, notes: { "RSS MB": ran.rss } };
  };
}

const short: Load = { keyBytes: 32, window: 8_192, about: 80_000 };
const long: Load = { keyBytes: 32_768, window: 256, about: 1_000 };

export const kmBenchmarks: readonly Benchmark[] = [
  {
    name: "km 32 B",
    about: "keys of 256 bits over Kq-1 into two key managers, durable and compared at both",
    unit: "keys/s",
    each: "key",
    reach: { least: 100_000 },
    subject: rates(short, "keys/s"),
  },
  {
    name: "km 32 KiB",
    about: "the same, keys of 32 KiB",
    unit: "Mbit/s",
    reach: { least: 400 },
    subject: rates(long, "Mbit/s"),
  },
  {
    name: "km alone 32 KiB",
    about: "keys of 32 KiB into one key manager, durable; its peer is away",
    unit: "Mbit/s",
    reach: { least: 700 },
    subject: rates({ ...long, alone: true }, "Mbit/s"),
  },
  {
    name: "km at record",
    about: "processor of a key manager at 115.8 Mbit/s, keys of 32 KiB, both on this machine",
    unit: "cores",
    reach: { most: 0.35 },
    async subject(seconds) {
      const load = { ...long, rate: 442 };
      const ran = await run(load, Math.max(seconds, 4));
      return { value: ran.cores, notes: { "Mbit/s": megabits(load, ran), "RSS MB": ran.rss } };
    },
  },
];
