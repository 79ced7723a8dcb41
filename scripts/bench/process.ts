/** The process itself: how soon the first key is at the KM after its start, and what memory it takes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Benchmark, Sample } from "./measure.ts";
import { NodeChild, usageOf } from "./node-child.ts";
import { firstKey, type PathOptions, runPath, sleep, sources, withSite } from "./path.ts";
import { bundle } from "./production.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsx = [process.execPath, "--import", "tsx", join(root, "src/bin/qkd-node.ts")];

const now = () => performance.timeOrigin + performance.now();
const keys: PathOptions = { blockBytes: 32, window: 64, blocksPerSecond: 100 };

/** ms from the start of the process to the first key at the KM. */
function start(program: () => readonly string[]) {
  return (): Promise<Sample> => {
    const command = program();
    return withSite(keys, async ({ config, km }) => {
      const begun = now();
      const node = new NodeChild(command, config);
      try {
        const took = (await firstKey(km, node)) - begun;
        return { value: took, notes: { "CPU s": node.usage().cpu } };
      } finally {
        await node.stop();
      }
    });
  };
}

/** ms that a Node.js takes which does nothing. */
async function nothing(): Promise<Sample> {
  const begun = now();
  await once(spawn(process.execPath, ["-e", "0"]), "close");
  return { value: now() - begun };
}

async function idle(): Promise<Sample> {
  const options = { ...keys, blocksPerSecond: 0.01 };
  return withSite(options, async ({ config, km }) => {
    const node = new NodeChild(bundle(true), config);
    try {
      await firstKey(km, node);
      await sleep(5_000);
      const { rss, highest, cpu } = node.usage();
      await sleep(2_000);
      const cores = (node.usage().cpu - cpu) / 2;
      return { value: rss / 1e6, cores, notes: { "highest MB": highest / 1e6 } };
    } finally {
      await node.stop();
    }
  });
}

async function idleNode(): Promise<Sample> {
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"]);
  await sleep(1_000);
  const { rss } = usageOf(child.pid as number);
  child.kill("SIGKILL");
  await once(child, "close");
  return { value: rss / 1e6 };
}

/** At the rate of the published record: 115.8 Mbit/s, blocks of 32 KiB. */
async function atRecord(seconds: number): Promise<Sample> {
  const { usage, cores, megabits, keysPerSecond } = await runPath(
    { blockBytes: 32_768, window: 64, blocksPerSecond: 442, program: bundle(true), warmUp: 3 },
    Math.max(seconds, 3),
  );
  return {
    value: usage.rss / 1e6,
    cores,
    notes: {
      "highest MB": usage.highest / 1e6,
      "Mbit/s": megabits,
      "µs CPU/key": (cores / keysPerSecond) * 1e6,
    },
  };
}

function starting(name: string, program: () => readonly string[], more: Partial<Benchmark>) {
  return {
    name: `start ${name}`,
    about: "start of the process until the first key is at the KM; baseline: node -e 0",
    unit: "ms",
    subject: start(program),
    baseline: nothing,
    ...more,
  };
}

export const processBenchmarks: readonly Benchmark[] = [
  starting("tsx", () => tsx, { slow: true }),
  starting("sources", () => sources, {}),
  starting("bundle", () => bundle(false), { slow: true }),
  starting("bundle+code", () => bundle(true), { reach: { most: 400 } }),
  {
    name: "memory idle",
    about: "resident memory of the production build with module and KM; baseline: an idle Node.js",
    unit: "MB",
    reach: { most: 75 },
    subject: idle,
    baseline: idleNode,
  },
  {
    name: "memory at record",
    about: "resident memory at 115.8 Mbit/s; baseline: an idle Node.js",
    unit: "MB",
    reach: { most: 110 },
    subject: atRecord,
    baseline: idleNode,
  },
];
