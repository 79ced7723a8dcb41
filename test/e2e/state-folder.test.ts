import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Alarm, Status } from "../../src/ops/cli/shapes.ts";
import { patience } from "../patience.ts";
import { qkdNode } from "../rig/cli.ts";
import { NodeProcess } from "../rig/node-process.ts";

const soon = () => patience(30_000);

class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "qkd-folder-"));
  readonly state = join(this.folder, "state");
  readonly config = join(this.folder, "node.toml");
  node = new NodeProcess(this.config, join(this.folder, "log"));

  /** Nothing answers: neither modules nor KM nor broker. */
  configure(modules: readonly string[]): void {
    const address = JSON.stringify(`unix:${join(this.folder, "none")}`);
    const one = (name: string) =>
      `{ name = "${name}", km = "none", driver = { kind = "qmlp-socket", address = ${address} } }`;
    writeFileSync(
      this.config,
      `node = { id = "n", state_dir = ${JSON.stringify(this.state)} }
km.none = { host = "127.0.0.1", port = 9, transport = "plain" }
manager.url = "mqtt://127.0.0.1:9"
local.socket = ${JSON.stringify(join(this.folder, "control"))}
web.enabled = false
module = [${modules.map(one).join(", ")}]
`,
      { mode: 0o600 },
    );
  }

  /** Starts a node; resolves when it answers. */
  async start(): Promise<void> {
    this.node = new NodeProcess(this.config, join(this.folder, "log"));
    this.node.start();
    await this.node.logged(/msg="?starting/, soon());
    for (;;) {
      const { code } = await this.run("status");
      if (code === 0 || !this.node.running) return;
    }
  }

  run(...args: string[]) {
    return qkdNode([...args, "--config", this.config]);
  }

  async ask<T>(...args: string[]): Promise<T> {
    const { out, err } = await this.run(...args, "--json");
    if (out === "") throw new Error(err);
    return JSON.parse(out) as T;
  }

  async alarms(): Promise<string[]> {
    return (await this.ask<{ alarms: Alarm[] }>("alarms")).alarms.map(({ alarm }) => alarm);
  }

  /** Resolves when all of these are raised; files are looked at once a second. */
  async raised(...names: readonly string[]): Promise<void> {
    const late = soon();
    for (;;) {
      const alarms = await this.alarms();
      if (names.every((name) => alarms.includes(name))) return;
      if (late.aborted) throw new Error(`raised are ${alarms.join(", ")}, not ${names.join(", ")}`);
    }
  }
}

async function withBench(body: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = new Bench();
  try {
    await body(bench);
  } finally {
    await bench.node.stop("SIGKILL");
    rmSync(bench.folder, { recursive: true });
  }
}

async function stop(t: ExecutionContext, bench: Bench): Promise<void> {
  t.is(await bench.node.stop(), 0);
}

