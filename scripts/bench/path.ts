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
import { NodeChild, type Usage } from "./node-child.ts";

/** The node from its sources; the daemon of the production build runs the same way. */
export const sources: readonly string[] = [
  process.execPath,
  "--disable-sigusr1",
  fileURLToPath(new URL("../../src/cli.ts", import.meta.url)),
];

export interface PathOptions {
  readonly via: "pcie" | "serial";
  readonly baud?: number;
  readonly blockBytes: number;
  /** Keys are cut to this length, bits; undefined: whole blocks. */
  readonly keyBits?: number;
  readonly window: number;
  /** 0: as many as go. */
  readonly blocksPerSecond?: number;
  readonly program?: readonly string[];
  readonly modules?: number;
  readonly manager?: string;
  readonly warmUp?: number;
}

export interface PathFigures {
  readonly keysPerSecond: number;
  readonly megabits: number;
  /** CPU of the node, s per s. */
  readonly cores: number;
  /** ms from when the module had the key until the KM had it. */
  readonly latencies: readonly number[];
  readonly usage: Usage;
}

interface KmNotes {
  readonly keys: number;
  readonly bytes: number;
  readonly times: readonly (readonly [number, number])[];
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs the whole path for that long, after a warm-up. */
export async function runPath(options: PathOptions, seconds: number): Promise<PathFigures> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bench-path-"));
  const ca = await createAuthority("bench CA");
  await writeAuthority(folder, "ca", ca);
  await writeIdentity(
    folder,
    "km",
    await ca.issue({ commonName: "km", dns: ["km"], usage: "server" }),
  );
  await writeIdentity(
    folder,
    "node",
    await ca.issue({ commonName: "node", dns: ["node"], usage: "client", days: 90 }),
  );
  const { blocksPerSecond = 0, modules = 1 } = options;
  try {
    const notes = blocksPerSecond > 0 ? ["times"] : [];
    return await beside("km-process.ts", [folder, ...notes], async (_own, told, km) => {
      const { port } = told as { port: number };
      const start = async (
        left: number,
        made: { folder: string; child: ChildProcess }[],
      ): Promise<PathFigures> => {
        if (left === 0) return measurePath(options, seconds, folder, port, km, made);
        const { via, baud = 0, blockBytes } = options;
        const args = [via, baud, blockBytes, "sha-256", blocksPerSecond];
        return beside("module-process.ts", args, (own, _ready, child) =>
          start(left - 1, [...made, { folder: own, child }]),
        );
      };
      return await start(modules, []);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measurePath(
  options: PathOptions,
  seconds: number,
  folder: string,
  port: number,
  km: ChildProcess,
  modules: readonly { folder: string; child: ChildProcess }[],
): Promise<PathFigures> {
  const { via, baud = 921_600, keyBits, window, program = sources, warmUp = 1_500 } = options;
  const config = join(folder, "node.toml");
  const q = JSON.stringify;
  const tables = modules.map(({ folder: own }, i) => {
    const path = q(join(own, "module"));
    const driver =
      via === "pcie"
        ? `{ kind = "qmlp-pcie", path = ${path} }`
        : `{ kind = "qmlp", path = ${path}, baud = ${baud} }`;
    const cut = keyBits === undefined ? "" : `key_bits = ${keyBits}`;
    return `[[module]]
name = "m${i}"
km = "km"
max_held_bytes = 4_194_304
max_held_blocks = 65536
${cut}
driver = ${driver}
`;
  });
  writeFileSync(
    config,
    `${options.manager ?? ""}
[node]
id = "bench"
state_dir = ${q(join(folder, "state"))}
[km.km]
host = "127.0.0.1"
port = ${port}
server_name = "km"
ca = "ca.crt"
cert = "node.crt"
key = "node.key"
window = ${window}
${tables.join("")}`,
    { mode: 0o600 },
  );
  const node = new NodeChild(program, config);
  try {
    const deadline = performance.now() + 20_000;
    while ((await ask<KmNotes>(km)).keys === 0) {
      if (performance.now() > deadline) throw new Error(`no key came:\n${node.log}`);
      await sleep(20);
    }
    await sleep(warmUp);
    const before = { ...(await ask<KmNotes>(km)), at: performance.now(), usage: node.usage() };
    await sleep(seconds * 1_000);
    const after = { ...(await ask<KmNotes>(km)), at: performance.now(), usage: node.usage() };
    const took = (after.at - before.at) / 1_000;
    const keys = after.keys - before.keys;
    const bits = keyBits ?? options.blockBytes * 8;
    const first = modules[0];
    const sent =
      (options.blocksPerSecond ?? 0) > 0 && first !== undefined
        ? (await ask<{ times: readonly number[] }>(first.child)).times
        : [];
    return {
      keysPerSecond: keys / took,
      megabits: (keys * bits) / took / 1e6,
      cores: (after.usage.cpu - before.usage.cpu) / took,
      latencies: after.times.flatMap(([number, at]) => {
        const begun = sent[number];
        return begun === undefined ? [] : [at - begun];
      }),
      usage: after.usage,
    };
  } finally {
    await node.stop();
  }
}
