/**
 * Keys of a pair of KMEs: KMEs, two nodes and two KMs, as an operator has them who owns a commercial QKD system;
 * beside it a module that speaks QMLP, with as short blocks at the same rate.
 */
import { Etsi014Rig, ends } from "../../test/rig/etsi014-rig.ts";
import type { Benchmark, Sample } from "./measure.ts";
import { usageOf } from "./node-child.ts";
import { runPath, sleep } from "./path.ts";
import { launcher } from "./production.ts";

const warmUp = 4_000;
const megabyte = 1_000_000;

async function subject(seconds: number): Promise<Sample> {
  const kme = "batch = 128";
  // More are there than are taken between two looks.
  const settings = { auto: 3_000 };
  await using rig = await Etsi014Rig.start({ settings, kme, program: launcher() });
  await rig.holds(1_000);
  await sleep(warmUp);
  const look = () => ({
    at: performance.now(),
    keys: Math.min(...ends.map((end) => rig.kms[end].store.size)),
    usage: ends.map((end) => usageOf(rig.nodes[end].pid ?? 0)),
  });
  const before = look();
  await sleep(seconds * 1_000);
  const after = look();
  const took = (after.at - before.at) / 1_000;
  const keysPerSecond = (after.keys - before.keys) / took;
  const cores = ends.map(
    (_, i) => ((after.usage[i]?.cpu ?? 0) - (before.usage[i]?.cpu ?? 0)) / took,
  );
  const rss = after.usage.map((one) => one.rss / megabyte);
  const each = (used = 0) => (used / keysPerSecond) * 1e6;
  // The same keys in blocks of their own, from one module to one node.
  const qmlp = await runPath(
    { blockBytes: 32, window: 1_024, blocksPerSecond: Math.round(keysPerSecond) },
    seconds,
  );
  return {
    value: keysPerSecond,
    cores: Math.max(...cores),
    notes: {
      "leader µs CPU/key": each(cores[0]),
      "follower µs CPU/key": each(cores[1]),
      "leader RSS MB": rss[0] ?? 0,
      "follower RSS MB": rss[1] ?? 0,
      "QMLP µs CPU/key": (qmlp.cores / qmlp.keysPerSecond) * 1e6,
      "QMLP RSS MB": qmlp.usage.rss / megabyte,
    },
  };
}

export const etsi014Benchmarks: readonly Benchmark[] = [
  {
    name: "etsi014 32 B",
    about:
      "two KMEs, two nodes, two KMs: keys of 256 bit at 128 a request, each on both nodes' disks before it is a block",
    unit: "keys/s",
    each: "key",
    reach: { least: 2_000 },
    subject,
  },
];
