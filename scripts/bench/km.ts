/** The key manager: from a message of a node to a key that both ends have compared and stored. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KmOfPair, KmPair } from "../../test/rig/km-pair.ts";
import { beside } from "./helper.ts";
import { connectFeed, drawIds, type FeedAt, feed } from "./km-feed.ts";
import type { FeedOrder } from "./km-feed-process.ts";
import { type Benchmark, percentile, type Sample } from "./measure.ts";
import { usageOf } from "./node-child.ts";
import { sleep } from "./path.ts";
import { launcher } from "./production.ts";

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

/** Before anything is measured: for so long V8 compiles in the background, at the record rate with a fifth of the processor. */
const warmUpSeconds = 10;
/** Units of 32 bytes of a stock that is large, in keys of so many bytes. */
const manyUnits = 10_000_000;
const unitBytes = 32;

/** Two key managers of the production build, or one of them. */
class Site {
  readonly #folder = mkdtempSync(join(tmpdir(), "qkd-bench-km-"));
  #kms: readonly KmOfPair[] = [];
  /** Bytes of key that each was given. */
  #given = 0;

  static async open<T>(alone: boolean, body: (site: Site) => Promise<T>): Promise<T> {
    const site = new Site();
    try {
      const program = launcher("qkd-km");
      // Prepared keys whose offer comes too late are stock no more, and stock is what is waited for.
      const door = "prepared_keys = 0\n";
      const pair = await KmPair.make({ folder: site.#folder, modules, program, door });
      site.#kms = alone ? [pair.alice] : pair.kms;
      await Promise.all(site.#kms.map((km) => km.start(AbortSignal.timeout(deadlineMs))));
      return await body(site);
    } finally {
      await Promise.all(site.#kms.map(({ process }) => process.stop()));
      rmSync(site.#folder, { recursive: true, force: true });
    }
  }

  /** Where each takes keys. */
  get feeds(): FeedAt[] {
    return this.#kms.map(({ at }) => at);
  }

  /** Seconds of a processor that each has taken so far. */
  cpu(): number[] {
    return this.#pids.map((pid) => usageOf(pid).cpu);
  }

  get #pids(): number[] {
    return this.#kms.map(({ process }) => process.pid as number);
  }

  /** Bytes that are stock, durably, or that wait where there is no other end: of the KM that has less. */
  async stock(): Promise<number> {
    const seen = await Promise.all(this.#kms.map((km) => km.status()));
    const bytes = seen.map(({ links: [link], store }) =>
      this.#kms.length === 1
        ? store.buffered_bits / 8
        : ((link?.stock_bits ?? 0) + (link?.peer_stock_bits ?? 0)) / 8,
    );
    return Math.min(...bytes);
  }

  /** Gives keys to all, and waits until they are stock. */
  async give(load: Load, count: number): Promise<Ran> {
    const { keyBytes, window, rate } = load;
    const ids = drawIds(count);
    const key = randomBytes(keyBytes);
    this.#given += count * keyBytes;
    const sockets = await Promise.all(this.#kms.map(({ at }) => connectFeed(at)));
    const before = this.cpu();
    const begun = performance.now();
    await Promise.all(
      sockets.map((socket, i) => {
        const own = [modules[i], modules[1 - i]] as [string, string];
        return feed({ socket, modules: own, ids, key, window, rate });
      }),
    );
    while ((await this.stock()) < this.#given) {
      if (performance.now() - begun > deadlineMs) throw new Error("keys were not matched in time");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const took = (performance.now() - begun) / 1_000;
    const cores = this.cpu().map((spent, i) => (spent - (before[i] as number)) / took);
    return {
      perSecond: count / took,
      cores: Math.max(...cores),
      rss: this.rss(),
    };
  }

  /** Of the larger one, MB. */
  rss(): number {
    return Math.max(...this.#pids.map((pid) => usageOf(pid).rss)) / 1e6;
  }

  /** Ends one of them, in order, and starts it again. @returns ms from its start until it runs */
  async restart(): Promise<number> {
    const [km] = this.#kms as [KmOfPair];
    await km.process.stop();
    const begun = performance.now();
    await km.start(AbortSignal.timeout(deadlineMs));
    return performance.now() - begun;
  }
}

function run(load: Load, seconds: number, stocked = 0): Promise<Ran> {
  return Site.open(load.alone === true, async (site) => {
    await site.give(load, (load.rate ?? load.about) * warmUpSeconds);
    if (stocked > 0) await site.give(long, Math.ceil((stocked * unitBytes) / long.keyBytes));
    return await site.give(load, Math.ceil((load.rate ?? load.about) * Math.max(seconds, 2)));
  });
}

const megabits = (load: Load, { perSecond }: Ran) => (perSecond * load.keyBytes * 8) / 1e6;

function rates(load: Load, unit: "keys/s" | "Mbit/s") {
  return async (seconds: number): Promise<Sample> => {
    const ran = await run(load, seconds);
    const value = unit === "keys/s" ? ran.perSecond : megabits(load, ran);
    return { value, cores: ran.cores, notes: { "RSS MB": ran.rss } };
  };
}

/** CPU of a key of 256 bits, µs, with so many units in stock. */
function cost(stocked: number) {
  return async (seconds: number): Promise<Sample> => {
    const { cores, perSecond, rss } = await run(short, seconds, stocked);
    return { value: (cores / perSecond) * 1e6, notes: { "keys/s": perSecond, "RSS MB": rss } };
  };
}

/** ms from the start of a process until it runs, with so many units in stock. */
function start(stocked: number) {
  return (): Promise<Sample> =>
    Site.open(false, async (site) => {
      await site.give(long, Math.ceil((stocked * unitBytes) / long.keyBytes) + 1);
      return { value: await site.restart() };
    });
}

/**
 * From when a key is due to be sent until it is durable stock at both ends, ms: p99, of a load that has been there for
 * some time. Seen from outside, by how much stock there is, so that it is never told too short.
 */
function latency(seconds: number): Promise<Sample> {
  const rate = halfLoad;
  const first = rate * warmUpSeconds;
  const count = first + Math.ceil(rate * Math.max(seconds, 4));
  return Site.open(false, (site) => {
    const order: FeedOrder = { ...short, kms: site.feeds, modules, count, rate };
    return beside("km-feed-process.ts", [JSON.stringify(order)], async (_folder, _told, child) => {
      const waits: number[] = [];
      const cpu = site.cpu();
      const begun = performance.now() + leadMs;
      child.send(String(process.hrtime.bigint() + BigInt(leadMs) * 1_000_000n));
      for (let known = 0; known < count; ) {
        const seen = (await site.stock()) / short.keyBytes;
        const now = performance.now() - begun;
        for (; known < seen; known++) if (known >= first) waits.push(now - (known / rate) * 1_000);
        if (now > deadlineMs) throw new Error("keys were not matched in time");
        await sleep(seen < first - rate ? 100 : 2);
      }
      const took = (performance.now() - begun) / 1_000;
      const cores = site.cpu().map((spent, i) => (spent - (cpu[i] as number)) / took);
      waits.sort((a, b) => a - b);
      const notes = { "p50 ms": percentile(waits, 0.5) };
      return { value: percentile(waits, 0.99), cores: Math.max(...cores), notes };
    });
  });
}

/** Resident memory of a key manager to which nothing comes. */
function idle(): Promise<Sample> {
  return Site.open(false, async (site) => {
    await sleep(5_000);
    const value = site.rss();
    await sleep(55_000);
    return { value, notes: { "MB after a minute": site.rss() } };
  });
}

const short: Load = { keyBytes: 32, window: 8_192, about: 80_000 };
const long: Load = { keyBytes: 32_768, window: 256, about: 1_000 };
const halfLoad = 50_000;
/** The first key of a load is due so long after its process was told so. */
const leadMs = 100;

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
  {
    name: "km latency",
    about: `from a key's time to be sent until it is stock at both ends, p99 at ${halfLoad} keys/s of 256 bits`,
    unit: "ms",
    reach: { most: 25 },
    subject: latency,
  },
  {
    name: "km memory idle",
    about:
      "resident memory of a key manager five seconds after its start, of which 56 MB are the runtime's code",
    unit: "MB",
    reach: { most: 90 },
    slow: true,
    subject: idle,
  },
  {
    name: "km start stocked",
    about: "start of the process until it runs, 10⁷ units in stock; baseline: none",
    unit: "ms",
    reach: { most: 700 },
    slow: true,
    subject: start(manyUnits),
    baseline: start(0),
  },
  {
    name: "km growth stocked",
    about: "CPU of a key of 256 bits with 10⁷ units in stock; baseline: with none",
    unit: "µs/key",
    reach: { mostRatio: 1.2 },
    slow: true,
    subject: cost(manyUnits),
    baseline: cost(0),
  },
];
