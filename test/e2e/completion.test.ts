/** Completion scripts in the shells that they are for, with names from a node's socket. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { commands } from "../../src/node/cli/commands.ts";
import { LocalServer } from "../../src/ops/local/server.ts";
import { testWith } from "../needs.ts";
import { program, qkdNode } from "../rig/cli.ts";

/** A module, two KMs and an alarm, as far as completion asks for them. */
const answers: Readonly<Record<string, object>> = {
  links: { modules: [{ module: "alice", kms: [{ name: "main" }, { name: "reserve" }] }] },
  alarms: { alarms: [{ alarm: "no_key.alice" }] },
};

interface Bench {
  /** The script, as `qkd-node completion SHELL` prints it. */
  readonly script: string;
  /** Runs the shell; its home is empty. @returns what it printed, on standard error too */
  readonly run: (args: readonly string[]) => Promise<string>;
}

async function bench(t: ExecutionContext, shell: string, path: string): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-completion-"));
  symlinkSync(program, join(folder, "qkd-node"));
  const socket = join(folder, "control");
  const server = new LocalServer({
    ...{ path: socket, act: "owner", read: "group", clock: systemClock, log: silentLog },
    answer: async ({ do: name }) => ({ data: answers[name] }),
  });
  await server.listen();
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const script = join(folder, `script.${shell}`);
  const { code, out } = await qkdNode(["completion", shell]);
  t.is(code, 0);
  writeFileSync(script, out);
  const env = {
    PATH: [folder, process.env.PATH ?? ""].join(delimiter),
    ...{ HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, TERM: "xterm" },
    ...{ QKD_NODE_SOCKET: socket, LC_ALL: "C.UTF-8" },
  };
  return {
    script,
    run: async (args) => {
      const { stdout, stderr } = await promisify(execFile)(path, args, { env, timeout: 30_000 });
      return stdout + stderr;
    },
  };
}

testWith("fish", "fish completes commands, options and the node's names", async (t, path) => {
  const { script, run } = await bench(t, "fish", path);
  const complete = async (line: string) => {
    const out = await run(["--private", "-c", `source ${script}; complete -C '${line}'`]);
    return out.split("\n").flatMap((one) => (one === "" ? [] : [one.split("\t")[0] as string]));
  };
  t.is(await run(["-c", `source ${script}`]), "");
  t.deepEqual((await complete("qkd-node ")).sort(), commands.map(({ name }) => name).sort());
  t.deepEqual(await complete("qkd-node alar"), ["alarms"]);
  t.deepEqual(await complete("qkd-node config s"), ["show"]);
  t.deepEqual(await complete("qkd-node alarms --his"), ["--history"]);
  t.deepEqual(await complete("qkd-node keys a"), ["alice"]);
  t.deepEqual(await complete("qkd-node accept-km m"), ["main"]);
  t.deepEqual(await complete("qkd-node alarms --ack n"), ["no_key.alice"]);
});

testWith("zsh", "zsh completes commands, options and the node's names", async (t, path) => {
  const { script, run } = await bench(t, "zsh", path);
  t.is(await run(["-f", "-c", `autoload -U compinit; compinit -D -u; source ${script}`]), "");
  // A shell in a terminal of its own: a line is typed, completed, and then told as it stands there.
  const start = `autoload -U compinit; compinit -D -u`;
  const typed = async (line: string, wanted: string, setup = `${start}; source ${script}`) => {
    const code = `
      zmodload zsh/zpty
      zpty shell ${path} -f -i
      zpty -w shell "PS1=; ${setup}"
      zpty -w shell 'tell() { print -r -- "<$BUFFER>" }; zle -N tell; bindkey ^X tell; echo is""ready'
      zpty -r shell seen '*isready*'
      zpty -w -n shell '${line}'$'\\t\\x18'
      zpty -r shell seen '*<*>*'
      print -r -- "$seen"
      zpty -d shell`;
    const [, told] = /<(.*)>/.exec(await run(["-f", "-c", code])) ?? [];
    t.is(told, wanted);
  };
  await typed("qkd-node alar", "qkd-node alarms ");
  await typed("qkd-node config sh", "qkd-node config show ");
  await typed("qkd-node alarms --his", "qkd-node alarms --history ");
  await typed("qkd-node keys a", "qkd-node keys alice ");
  await typed("qkd-node accept-km m", "qkd-node accept-km main ");
  await typed("qkd-node free-km alice r", "qkd-node free-km alice reserve ");
  await typed("qkd-node alarms --ack n", "qkd-node alarms --ack no_key.alice ");
  // Installed: a file by this name in a folder of fpath is loaded when it is wanted.
  const folder = dirname(script);
  symlinkSync(script, join(folder, "_qkd-node"));
  const installed = `fpath=(${folder} \\$fpath); ${start}`;
  await typed("qkd-node keys a", "qkd-node keys alice ", installed);
});
