import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { diskFiles } from "../../src/host/disk/files.ts";
import { lockFolder } from "../../src/host/disk/lock.ts";
import { checkState } from "../../src/node/state/state-tool.ts";
import { each } from "../whole-run.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const preload = join(root, "test/rig/loads.mjs");

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly log: string;
}

interface Bench {
  readonly folder: string;
  readonly state: string;
  /** Starts a program of the clone; `more` is of its environment. */
  start(program: string, args: readonly string[], more?: NodeJS.ProcessEnv): ChildProcess;
  ended(child: ChildProcess, onText?: (log: string) => void): Promise<Ended>;
  /** Arguments for the node. */
  readonly run: readonly string[];
  /** What systemd was told. */
  told(): string;
}

async function withBench(body: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-signals-"));
  const state = join(folder, "state");
  const config = join(folder, "node.toml");
  writeFileSync(
    config,
    `node = { id = "n", state_dir = ${JSON.stringify(state)} }
km.none = { host = "127.0.0.1", port = 9, transport = "plain" }
web.enabled = false
module = [{ name = "alice", km = "none", driver = { kind = "qmlp-socket", address = ${JSON.stringify(`unix:${join(folder, "none")}`)} } }]
`,
    { mode: 0o600 },
  );
  const told = join(folder, "told");
  writeFileSync(join(folder, "systemd-notify"), `#!/bin/sh\necho "$@" >> ${told}\n`, {
    mode: 0o755,
  });
  try {
    await body({
      folder,
      state,
      run: ["run", "--config", config],
      told: () => (existsSync(told) ? readFileSync(told, "utf8") : ""),
      start: (program, args, more = {}) =>
        spawn(process.execPath, ["--disable-sigusr1", join(root, program), ...args], {
          stdio: ["ignore", "ignore", "pipe"],
          env: {
            ...process.env,
            PATH: `${folder}${delimiter}${process.env.PATH}`,
            NOTIFY_SOCKET: join(folder, "notify"),
            ...more,
          },
        }),
      async ended(child, onText = () => {}) {
        let log = "";
        child.stderr?.setEncoding("utf8").on("data", (text: string) => {
          log += text;
          onText(log);
        });
        const [code, signal] = await once(child, "close");
        return { code, signal, log };
      },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Of the program's files as it loads them, by the signal that it sends itself at one of them. */
const atFile = (n: number, bench: Bench, signal = "SIGTERM"): NodeJS.ProcessEnv => ({
  NODE_OPTIONS: `--import=${preload}`,
  LOADS_AT: String(n),
  LOADS_SIGNAL: signal,
  LOADS_FILE: join(bench.folder, "files"),
});

const filesOf = ({ folder }: Bench) =>
  readFileSync(join(folder, "files"), "utf8").trim().split("\n");

/** That a node which was told to stop left nothing behind. */
async function orderly(t: { is: (a: unknown, b: unknown, m?: string) => void }, bench: Bench) {
  if (!existsSync(bench.state)) return;
  (await lockFolder(bench.state)).release();
  const { good, problem } = await checkState(diskFiles, bench.state);
  if (!good) t.is(problem, "there is none");
  else t.is(problem, undefined);
}

/*
 * Before its first line nothing of a program can catch a signal: the runtime itself takes some 30 ms to
 * begin, and then loads the entry and what that imports. These are two files, and nothing else.
 */
const beforeFirstLine = 2;

for (const [program, args] of each([
  ["src/bin/qkd-node.ts", ["run"]],
  ["src/bin/qkd-node.ts", ["console"]],
  ["src/bin/qkd-panel.ts", []],
  ["src/bin/qkd-km.ts", ["run"]],
] as const)) {
  test.serial(
    `${program} ${args.join(" ")}: signals are caught before anything is loaded`,
    async (t) => {
      await withBench(async (bench) => {
        const all =
          args[0] === "run"
            ? bench.run
            : args[0] === "console"
              ? [...args, "--key", "/none"]
              : ["--socket", join(bench.folder, "none")];
        const child = bench.start(program, all, atFile(beforeFirstLine + 1, bench));
        const { code, signal, log } = await bench.ended(child);
        t.is(signal, null, log);
        t.is(code, 0, log);
        t.deepEqual(
          filesOf(bench)
            .slice(0, beforeFirstLine)
            .map((url) => url.replace(/^.*\/src\//, "src/")),
          [program, "src/host/life/signals.ts"],
        );
        await orderly(t, bench);
      });
    },
  );
}

test.serial("a node that is told to stop while it loads stops in order", async (t) => {
  await withBench(async (bench) => {
    const first = bench.start("src/bin/qkd-node.ts", bench.run, atFile(0, bench));
    const whole = await bench.ended(first, (log) => {
      if (/msg="?starting/.test(log)) first.kill("SIGTERM");
    });
    t.is(whole.code, 0, whole.log);
    const total = filesOf(bench).length;
    t.true(total > 100);
    for (const part of [0.05, 0.2, 0.4, 0.6, 0.8, 1]) {
      const n = Math.max(beforeFirstLine + 1, Math.floor(total * part));
      const { code, signal, log } = await bench.ended(
        bench.start("src/bin/qkd-node.ts", bench.run, atFile(n, bench)),
      );
      t.is(signal, null, `file ${n}: ${log}`);
      t.is(code, 0, `file ${n}: ${log}`);
      await orderly(t, bench);
    }
  });
});

test.serial(
  "a node that is told to stop as soon as it says something stops in order",
  async (t) => {
    await withBench(async (bench) => {
      for (const ms of [0, 20, 50, 100, 200, 400]) {
        const child = bench.start("src/bin/qkd-node.ts", bench.run);
        const timers: NodeJS.Timeout[] = [];
        const { code, signal, log } = await bench.ended(child, () => {
          if (timers.length === 0) timers.push(setTimeout(() => child.kill("SIGTERM"), ms));
        });
        t.is(signal, null, `${ms} ms: ${log}`);
        t.is(code, 0, `${ms} ms: ${log}`);
        await orderly(t, bench);
        const told = bench.told();
        t.is(told.split("READY=1").length, told.split("STOPPING=1").length, told);
      }
    });
  },
);

test.serial("SIGHUP while a node loads ends nothing", async (t) => {
  await withBench(async (bench) => {
    const child = bench.start(
      "src/bin/qkd-node.ts",
      bench.run,
      atFile(beforeFirstLine + 1, bench, "SIGHUP"),
    );
    const { code, log } = await bench.ended(child, (text) => {
      if (/msg="?starting/.test(text)) child.kill("SIGTERM");
    });
    t.is(code, 0, log);
    t.regex(log, /stopped/);
  });
});

test.serial("a command that is no daemon ends by the signal, as ever", async (t) => {
  await withBench(async (bench) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      // The word makes it look like a daemon at first.
      const args = ["status", "--socket", "run"];
      const more = atFile(beforeFirstLine + 2, bench, signal);
      const ended = await bench.ended(bench.start("src/bin/qkd-node.ts", args, more));
      t.is(ended.signal, signal, ended.log);
    }
  });
});
