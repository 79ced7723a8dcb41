/** Keys for applications: questions by ETSI GS QKD 014, answered durably at both key managers of a link. */
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { on, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KmStatus } from "../../src/km/model/status.ts";
import { type KmOfPair, KmPair } from "../../test/rig/km-pair.ts";
import type { Asker, LoadOrder, LoadResult, LoadWord } from "./application-load.ts";
import type { BareOrder } from "./bare-https.ts";
import { connectFeed, drawIds, feed } from "./km-feed.ts";
import type { Benchmark } from "./measure.ts";
import { usageOf } from "./node-child.ts";
import { launcher } from "./production.ts";

const modules = ["QKD-A-0001", "QKD-B-0001"] as const;
const deadlineMs = 120_000;
const loader = fileURLToPath(new URL("application-load.ts", import.meta.url));

const bareServer = fileURLToPath(new URL("bare-https.ts", import.meta.url));

/** For so many times as long processes run before they are measured: what V8 compiles meanwhile it compiles once in a month. */
const warmTimes = 5;
/** How long a benchmark of so many seconds asks in all. */
export const askedFor = (seconds: number) => (warmTimes + 1) * seconds;

export interface Ran extends LoadResult {
  /** Processor of both key managers together, µs a key. */
  readonly cpuEach: number;
  readonly rss: number;
}

export const askerOf = ({ end, url, applications: [one] }: KmOfPair): Asker => {
  if (one === undefined) throw new Error("a KM without an application");
  return { ...one, port: Number(new URL(url).port), name: `km-${end}`, sae: one.saeId };
};

/** What is not fetched here would be some seconds later. */
const mostOutstanding = 100_000_000;

/** Of an application, TOML. */
export const unlimited = `keys_per_second = 10_000_000
burst_keys = 10_000_000
outstanding_keys = ${mostOutstanding}
`;

export interface StockOptions {
  /** More of their configuration, TOML. */
  readonly tables?: string;
}

