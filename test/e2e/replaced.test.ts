import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { Alarm, Kept, Links, Status } from "../../src/ops/cli/shapes.ts";
import { KeyManager, neverAnswer } from "../emulator/km/index.ts";
import { patience } from "../patience.ts";
import { qkdNode } from "../rig/cli.ts";
import { type OneNode, withNode } from "../rig/one-node.ts";

function operator({ folder }: OneNode) {
  const config = join(folder, "node.toml");
  const run = (...args: string[]) => qkdNode([...args, "--config", config]);
  const ask = async <T>(...args: string[]): Promise<T> =>
    JSON.parse((await run(...args, "--json")).out || "{}") as T;
  return {
    run,
    ask,
    change(from: string | RegExp, to: string): void {
      writeFileSync(config, readFileSync(config, "utf8").replace(from, to));
    },
    /** Asks again until it is so. */
    async until<T>(what: readonly string[], isSo: (answer: T) => boolean): Promise<T> {
      const late = patience(30_000);
      for (;;) {
        const answer = await ask<T>(...what);
        if (Object.keys(answer as object).length > 0 && isSo(answer)) return answer;
        if (late.aborted) throw new Error(`never so: ${JSON.stringify(answer).slice(0, 600)}`);
      }
    },
  };
}

const stored = (km: KeyManager) => km.store.size;

test.serial(
  "a module that was replaced is served once an operator says so, also after a restart",
  async (t) => {
    await withNode({ transport: "tls", mode: "proactive" }, async (bench) => {
      const { node, end, km } = bench;
      const { run, until } = operator(bench);
      bench.distil(3);
      await bench.until("keys at the KM", () => stored(km), { is: 3 });
      await node.stop();
      const before = end.module.identity.moduleId;
      end.module.identity = { ...end.module.identity, moduleId: "QKD-Z-0009" };
      node.start();
      const down = await until<Status>(
        ["status"],
        ({ modules }) => modules[0]?.state === "DOWN" && /another module/.test(modules[0].reason),
      );
      t.regex(down.modules[0]?.reason ?? "", new RegExp(`expected=${before}, found=QKD-Z-0009`));
      await until<{ alarms: Alarm[] }>(["alarms"], ({ alarms }) =>
        alarms.some(({ alarm }) => alarm.startsWith("module_identity")),
      );
      t.is((await run("accept-module", "alice", "QKD-Z-0009")).code, 0);
      await until<Status>(["status"], ({ modules }) => modules[0]?.state === "OPERATING");
      await node.stop();
      node.start();
      await until<Status>(["status"], ({ modules }) => modules[0]?.state === "OPERATING");
    });
  },
);

test.serial(
  "keys that may be with a KM wait when its address is another's, until an operator says which it is",
  async (t) => {
    await withNode({ transport: "tls", mode: "proactive" }, async (bench) => {
      const { node, km, ca } = bench;
      const { run, ask, until, change } = operator(bench);
      // The KM stores what it is given and never answers: its keys are in doubt.
      km.behave(neverAnswer("before answering"));
      bench.distil(3);
      await bench.until("keys at the KM", () => stored(km), { is: 3 });
      await node.stop("SIGKILL");
      const identity = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
      const other = new KeyManager({ security: { ...identity, ca: ca.cert } });
      try {
        change(
          /host = "127\.0\.0\.1"\nport = \d+\ntransport/,
          `host = "localhost"\nport = ${await other.listen()}\ntransport`,
        );
        node.start();
        const { modules } = await until<Kept>(
          ["kept"],
          ({ modules: [one] }) => one?.kept.length === 3,
        );
        t.true(modules[0]?.kept.every(({ why }) => why === "other_km"));
        t.is(stored(other), 0, "its certificate carries the same name");
        await until<{ alarms: Alarm[] }>(["alarms"], ({ alarms }) =>
          alarms.some(({ alarm }) => alarm.startsWith("key_waits_for_km")),
        );
        const links = await ask<Links>("links");
        t.is(links.modules[0]?.kms[0]?.up, true, "it is connected");
        t.is((await run("free-km", "alice", "main")).code, 0, "the one before has none of them");
        await bench.until("keys at the other KM", () => stored(other), { is: 3 });
        t.is((await run("accept-km", "main")).code, 0);
      } finally {
        await other.close();
      }
    });
  },
);
