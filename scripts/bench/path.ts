/** The whole path: module, node and KM, each a process of its own; keys are counted at the KM. */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createAuthority,
  writeAuthority,
  writeIdentity,
} from "../../test/emulator/certificates.ts";
import { ask, beside } from "./helper.ts";
import { type Benchmark, percentile, type Sample } from "./measure.ts";
import { NodeChild, type Usage } from "./node-child.ts";

/** The node from its sources, with the switches that the production build is started with. */
export const sources: readonly string[] = [
  process.execPath,
  "--disable-sigusr1",
  "--disable-warning=DEP0169",
  "--max-semi-space-size=4",
  fileURLToPath(new URL("../../src/bin/qkd-node.ts", import.meta.url)),
];

export interface PathOptions {
  readonly blockBytes: number;
  /** Keys are cut to this length, bits; undefined: whole blocks. */
  readonly keyBits?: number;
  readonly window: number;
  /** Of each module; 0: as many as go. */
  readonly blocksPerSecond?: number;
  readonly modules?: number;
  readonly program?: readonly string[];
  /** Of the page; 0: some free one. */
  readonly webPort?: number;
  /** GMAC over blocks, and keys without a hash: SHA-256 is not computed at all. */
  readonly unhashed?: boolean;
  /** Before it counts, s. */
  readonly warmUp?: number;
}

export interface PathFigures {
  readonly keysPerSecond: number;
  readonly megabits: number;
  /** CPU of the node, s per s. */
  readonly cores: number;
  /** ms from when the module had the key until the KM had it; ascending. */
  readonly latencies: readonly number[];
  readonly usage: Usage;
}

