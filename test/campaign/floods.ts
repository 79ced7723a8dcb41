/**
 * Floods at each door of a real node: what it costs in memory, whether all others are served meanwhile, and
 * what it writes into the log. Over loopback: the flood comes from other addresses of it than the others do.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeRequest } from "../../src/ops/local/protocol.ts";
import { patience } from "../patience.ts";
import { type OneNode, withNode } from "../rig/one-node.ts";
import type { FloodOrder } from "./flooder.ts";

export const doors = ["server", "km", "page", "local"] as const;
export type Door = (typeof doors)[number];

export interface FloodResult {
  /** Hostile requests that were sent. */
  readonly sent: number;
  readonly seconds: number;
  /** Resident memory at its highest and at the end, beside the highest before, MB. */
  readonly peak_mb: number;
  readonly end_mb: number;
  /** The same at its highest of what is the process's own, and no page of a file such as its code. */
  readonly own_peak_mb: number;
  /** Honest requests meanwhile, and those of them that were not answered as usual. */
  readonly honest: number;
  readonly failed: number;
  /** The honest ones' time, its median and its 90th percentile, beside before; the worst of the doors. */
  readonly slower: number;
  readonly slower_p90: number;
  /** Lines of the log. */
  readonly lines: number;
}

/** As a build has it, and under the unit's MemoryMax of 384 MB, of which V8 takes half for its heap. */
const environment = {
  NODE_OPTIONS: "--max-old-space-size=192 --max-semi-space-size=4",
  MALLOC_ARENA_MAX: "1",
};
const flooder = fileURLToPath(new URL("flooder.ts", import.meta.url));
/** Between two honest requests, ms. */
const pauseMs = 20;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function memory(pid: number): { readonly rss: number; readonly own: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mb = (name: string) => {
    return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1_000;
  };
  return { rss: mb("VmRSS"), own: mb("RssAnon") };
}

/** Whether it was answered as usual. */
type Ask = () => Promise<boolean>;

/** An honest client at each door. */
function clients({ folder, serverPort }: OneNode, pagePort: number): readonly Ask[] {
  const file = (name: string) => readFileSync(join(folder, name));
  const tls = { servername: "node", ca: file("ca.crt"), cert: file("km.crt"), key: file("km.key") };
  const https = new HttpsAgent({ keepAlive: true, maxSockets: 1 });
  const http = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  const fetch = (make: typeof httpRequest, options: object) =>
    new Promise<boolean>((resolve) => {
      const sent = make({ host: "127.0.0.1", ...options }, (response) => {
        response.resume().once("end", () => resolve(response.statusCode === 200));
        response.once("error", () => resolve(false));
      });
      sent.on("error", () => resolve(false));
      sent.end();
    });
  const path = "/api/v1/keys/QKD-B-0001/status";
  const control = join(folder, "state", "control");
  return [
    () => fetch(httpsRequest, { ...tls, agent: https, port: serverPort, path }),
    () => fetch(httpRequest, { agent: http, port: pagePort, path: "/healthz" }),
    () =>
      new Promise((resolve) => {
        let text = "";
        const socket = connect(control, () => socket.write(encodeRequest("alarms")));
        socket.on("data", (chunk: Buffer) => {
          text += chunk;
        });
        socket.on("error", () => {}).once("close", () => resolve(text.includes('"data"')));
      }),
  ];
}

interface Times {
  readonly ms: number[][];
  failed: number;
}

