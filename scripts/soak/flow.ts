/** Keys flow for hours: memory, descriptors and the event loop must stay as they are. */
import { readdirSync } from "node:fs";
import { request } from "node:http";
import { ask } from "../bench/helper.ts";
import { percentile } from "../bench/measure.ts";
import { NodeChild } from "../bench/node-child.ts";
import { type KmNotes, sleep, withSite } from "../bench/path.ts";
import { bundle } from "../bench/production.ts";
import type { Campaign } from "./campaign.ts";

interface FlowResult {
  readonly minutes: number;
  readonly keysPerSecond: number;
  /** After the warm-up: of a line through the samples, MB/h. */
  readonly rssSlope: number;
  /** The same of the process's own memory: where they differ, it was pages of files. */
  readonly ownSlope: number;
  readonly rssMb: number;
  /** Descriptors at the end, more than after the warm-up. */
  readonly descriptors: number;
  /** Answers of /healthz, ms: the event loop's delay is no longer. */
  readonly p99: number;
}

/** Keys of 32 KiB at twice the best published rate (115.8 Mbit/s): 884 a second. */
const blocksPerSecond = 884;
const blockBytes = 32_768;
const pingMs = 100;

function pong(port: number): Promise<number> {
  const begun = performance.now();
  return new Promise((resolve) => {
    const sent = request({ host: "127.0.0.1", port, path: "/healthz" }, (response) => {
      response.resume();
      response.on("end", () => resolve(performance.now() - begun));
    });
    sent.on("error", () => resolve(Number.NaN));
    sent.end();
  });
}

/** Slope of the least-squares line, per unit of x. */
function slope(points: readonly (readonly [number, number])[]): number {
  const n = points.length;
  const mean = (i: 0 | 1) => points.reduce((sum, point) => sum + point[i], 0) / n;
  const [mx, my] = [mean(0), mean(1)];
  const over = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return over / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

/** A line for the person who waits. */
function tell(hours: number, node: NodeChild): void {
  const { rss, own } = node.usage();
  const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
  process.stderr.write(`${(hours * 60).toFixed(1)} min: ${mb(rss)} MB, its own ${mb(own)}\n`);
}

function flow(minutes: number): Promise<FlowResult> {
  const options = { blockBytes, window: 256, blocksPerSecond, webPort: 8_788 };
  return withSite(options, async ({ config, km, module }) => {
    const node = new NodeChild(bundle(true), config);
    const rss: [number, number][] = [];
    const own: [number, number][] = [];
    const pings: number[] = [];
    let descriptors: number | undefined;
    let last = 0;
    const begun = performance.now();
    const hours = () => (performance.now() - begun) / 3_600_000;
    try {
      while ((await ask<KmNotes>(km)).keys === 0) await sleep(100);
      const warm = hours() + minutes / 60 / 5;
      const end = minutes / 60;
      const keysBefore = (await ask<KmNotes>(km)).keys;
      // What the others note is for benchmarks of seconds: it is fetched, and forgotten.
      let noted = performance.now();
      const from = performance.now();
      while (hours() < end) {
        await sleep(pingMs);
        const ms = await pong(options.webPort);
        if (!Number.isNaN(ms)) pings.push(ms);
        if (performance.now() - noted > 20_000) {
          noted = performance.now();
          tell(hours(), node);
          await Promise.all([ask(km), ask(module)]);
        }
        if (hours() < warm) continue;
        last = readdirSync(`/proc/${node.pid}/fd`).length;
        descriptors ??= last;
        const usage = node.usage();
        rss.push([hours(), usage.rss / 1e6]);
        own.push([hours(), usage.own / 1e6]);
      }
      const keys = (await ask<KmNotes>(km)).keys - keysBefore;
      return {
        minutes,
        keysPerSecond: Math.round((keys * 1_000) / (performance.now() - from)),
        rssSlope: Number(slope(rss).toFixed(2)),
        ownSlope: Number(slope(own).toFixed(2)),
        rssMb: Math.round(rss.at(-1)?.[1] ?? 0),
        descriptors: last - (descriptors ?? last),
        p99: Number(
          percentile(
            pings.sort((a, b) => a - b),
            0.99,
          ).toFixed(1),
        ),
      };
    } finally {
      await node.stop();
    }
  });
}

export const flowing: Campaign = {
  name: "flow",
  parts: [
    {
      title: "an hour of 884 keys of 32 KiB a second: memory, descriptors and event loop stay",
      async run(scale) {
        const result = await flow(60 * scale);
        const { keysPerSecond, rssSlope, descriptors, p99 } = result;
        const steady = rssSlope <= 1 && descriptors <= 2 && p99 <= 50;
        return { held: steady && keysPerSecond > 870, figures: { ...result } };
      },
    },
  ],
};