export interface KmNotes {
  readonly keys: number;
  readonly times: readonly (readonly [number, number])[];
  /** When the first key came, ms on the clock that all processes share. */
  readonly first?: number;
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a node needs to be started, beside a KM and modules on PCIe cards. */
export interface Site {
  readonly config: string;
  readonly km: ChildProcess;
  readonly module: ChildProcess;
}

/** Sets up KM, modules and a configuration; `body` runs the node. */
export async function withSite<T>(
  options: PathOptions,
  body: (site: Site) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bench-path-"));
  const ca = await createAuthority("bench CA");
  const km = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const node = await ca.issue({ commonName: "node", dns: ["node"], usage: "client", days: 90 });
  await writeAuthority(folder, "ca", ca);
  await writeIdentity(folder, "km", km);
  await writeIdentity(folder, "node", node);
  const { blocksPerSecond = 0, modules = 1, blockBytes, unhashed = false } = options;
  const notes = blocksPerSecond > 0 ? ["times"] : [];
  const cards = ["pcie", 0, blockBytes, unhashed ? "gmac" : "sha-256", blocksPerSecond, modules];
  try {
    return await beside("km-process.ts", [folder, ...notes], (_own, told, kmProcess) =>
      beside("module-process.ts", cards, (own, _ready, module) => {
        const config = join(folder, "node.toml");
        const { port } = told as { port: number };
        writeFileSync(config, configuration(folder, own, port, options), { mode: 0o600 });
        return body({ config, km: kmProcess, module });
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function configuration(folder: string, cards: string, port: number, options: PathOptions): string {
  const { keyBits, window, modules = 1, webPort = 0, unhashed = false } = options;
  const q = JSON.stringify;
  const tables = Array.from({ length: modules }, (_, i) => {
    const path = q(join(cards, i === 0 ? "module" : `module${i}`));
    return `[[module]]
name = "m${i}"
km = "km"
max_held_blocks = 65536
${keyBits === undefined ? "" : `key_bits = ${keyBits}`}
driver = { kind = "qmlp-pcie", path = ${path} }
`;
  });
  return `[node]
id = "bench"
state_dir = ${q(join(folder, "state"))}
[web]
port = ${webPort}
[km.km]
host = "127.0.0.1"
port = ${port}
server_name = "km"
ca = "ca.crt"
cert = "node.crt"
key = "node.key"
window = ${window}
${unhashed ? "hash_value = false" : ""}
${tables.join("")}`;
}

/** Runs the whole path for that long, after a warm-up. */
export function runPath(options: PathOptions, seconds: number): Promise<PathFigures> {
  return withSite(options, async ({ config, km, module }) => {
    const { keyBits, blockBytes, program = sources, warmUp = 1.5 } = options;
    const node = new NodeChild(program, config);
    try {
      await firstKey(km, node);
      await sleep(warmUp * 1_000);
      const before = { ...(await ask<KmNotes>(km)), at: performance.now(), usage: node.usage() };
      await sleep(seconds * 1_000);
      const after = { ...(await ask<KmNotes>(km)), at: performance.now(), usage: node.usage() };
      const took = (after.at - before.at) / 1_000;
      const keys = after.keys - before.keys;
      const { times } = await ask<{ times: readonly number[] }>(module);
      const latencies = after.times.flatMap(([number, at]) => {
        const begun = times[number];
        return begun === undefined ? [] : [at - begun];
      });
      return {
        keysPerSecond: keys / took,
        megabits: (keys * (keyBits ?? blockBytes * 8)) / took / 1e6,
        cores: (after.usage.cpu - before.usage.cpu) / took,
        latencies: latencies.sort((a, b) => a - b),
        usage: after.usage,
      };
    } finally {
      await node.stop();
    }
  });
}

/** @returns when the KM had it, ms on the clock that all processes share */
export async function firstKey(km: ChildProcess, node: NodeChild): Promise<number> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const { first } = await ask<KmNotes>(km);
    if (first !== undefined) return first;
    if (performance.now() > deadline) throw new Error(`no key came:\n${node.log}`);
    await sleep(10);
  }
}

const megabyte = 1_000_000;

function rate(options: PathOptions, unit: "Gbit/s" | "keys/s" | "Mbit/s") {
  return async (seconds: number): Promise<Sample> => {
    const { keysPerSecond, megabits, cores, usage } = await runPath(options, seconds);
    const value = { "Gbit/s": megabits / 1_000, "Mbit/s": megabits, "keys/s": keysPerSecond }[unit];
    return {
      value,
      cores,
      notes: {
        "µs CPU/key": (cores / keysPerSecond) * 1e6,
        "µs CPU/Mbit": (cores / megabits) * 1e6,
        "RSS MB": usage.rss / megabyte,
      },
    };
  };
}

/** The few keys of a second take long to have the code compiled, s. */
const latencyWarmUp = 6;

function latency(options: PathOptions) {
  return async (seconds: number): Promise<Sample> => {
    const { latencies, cores, megabits, usage } = await runPath(
      { ...options, warmUp: latencyWarmUp },
      seconds,
    );
    return {
      value: percentile(latencies, 0.99),
      cores,
      notes: {
        "p50 ms": percentile(latencies, 0.5),
        "p99.9 ms": percentile(latencies, 0.999),
        "Mbit/s": megabits,
        "RSS MB": usage.rss / megabyte,
      },
    };
  };
}

const wholeBlocks = { blockBytes: 32_768, window: 64 } as const;
const shortKeys = { blockBytes: 32_768, keyBits: 256, window: 1_024 } as const;

export const pathBenchmarks: readonly Benchmark[] = [
  {
    name: "path 32 KiB",
    about: "PCIe module, node and KM in three processes, blocks of 32 KiB as one key each",
    unit: "Gbit/s",
    reach: { least: 1.16, cores: 1 },
    subject: rate(wholeBlocks, "Gbit/s"),
  },
  {
    name: "path 32 KiB bare",
    about:
      "the same with GMAC over blocks and no hash_value, for processors without SHA instructions",
    unit: "Gbit/s",
    reach: { least: 1.16, cores: 1 },
    subject: rate({ ...wholeBlocks, unhashed: true }, "Gbit/s"),
  },
  {
    name: "path 32 B",
    about: "the same, blocks of 32 KiB cut into keys of 256 bit, a Kq-1 message each",
    unit: "keys/s",
    each: "key",
    reach: { mostEach: 6 },
    subject: rate(shortKeys, "keys/s"),
  },
  {
    name: "path latency",
    about:
      "from when the module has a block of 32 KiB until the KM has the key, p99, at 58 Mbit/s (half the published record)",
    unit: "ms",
    reach: { most: 2 },
    subject: latency({ ...wholeBlocks, blocksPerSecond: 221 }),
  },
  {
    name: "path latency 10x",
    about: "the same at 579 Mbit/s, half of ten times the published record",
    unit: "ms",
    reach: { most: 2 },
    slow: true,
    subject: latency({ ...wholeBlocks, blocksPerSecond: 2_209 }),
  },
];
