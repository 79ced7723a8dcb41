/** `npm start` that is told to stop while it starts: nothing runs on, and nothing is left. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { Pty } from "../emulator/pty.ts";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";

const demo = fileURLToPath(new URL("../../scripts/demo/main.ts", import.meta.url));

interface RunningProcess {
  readonly pid: number;
  readonly group: number;
  /** How it was started. */
  readonly line: string;
}

/** All that there are, zombies left out. */
function processes(): RunningProcess[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1) ?? "";
      const [state, , group] = stat.split(" ");
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return state === "Z" ? [] : [{ pid: Number(pid), group: Number(group), line }];
    } catch {
      // It has ended since.
      return [];
    }
  });
}

/** Those that were started with this folder in their command line. */
function runningIn(folder: string): string[] {
  return processes().flatMap(({ line }) => (line.includes(folder) ? [line] : []));
}

function groupOf(wanted: number): RunningProcess[] {
  return processes().filter(({ group }) => group === wanted);
}

/** What the folder of the run has when it is so far. */
const moments = {
  "when it has a folder": () => true,
  "when key managers start": (files: readonly string[]) => files.some((one) => /\.log$/.test(one)),
  "when nodes start": (files: readonly string[]) => files.some((one) => /\.log\.txt$/.test(one)),
} as const;

type Moment = keyof typeof moments;

async function reached(temporary: string, moment: Moment): Promise<void> {
  await eventually(
    moment,
    () => {
      const [folder] = readdirSync(temporary);
      if (folder === undefined) return false;
      return moments[moment](readdirSync(join(temporary, folder), { recursive: true }).map(String));
    },
    { pauseMs: 10 },
  );
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
}

function nothingLeft(t: ExecutionContext, temporary: string): void {
  t.deepEqual(readdirSync(temporary), []);
  t.deepEqual(runningIn(temporary), []);
}

/** @param group as from a terminal: the signal goes to the daemons too */
async function interrupted(
  t: ExecutionContext,
  args: readonly string[],
  moment: Moment,
  signal: NodeJS.Signals,
  group: boolean,
): Promise<Ended> {
  const temporary = mkdtempSync(join(tmpdir(), "qkd-demo-test-"));
  t.teardown(() => rmSync(temporary, { recursive: true, force: true }));
  const child = spawn(process.execPath, [demo, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TMPDIR: temporary },
    detached: true,
  });
  const ended = once(child, "close");
  t.teardown(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  await reached(temporary, moment);
  process.kill(group ? -(child.pid as number) : (child.pid as number), signal);
  const [code, by] = await ended;
  nothingLeft(t, temporary);
  return { code, signal: by, said };
}

const inOrder = { code: 0, signal: null };

test.serial("Ctrl-C while key managers start ends it in order", async (t) => {
  const ended = await interrupted(t, [], "when key managers start", "SIGINT", true);
  t.like(ended, inOrder, ended.said);
  t.notRegex(ended.said, /Error|npm start:/);
});

for (const args of [[], ["--link"], ["--network", "secoqc"]]) {
  for (const moment of Object.keys(moments) as Moment[]) {
    // Of a network there are key managers alone.
    if (args[0] === "--network" && moment === "when nodes start") continue;
    testWhole.serial(`told to stop ${moment}: npm start ${args.join(" ")}`, async (t) => {
      for (const [signal, group] of [
        ["SIGINT", true],
        ["SIGTERM", false],
        ["SIGHUP", true],
      ] as const) {
        const ended = await interrupted(t, args, moment, signal, group);
        t.like(ended, inOrder, `${signal}: ${ended.said}`);
        t.notRegex(ended.said, /Error/);
      }
    });
  }
}

testWhole.serial("a run with an end of its own that did not reach it has failed", async (t) => {
  const args = ["--keys", "20"];
  const ended = await interrupted(t, args, "when key managers start", "SIGINT", true);
  t.like(ended, { code: 1, signal: null }, ended.said);
});

for (const [who, pattern] of [
  ["npm start", /npm start/],
  ["the show itself", /scripts\/demo\/main\.ts/],
] as const) {
  testWhole.serial(`${who} that is killed leaves nothing behind`, async (t) => {
    const temporary = mkdtempSync(join(tmpdir(), "qkd-demo-test-"));
    t.teardown(() => rmSync(temporary, { recursive: true, force: true }));
    const child = spawn("npm", ["start", "--silent"], {
      stdio: "ignore",
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      env: { ...process.env, TMPDIR: temporary },
      detached: true,
    });
    t.teardown(() => child.kill("SIGKILL"));
    await reached(temporary, "when nodes start");
    const found = groupOf(child.pid as number).filter(({ line }) => pattern.test(line));
    t.true(found.length > 0);
    for (const { pid } of found) process.kill(pid, "SIGKILL");
    await eventually("all ends", () => {
      return readdirSync(temporary).length === 0 && runningIn(temporary).length === 0;
    });
    await eventually("npm ends", () => groupOf(child.pid as number).length === 0);
    t.pass();
  });
}

/** On a terminal that is closed under it, with a picture on it or before. */
async function hungUp(t: ExecutionContext, isUp: (screen: string) => boolean): Promise<void> {
  const temporary = mkdtempSync(join(tmpdir(), "qkd-demo-test-"));
  t.teardown(() => rmSync(temporary, { recursive: true, force: true }));
  let screen = "";
  const pty = new Pty((chunk) => {
    screen += chunk.toString("utf8");
  });
  const terminal = openSync(pty.path, "r+");
  // util-linux's setsid makes it the terminal's own, so that the kernel tells when it is closed.
  const child = spawn("setsid", ["--ctty", "--wait", process.execPath, demo], {
    stdio: [terminal, terminal, terminal],
    env: { ...process.env, TMPDIR: temporary },
  });
  closeSync(terminal);
  const ended = once(child, "close");
  t.teardown(() => child.kill("SIGKILL"));
  await reached(temporary, "when key managers start");
  await eventually("the screen", () => isUp(screen));
  pty.close();
  t.deepEqual(await ended, [0, null]);
  nothingLeft(t, temporary);
}

testWhole.serial("a terminal that is closed while it starts leaves nothing behind", (t) =>
  hungUp(t, () => true),
);

testWhole.serial("a terminal that is closed with the picture on it leaves nothing behind", (t) =>
  hungUp(t, (screen) => screen.includes("differing 0")),
);