/** Two key managers with so many bytes in stock. */
export async function withStock<T>(
  bytes: number,
  use: (pair: KmPair, folder: string) => Promise<T>,
  { tables = "" }: StockOptions = {},
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bench-014-"));
  const pair = await KmPair.make({
    folder,
    modules,
    limits: unlimited,
    door: `outstanding_keys = ${mostOutstanding}\n`,
    tables: () => tables,
    program: launcher("qkd-km"),
  });
  try {
    await pair.start(AbortSignal.timeout(deadlineMs));
    const count = Math.ceil(bytes / 32_768);
    const ids = drawIds(count);
    const key = randomBytes(32_768);
    await Promise.all(
      pair.kms.map(async (km, i) => {
        const own = [modules[i], modules[1 - i]] as [string, string];
        const socket = await connectFeed(km.at);
        return feed({ socket, modules: own, ids, key, window: 256, rate: undefined });
      }),
    );
    const isDone = ({ links }: KmStatus) => links[0]?.matched_bits === count * 262_144;
    const begun = performance.now();
    for (;;) {
      const seen = await Promise.all(pair.kms.map((km) => km.status()));
      if (seen.every(isDone)) break;
      if (performance.now() - begun > deadlineMs) throw new Error("keys were not matched in time");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return await use(pair, folder);
  } finally {
    await pair.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Without `masters` and `slaves` it is the first application of each end. */
type Order = Omit<LoadOrder, "masters" | "slaves" | "fetches" | "warmSeconds"> &
  Partial<Pick<LoadOrder, "masters" | "slaves" | "warmSeconds">> & { readonly fetch?: boolean };

/** Has a process of its own do it. @param onBegun when it is measured from now on */
async function ask(
  order: Omit<LoadOrder, "warmSeconds"> & Partial<Pick<LoadOrder, "warmSeconds">>,
  onBegun: () => void,
): Promise<LoadResult> {
  const child = fork(loader, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const told = on(child, "message");
  child.send({ warmSeconds: warmTimes * order.seconds, ...order } satisfies LoadOrder);
  const next = async () => ((await told.next()).value as [LoadWord])[0];
  if (!("begun" in (await next()))) throw new Error("a load without a beginning");
  onBegun();
  const last = await next();
  if (!("result" in last)) throw new Error("a load without a result");
  const { result } = last;
  const failures = Object.entries(result.failed);
  if (failures.length > 0 && result.keys === 0) throw new Error(`no key: ${failures.join(", ")}`);
  return result;
}

export async function load(pair: KmPair, { fetch = false, ...order }: Order): Promise<Ran> {
  const pids = pair.kms.map(({ process }) => process.pid as number);
  const cpu = () => pids.reduce((sum, pid) => sum + usageOf(pid).cpu, 0);
  let before = 0;
  const slave = askerOf(pair.bob);
  const whole = {
    masters: [askerOf(pair.alice)] as const,
    slaves: [slave.sae] as const,
    ...order,
    fetches: fetch ? slave : undefined,
  };
  const result = await ask(whole, () => {
    before = cpu();
  });
  return {
    ...result,
    cpuEach: ((cpu() - before) * 1e6) / Math.max(1, result.keys),
    rss: Math.max(...pids.map((pid) => usageOf(pid).rss)) / 1e6,
  };
}

export const notes = ({ p50, p99, cpuEach, ownEach, rss, failed }: Ran) => ({
  "p50 ms": p50,
  "p99 ms": p99,
  "µs a key": cpuEach,
  "client's µs a key": ownEach,
  "RSS MB": rss,
  failed: Object.values(failed).reduce((sum, one) => sum + one, 0),
  // Each kind for itself, if there are any: a figure with refusals is not to be trusted before it is known why.
  ...failed,
});

const coresOf = ({ cpuEach, keys, seconds }: Ran) => (cpuEach * keys) / 1e6 / seconds;

/** The same applications at a server of canned answers: what they, TLS and HTTP cost without a key manager. */
function bare(order: Omit<Order, "seconds" | "warmSeconds">) {
  return async (seconds: number) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-bench-bare-"));
    const child = fork(bareServer, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    try {
      const { alice } = await KmPair.make({ folder, modules });
      const { ca, ...asker } = askerOf(alice);
      const { cert, key } = alice.own;
      child.send({ ca, cert, key, number: order.number } satisfies BareOrder);
      const [port] = (await once(child, "message")) as [number];
      const whole = { slaves: ["app-b"] as const, fetches: undefined, ...order };
      const masters = [{ ...asker, ca, port }] as const;
      let before = 0;
      const ran = await ask({ ...whole, masters, seconds }, () => {
        before = usageOf(child.pid as number).cpu;
      });
      const { cpu, rss } = usageOf(child.pid as number);
      const cpuEach = ((cpu - before) * 1e6) / Math.max(1, ran.keys);
      const all = { ...ran, cpuEach, rss: rss / 1e6 };
      return { value: ran.keys / ran.seconds, cores: coresOf(all), notes: notes(all) };
    } finally {
      const isOver = once(child, "exit");
      child.disconnect();
      await isOver;
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

function keysPerSecond(order: Omit<Order, "seconds">, bytesPerSecond: number) {
  return (seconds: number) =>
    withStock(2 * bytesPerSecond * (askedFor(seconds) + 1) + 4_000_000, async (pair) => {
      const ran = await load(pair, { ...order, seconds });
      return { value: ran.keys / ran.seconds, cores: coresOf(ran), notes: notes(ran) };
    });
}

export const applicationBenchmarks: readonly Benchmark[] = [
  {
    name: "014 one key",
    about: "enc_keys with number=1 over connections that stay, durable at both key managers",
    unit: "keys/s",
    each: "key",
    reach: { least: 7_000 },
    subject: keysPerSecond({ connections: 64, number: 1 }, 400_000),
    baseline: bare({ connections: 64, number: 1 }),
  },
  {
    name: "014 latency",
    about: "the same at half of that: median, ms",
    unit: "ms",
    reach: { most: 2.5 },
    subject: (seconds) =>
      withStock(2 * 400_000 * (2 * askedFor(seconds) + 1) + 4_000_000, async (pair) => {
        const order = { connections: 64, number: 1, seconds };
        const most = await load(pair, order);
        const rate = most.keys / most.seconds / 2;
        const ran = await load(pair, { ...order, rate, warmSeconds: seconds });
        return { value: ran.p50, notes: { ...notes(ran), "at keys/s": rate } };
      }),
  },
  {
    name: "014 pairs",
    about: "enc_keys and dec_keys of one key, witnessed",
    unit: "keys/s",
    each: "key",
    reach: { least: 3_000 },
    subject: keysPerSecond({ fetch: true, connections: 48, number: 1 }, 300_000),
  },
  {
    name: "014 fresh",
    about: "enc_keys with number=1, a new mutual TLS connection each",
    unit: "keys/s",
    each: "key",
    reach: { least: 200 },
    subject: keysPerSecond({ connections: 16, number: 1, fresh: true }, 40_000),
  },
  {
    name: "014 many keys",
    about: "enc_keys with number=128",
    unit: "keys/s",
    each: "key",
    reach: { least: 150_000 },
    subject: keysPerSecond({ connections: 32, number: 128 }, 8_000_000),
    baseline: bare({ connections: 32, number: 128 }),
  },
];
