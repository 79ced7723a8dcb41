/** What the local page costs the daemon that serves it: CPU for one viewer, throughput with twenty. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createAuthority,
  writeAuthority,
  writeIdentity,
} from "../../test/emulator/certificates.ts";
import { NodeProcess } from "../../test/rig/node-process.ts";
import { beside } from "./helper.ts";
import type { Benchmark, Sample } from "./measure.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A browser that watches the page and reads all that comes. @returns what ends it */
async function viewers(url: string, count: number): Promise<() => void> {
  const requests = await Promise.all(
    Array.from({ length: count }, () => {
      const request = get(`${url}api/stream`, { agent: false });
      request.on("error", () => {});
      return new Promise<typeof request>((resolve) => {
        request.on("response", (response) => {
          response.resume();
          response.on("error", () => {});
          resolve(request);
        });
      });
    }),
  );
  return () => {
    for (const request of requests) request.destroy();
  };
}

const confirmed = "qkd_keys_confirmed_total";
const cpu = "process_cpu_seconds_total";

/** What a metric stands at, and when, ms. */
async function metrics(url: string): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${url}metrics`)).text();
  const value = (name: string) => {
    const line = text.split("\n").find((one) => one.startsWith(name));
    return Number(line?.split(" ").at(-1));
  };
  return { at: performance.now(), [confirmed]: value(confirmed), [cpu]: value(cpu) };
}

/** How much metrics grow over some time. */
async function growth(url: string, seconds: number): Promise<Readonly<Record<string, number>>> {
  const before = await metrics(url);
  await pause(seconds * 1_000);
  const after = await metrics(url);
  return Object.fromEntries(
    Object.keys(after).map((name) => [name, (after[name] as number) - (before[name] as number)]),
  );
}

/** The daemon in a process of its own, with a module and a KM that are faster than it. */
async function withDaemon<T>(keys: boolean, body: (url: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bench-page-"));
  const ca = await createAuthority("bench CA");
  await writeAuthority(folder, "ca", ca);
  const names = { km: "server", node: "client" } as const;
  for (const [commonName, usage] of Object.entries(names)) {
    const identity = await ca.issue({ commonName, dns: [commonName], usage, days: 90 });
    await writeIdentity(folder, commonName, identity);
  }
  const run = (module: string) =>
    beside("km-process.ts", [folder], async (_own, told) => {
      const config = join(folder, "node.toml");
      writeFileSync(
        config,
        `[node]\nid = "bench"\nstate_dir = ${JSON.stringify(join(folder, "state"))}
[web]\nport = 0
[km.main]\nhost = "127.0.0.1"\nport = ${(told as { port: number }).port}\nserver_name = "km"
ca = "ca.crt"\ncert = "node.crt"\nkey = "node.key"\nwindow = 1024
[[module]]\nname = "alice"\nkm = "main"\nkey_bits = 2048
[module.driver]\nkind = "qmlp-pcie"\npath = ${JSON.stringify(module)}\n`,
      );
      const node = new NodeProcess(config, join(folder, "log.txt"));
      node.start();
      try {
        const line = await node.logged(/msg="page"/, AbortSignal.timeout(30_000));
        return await body(/url=(\S+)/.exec(line)?.[1] as string);
      } finally {
        await node.stop("SIGKILL");
      }
    });
  try {
    if (!keys) return await run(join(folder, "nothing"));
    return await beside("module-process.ts", ["pcie", 0, 32_768], (own) =>
      run(join(own, "module")),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

/** Pairs of measurements in one process, one with viewers, one without. */
const pairs = 5;

/**
 * Keys for each second of CPU that the daemon used: what else the machine does takes from the
 * keys of a second, but not from these.
 */
async function keysOfCpu(url: string, seconds: number): Promise<number> {
  const grown = await growth(url, seconds);
  return (grown[confirmed] as number) / (grown[cpu] as number);
}

async function throughput(seconds: number): Promise<Sample> {
  return withDaemon(true, async (url) => {
    await pause(3_000);
    const ratios: number[] = [];
    for (let i = 0; i < pairs; i++) {
      const before = await keysOfCpu(url, seconds);
      const stop = await viewers(url, 20);
      const watched = await keysOfCpu(url, seconds);
      stop();
      const after = await keysOfCpu(url, seconds);
      ratios.push((2 * watched) / (before + after));
    }
    return { value: median(ratios) };
  });
}

/** Of a core. */
async function load(url: string, seconds: number): Promise<number> {
  const grown = await growth(url, seconds);
  return ((grown[cpu] as number) * 1_000) / (grown.at as number);
}

async function oneViewer(seconds: number): Promise<Sample> {
  return withDaemon(false, async (url) => {
    await pause(3_000);
    const costs: number[] = [];
    for (let i = 0; i < pairs; i++) {
      const idle = await load(url, seconds);
      const stop = await viewers(url, 1);
      costs.push((await load(url, seconds)) - idle);
      stop();
    }
    return { value: median(costs) * 100 };
  });
}

export const pageBenchmarks: readonly Benchmark[] = [
  {
    name: "page 20 viewers",
    about:
      "Keys confirmed for each second of the daemon's CPU with 20 viewers of the page, beside none, in turn",
    unit: "of none",
    reach: { least: 0.98 },
    subject: throughput,
  },
  {
    name: "page 1 viewer",
    about: "CPU that one viewer at 1 Hz costs the daemon",
    unit: "% core",
    reach: { most: 1 },
    subject: oneViewer,
  },
];