test.serial(
  "modules that are renamed, exchanged and taken out, as an operator sees it",
  async (t) => {
    await withBench(async (bench) => {
      bench.configure(["alice"]);
      await bench.start();
      await stop(t, bench);

      bench.configure(["alice-1"]);
      await bench.start();
      t.true(bench.node.lines.some((line) => /ledger adopted.*from=alice to=alice-1/.test(line)));
      const { events } = await bench.ask<{ events: { type: string; module?: string }[] }>("events");
      t.true(events.some(({ type, module }) => type === "ledger_adopted" && module === "alice-1"));
      t.false((await bench.alarms()).some((alarm) => alarm.startsWith("ledger_orphaned")));
      await stop(t, bench);

      bench.configure(["bob", "carol"]);
      await bench.start();
      const { modules } = await bench.ask<Status>("status");
      for (const { state, reason } of modules) {
        t.is(state, "OUT");
        t.regex(reason, /qkd-node ledger adopt OLD NEW.*ledgers=alice-1/);
      }
      await bench.raised("ledger_orphaned.alice-1", "state_damaged.ledger.bob");
      t.regex((await bench.run("doctor")).out, /of no module that is configured: alice-1/);
      t.is((await bench.run("ledger", "adopt", "alice-1", "bob")).code, 74, "it runs");
      await stop(t, bench);

      t.regex((await bench.run("ledger", "check")).out, /ledger-alice-1: belongs to no module/);
      t.is((await bench.run("ledger", "adopt", "alice-1")).code, 64);
      t.is((await bench.run("ledger", "adopt", "alice-1", "bob")).code, 0);
      await bench.start();
      t.deepEqual(
        (await bench.ask<Status>("status")).modules.map(({ state }) => state === "OUT"),
        [false, false],
      );
      t.true(bench.node.lines.some((line) => /ledger adopted.*by=operator/.test(line)));
      t.false((await bench.alarms()).some((alarm) => alarm.startsWith("ledger_orphaned")));
      await stop(t, bench);

      bench.configure(["carol"]);
      await bench.start();
      await bench.raised("ledger_orphaned.bob");
      await stop(t, bench);
      t.regex((await bench.run("ledger", "retire", "bob")).out, /kept as .*ledger-bob\.retired\.1/);
      t.is((await bench.run("ledger", "retire", "carol")).code, 74, "it is configured");
      t.deepEqual(
        readdirSync(bench.state)
          .filter((name) => name.startsWith("ledger-"))
          .sort(),
        ["ledger-bob.retired.1", "ledger-carol"],
      );
      await bench.start();
      t.false((await bench.alarms()).includes("ledger_orphaned.bob"));
      await stop(t, bench);
    });
  },
);

test.serial(
  "a spool without a module, and a ledger that is removed, as an operator sees it",
  async (t) => {
    await withBench(async (bench) => {
      const ledger = join(bench.state, "ledger-alice");
      const spool = join(bench.state, "spool-alice");
      bench.configure(["alice"]);
      await bench.start();
      await stop(t, bench);
      mkdirSync(spool, { mode: 0o700 });
      writeFileSync(join(spool, "000000000001-00112233aabbccdd-1"), "");
      await bench.start();
      await bench.raised("spool_left.alice");
      t.regex((await bench.run("doctor")).out, /keys wait in spools that no module has: alice/);

      rmSync(ledger);
      await bench.raised("state_damaged.ledger.alice");
      await bench.node.logged(/ledger: written again/, soon());
      t.true(existsSync(ledger));
      await stop(t, bench);
      t.regex((await bench.run("doctor")).out, /keys wait in spools that no module has: alice/);

      rmSync(spool, { recursive: true });
      await bench.start();
      t.false((await bench.alarms()).includes("spool_left.alice"));
      await stop(t, bench);
    });
  },
);

test.serial(
  "a damaged generation and a lost outbox are alarms; what was latched stays",
  async (t) => {
    await withBench(async (bench) => {
      bench.configure(["alice"]);
      await bench.start();
      await stop(t, bench);
      const number = (file: string) => Number(readFileSync(file, "utf8").split(" ")[1]);
      const files = [0, 1].map((which) => join(bench.state, `state.${which}`));
      const [newest] = files.sort((a, b) => number(b) - number(a)) as [string];
      const { boot } = JSON.parse(readFileSync(newest, "utf8").split("\n")[1] as string);
      const bytes = readFileSync(newest);
      bytes[bytes.length - 5] = (bytes.at(-5) as number) ^ 1;
      writeFileSync(newest, bytes);
      rmSync(join(bench.state, "outbox"));
      t.regex((await bench.run("doctor")).out, /state\.\d was damaged/);
      t.is((await bench.run("state", "check")).code, 74);

      for (const _ of ["the start that finds it", "and the next"]) {
        await bench.start();
        t.true((await bench.ask<Status>("status")).boot > boot);
        await bench.raised("state_damaged.state", "state_damaged.outbox");
        await stop(t, bench);
      }
      await bench.start();
      t.is((await bench.run("alarms", "--ack", "state_damaged.state")).code, 0);
      await stop(t, bench);
      t.is((await bench.run("state", "check")).code, 0);
      await bench.start();
      t.false((await bench.run("doctor")).out.includes("was damaged"));
      await stop(t, bench);
    });
  },
);