/** Asks at each door in turn until `done`. */
async function ask(asks: readonly Ask[], done: () => boolean): Promise<Times> {
  const times: Times = { ms: asks.map(() => []), failed: 0 };
  while (!done()) {
    for (const [door, one] of asks.entries()) {
      const begun = performance.now();
      if (await one()) times.ms[door]?.push(performance.now() - begun);
      else times.failed++;
      await pause(pauseMs);
    }
  }
  return times;
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** How much longer it took at the door where it took longest. */
function slower(before: Times, meanwhile: Times, part: number): number {
  const each = before.ms.map((usual, door) => {
    return quantile(meanwhile.ms[door] ?? [], part) / quantile(usual, part);
  });
  return Number(Math.max(...each).toFixed(2));
}

async function running(
  order: FloodOrder,
): Promise<{ child: ChildProcess; sent: () => number; over: () => boolean }> {
  // As from elsewhere: it takes no time from the node or from who measures.
  const child = spawn("nice", ["-n", "19", process.execPath, flooder, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let sent = 0;
  let over = false;
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    sent = Number(text.trim().split("\n").at(-1));
  });
  child.once("close", (code, signal) => {
    over = true;
    if (code !== 0) process.stderr.write(`flooder ended with ${code ?? signal}\n`);
  });
  return { child, sent: () => sent, over: () => over };
}

export interface FloodOptions {
  /** Hostile requests. */
  readonly rounds: number;
  /** The flood is ended after this time, s. */
  readonly longest: number;
  /** The honest ask alone for this long at first, s. */
  readonly usual: number;
  /** Another than that of the clone. */
  readonly program?: string;
}

export async function flood(door: Door, options: FloodOptions): Promise<FloodResult> {
  const { program } = options;
  const outcome = Promise.withResolvers<FloodResult>();
  const site = { transport: "tls", mode: "on_request", environment } as const;
  await withNode({ ...site, ...(program !== undefined && { program }) }, async (bench) => {
    outcome.resolve(await run(bench, door, options));
  });
  return outcome.promise;
}

async function run(
  bench: OneNode,
  door: Door,
  { rounds, longest, usual }: FloodOptions,
): Promise<FloodResult> {
  const { folder, node, ca, km, serverPort } = bench;
  const signal = patience(60_000);
  await node.logged(/KM connected/, signal);
  const line = await node.logged(/msg="?page"? url=/, signal);
  const pagePort = Number(/:(\d+)\//.exec(line)?.[1]);
  const pid = node.pid as number;
  const asks = clients(bench, pagePort);
  // The first requests of each kind take longer, and memory for good.
  const warm = Date.now() + usual * 500;
  await ask(asks, () => Date.now() > warm);
  const alone = Date.now() + usual * 1_000;
  let peak = { rss: 0, own: 0 };
  const look = () => {
    const now = memory(pid);
    peak = { rss: Math.max(peak.rss, now.rss), own: Math.max(peak.own, now.own) };
    return now;
  };
  const watching = setInterval(() => node.running && look(), 100);
  const before = await ask(asks, () => Date.now() > alone);
  const was = peak;
  let port = door === "page" ? pagePort : serverPort;
  if (door === "km") {
    const text = readFileSync(join(folder, "node.toml"), "utf8");
    port = Number(/\[km\.main\][^[]*?port = (\d+)/.exec(text)?.[1]);
    await km.close();
    const { cert, key } = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
    writeFileSync(join(folder, "flood.crt"), cert);
    writeFileSync(join(folder, "flood.key"), key, { mode: 0o600 });
  }
  const linesBefore = node.lines.length;
  const begun = performance.now();
  const flooding = await running({ door, rounds, port, folder });
  const late = () => performance.now() - begun > longest * 1_000;
  const meanwhile = await ask(asks, () => flooding.over() || late());
  const seconds = (performance.now() - begun) / 1_000;
  flooding.child.kill("SIGKILL");
  const calm = Date.now() + 3_000;
  const { failed } = await ask(asks, () => Date.now() > calm);
  clearInterval(watching);
  return {
    sent: flooding.sent(),
    seconds: Math.round(seconds),
    peak_mb: Number((peak.rss - was.rss).toFixed(1)),
    end_mb: Number((look().rss - was.rss).toFixed(1)),
    own_peak_mb: Number((peak.own - was.own).toFixed(1)),
    honest: meanwhile.ms.reduce((sum, { length }) => sum + length, 0),
    failed: meanwhile.failed + failed + before.failed,
    slower: slower(before, meanwhile, 0.5),
    slower_p90: slower(before, meanwhile, 0.9),
    lines: node.lines.length - linesBefore,
  };
}
