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

/** Whoever watches the page and reads all that comes. @returns what ends it */
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

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(name) && !one.startsWith("#"));
  return Number(line?.split(" ").at(-1));
}

/** How fast a metric grows over some time. */
async function growth(url: string, name: string, seconds: number): Promise<number> {
  const begun = performance.now();
  const before = await metric(url, name);
  await pause(seconds * 1_000);
  const after = await metric(url, name);
  return ((after - before) * 1_000) / (performance.now() - begun);
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

async function throughput(seconds: number): Promise<Sample> {
  return withDaemon(true, async (url) => {
    const name = "qkd_keys_confirmed_total";
    await pause(3_000);
    const ratios: number[] = [];
    for (let i = 0; i < pairs; i++) {
      const before = await growth(url, name, seconds);
      const stop = await viewers(url, 20);
      const watched = await growth(url, name, seconds);
      stop();
      const after = await growth(url, name, seconds);
      // What else the machine does, and what the node slows down by, falls on both.
      ratios.push((2 * watched) / (before + after));
    }
    return { value: median(ratios) };
  });
}

async function oneViewer(seconds: number): Promise<Sample> {
  return withDaemon(false, async (url) => {
    const name = "process_cpu_seconds_total";
    await pause(3_000);
    const costs: number[] = [];
    for (let i = 0; i < pairs; i++) {
      const idle = await growth(url, name, seconds);
      const stop = await viewers(url, 1);
      costs.push((await growth(url, name, seconds)) - idle);
      stop();
    }
    return { value: median(costs) * 100 };
  });
}

export const pageBenchmarks: readonly Benchmark[] = [
  {
    name: "page 20 viewers",
    about: "Keys confirmed with 20 viewers of the page, beside none, in turn in one daemon",
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
