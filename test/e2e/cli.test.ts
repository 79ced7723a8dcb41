import { spawn } from "node:child_process";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { commands } from "../../src/cli/commands.ts";
import { schemas } from "../../src/cli/schema.ts";
import { problemsOf, program, qkdNode, type Said, tooWide } from "../rig/cli.ts";
import { withNode } from "../rig/one-node.ts";

const link = { transport: "tls", mode: "proactive" } as const;

/** Commands that only look, and what must be in what they print. */
const views: readonly (readonly [readonly string[], RegExp])[] = [
  [
    ["status"],
    /warn +alice +Keys flow; but a certificate expires soon[\s\S]*alice +OPERATING +ACTIVE +UP.* 5 +0\n/,
  ],
  [["keys"], /confirmed by the KM +5 keys, 5 120 bit/],
  [["keys", "alice"], /in the module/],
  [["kept"], /nothing is kept back/],
  [["telemetry"], /^alice/],
  [["alarms"], /no alarm is raised|certificate_expiring/],
  [["alarms", "--history"], /no alarm since|raised/],
  [["events", "-n", "10"], /module_up/],
  [["links"], /module +up[\s\S]*QMLP 1[\s\S]*KM main +up/],
  [["certs"], /CN=modes CA[\s\S]*belongs to it/],
  [["config", "show"], /\[km\.main\][\s\S]*transport = "tls"/],
  [["config", "check"], /: good \(node node; alice → main\)/],
  [["config", "diff"], /says what the node runs with/],
  [["logs", "-n", "20"], /msg="module up"/],
];

test.serial("every view tells the truth in 80 columns, and in JSON by its schema", async (t) => {
  await withNode(link, async ({ folder, node, km, distil, until }) => {
    distil(5);
    await until(() => km.store.size === 5);
    const where = ["--config", join(folder, "node.toml")];
    for (const [args, expected] of views) {
      const [shown, json] = await Promise.all([
        qkdNode([...args, ...where], { FORCE_COLOR: "1" }),
        qkdNode([...args, ...where, "--json"]),
      ]);
      const name = args.join(" ");
      // Certificates of this bench last for a day, which is no reason to fail.
      t.is(shown.code, 0, `${name}: ${shown.err}`);
      t.regex(shown.out, expected, name);
      t.is(shown.err, "", name);
      // A log line is as long as it is, and so is a path.
      const paths = shown.out.replaceAll(folder, "F");
      if (args[0] !== "logs") t.deepEqual(tooWide(paths), [], name);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: no colour outside of a terminal
      t.notRegex(shown.out, /\u001b/, name);
      t.is(json.code, 0, name);
      t.deepEqual(problemsOf(args[0] as string, json.out), [], name);
    }
    const json = JSON.parse((await qkdNode(["status", ...where, "--json"])).out);
    t.is(json.pid, node.pid);
    t.like(json.modules[0], { name: "alice", module_id: "QKD-A-0001", km: "UP", kms: "main" });
    t.like(json.modules[0].keys, { supplied: 5, confirmed: 5, bits: 5_120 });

    appendFileSync(join(folder, "node.toml"), '# a comment\n[log]\nlevel = "debug"\n');
    const diff = await qkdNode(["config", "diff", ...where]);
    t.regex(diff.out, /a restart takes it:\n\+ log\.level = "debug"\n$/);

    // Over the socket alone, and who may do what by the modes of the two.
    const socket = join(folder, "state", "control");
    t.is((await qkdNode(["status", "--socket", socket])).code, 0);
    t.is((await qkdNode(["status"], { QKD_NODE_SOCKET: socket })).code, 0);
    t.is(statSync(socket).mode & 0o777, 0o600);
    t.is(statSync(`${socket}.read`).mode & 0o777, 0o660);

    const slip = await qkdNode(["keys", "alcie", ...where]);
    t.is(slip.code, 64);
    t.regex(
      slip.err,
      /no such module \(there are: alice\); did you mean alice\?\nTry: .* keys --help/,
    );
    for (const [what, names] of [
      ["modules", "alice\n"],
      ["kms", "main\n"],
    ] as const) {
      t.is((await qkdNode(["completion", what, ...where])).out, names);
    }
    const grep = await qkdNode([
      "logs",
      ...where,
      "--since",
      "1h",
      "--grep",
      "MODULE UP|module up",
    ]);
    t.regex(grep.out, /^ts=\S+ level=info [^\n]*msg="module up"[^\n]*\n$/);
    t.is((await qkdNode(["logs", ...where, "--since", "0s"])).out, "");
    t.is((await qkdNode(["logs", ...where, "--since", "never"])).code, 64);
    t.is((await qkdNode(["logs", ...where, "--grep", "("])).code, 64);
    const zoned = await qkdNode(["events", ...where], { TZ: "Asia/Kolkata" });
    t.regex(zoned.out, /^TIME \(UTC\+05:30\) +MODULE/);
    t.is(zoned.out.match(/\+05:30/g)?.length, 1);
    const bad = join(folder, "bad.toml");
    writeFileSync(bad, "[node]\n");
    const checked = await qkdNode(["config", "check", "--config", bad, "--json"]);
    t.is(checked.code, 78);
    t.deepEqual(problemsOf("config", checked.out), []);
    t.false(JSON.parse(checked.out).good);
    await node.stop("SIGKILL");
    const silent = await qkdNode(["completion", "modules", ...where]);
    t.deepEqual(silent, { code: 0, out: "", err: "" });
    const gone = await qkdNode(["status", ...where]);
    t.is(gone.code, 69);
    t.regex(gone.err, /^qkd-node: the node is not running: nobody answers on .*control\n$/);
    // No unit of this name ever logged here, if there is a journal at all.
    const logs = await qkdNode(["logs", "--unit", "qkd-node-of-a-test", ...where]);
    t.is(logs.code, 69);
    t.regex(logs.err, /the journal has nothing of the unit|there is no journalctl here/);
    for (const args of [["certs"], ["config", "show"]]) {
      const offline = await qkdNode([...args, ...where, "--json"]);
      t.is(offline.code, 0, offline.err);
      t.deepEqual(problemsOf(args[0] as string, offline.out), []);
    }
    // The socket that the killed process left is in nobody's way.
    node.start();
    let status = await qkdNode(["status", ...where]);
    while (status.code === 69) status = await qkdNode(["status", ...where]);
    t.regex(status.out, /boot 2/);
  });
});

test.serial("actions reach the module, and the audit says who gave them", async (t) => {
  await withNode(link, async ({ folder, end, node, until }) => {
    const where = ["--config", join(folder, "node.toml")];
    await until(() => node.lines.some((line) => line.includes("KM connected")));
    const stop = await qkdNode(["stop", ...where, "--json"]);
    t.is(stop.code, 0, stop.err);
    t.deepEqual(problemsOf("stop", stop.out), []);
    t.like(JSON.parse(stop.out), {
      command: "stop",
      status: "done",
      by: `local uid ${process.getuid?.()}`,
    });
    t.false(end.module.running);
    t.is((await qkdNode(["start", "alice", ...where])).out, "start alice: done\n");
    t.true(end.module.running);
    t.is((await qkdNode(["self-test", "alice", ...where])).code, 0);

    const unasked = await qkdNode(["zeroize", "alice", ...where]);
    t.is(unasked.code, 64);
    t.regex(unasked.err, /in a script: --yes node\n/);
    t.is((await qkdNode(["zeroize", "alice", "--yes", "another", ...where])).code, 64);
    const done = await qkdNode(["zeroize", "alice", "--yes", "node", ...where]);
    t.is(done.out, "zeroize alice: done\n");
    const alarms = await qkdNode(["alarms", ...where, "--json"]);
    t.deepEqual(problemsOf("alarms", alarms.out), []);
    t.regex(alarms.out, /"alarm":"zeroized.alice"/);
    for (const slip of ["zeroised.alice", "zeroized"]) {
      const near = await qkdNode(["alarms", "--ack", slip, ...where]);
      t.is(near.code, 1);
      t.regex(near.out, /there is no such alarm; did you mean zeroized\.alice\?/);
    }
    t.is(
      (await qkdNode(["completion", "alarms", ...where])).out.includes("zeroized.alice\n"),
      true,
    );
    const ack = await qkdNode(["alarms", "--ack", "zeroized.alice", ...where, "--json"]);
    t.is(ack.code, 0, ack.err);
    t.deepEqual(problemsOf("alarms", ack.out), []);
    const again = await qkdNode(["alarms", "--ack", "zeroized.alice", ...where]);
    t.is(again.code, 1);
    const history = await qkdNode(["alarms", "--history", ...where]);
    t.regex(history.out, /zeroized\.alice +cleared: local uid \d+/);
    const events = await qkdNode(["events", ...where, "--json"]);
    const commandEvents = JSON.parse(events.out).events.filter(
      (event: { type: string }) => event.type === "command",
    );
    t.deepEqual(
      commandEvents.map(({ facts }: { facts: { command: string } }) => facts.command),
      [
        "stop",
        "start",
        "self_test",
        "zeroize",
        ...Array.from({ length: 4 }, () => "acknowledge_alarm"),
      ],
    );
    t.is(commandEvents[3].facts.by, `local uid ${process.getuid?.()}`);
    // The socket that answers does not act.
    const readOnly = join(folder, "state", "control.read");
    const refused = await qkdNode(["stop", "--socket", readOnly]);
    t.is(refused.code, 77);
    t.regex(refused.err, /only answers/);
  });
});

test.serial("what is followed comes as it happens, and ends when nobody reads it", async (t) => {
  await withNode(link, async ({ folder, end, node, until }) => {
    const where = ["--config", join(folder, "node.toml")];
    await until(() => node.lines.some((line) => line.includes("KM connected")));
    const children = ["telemetry --watch --interval 200", "events --follow", "logs --follow"].map(
      (line) => {
        const child = spawn(program, [...line.split(" "), ...where, "--json"], {
          stdio: ["ignore", "pipe", "ignore"],
        });
        const lines: string[] = [];
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          lines.push(...text.split("\n").filter((one) => one !== ""));
        });
        const closed = new Promise((resolve) => child.once("close", resolve));
        return { name: line.split(" ")[0] as string, child, lines, closed };
      },
    );
    const [telemetry, events, logs] = children;
    await until(() => children.every(({ lines }) => lines.length > 0));
    await until(() => (telemetry?.lines.length ?? 0) >= 3);
    end.unplug();
    await until(() => events?.lines.join("").includes("module_down") === true);
    await until(() => logs?.lines.join("").includes("module alice") === true);
    for (const { name, lines } of children) {
      for (const line of lines) t.deepEqual(problemsOf(name, line), []);
    }
    await node.stop();
    // The node took its leave: whoever followed it is told so by the exit code.
    t.deepEqual(await Promise.all(children.map(({ closed }) => closed)), [69, 69, 69]);
  });
});

test("a wrong command line is told in two lines, with exit code 64", async (t) => {
  const wrong = [
    [],
    ["nonsense"],
    ["status", "too", "many"],
    ["status", "--watch"],
    ["events", "-n", "many"],
    ["config", "burn"],
    ["completion", "tcsh"],
    ["probe"],
    ["schema", "nonsense"],
    ["run", "file"],
  ];
  for (const args of wrong) {
    const said = await qkdNode(args);
    t.is(said.code, 64, args.join(" "));
    t.is(said.out, "");
    const known = commands.some(({ name }) => name === args[0]);
    const help = known ? `qkd-node ${args[0]} --help` : "qkd-node --help";
    t.regex(said.err, /^qkd-node: .*\n.*\n$/);
    t.is(said.err.split("\n")[1], `Try: ${help}`);
    t.deepEqual(tooWide(said.err), []);
  }
});

test("what was probably meant is said", async (t) => {
  for (const [args, says] of [
    [["stauts"], "no such command: stauts; did you mean status?"],
    [["help", "evnets"], "no such command: evnets; did you mean events?"],
    [["alarms", "--hstory"], "Unknown option '--hstory'; did you mean --history?"],
    [["events", "--folow"], "Unknown option '--folow'; did you mean --follow?"],
    [["config", "shwo"], "config show|check|diff; did you mean show?"],
    [["schema", "telemtry"], "; did you mean telemetry?"],
  ] as const) {
    const { code, err } = await qkdNode(args);
    t.is(code, 64);
    t.true(err.split("\n")[0]?.endsWith(says), err);
  }
});

test("output that cannot be written is told, with exit code 74; a reader that goes is no error", async (t) => {
  const shell = (line: string, cwd = "/") =>
    new Promise<Said>((resolve) => {
      const child = spawn("sh", ["-c", line], { stdio: ["ignore", "pipe", "pipe"], cwd });
      let [out, err] = ["", ""];
      child.stdout.on("data", (text: Buffer) => {
        out += text;
      });
      child.stderr.on("data", (text: Buffer) => {
        err += text;
      });
      child.once("close", (code) => resolve({ code, out, err }));
    });
  for (const line of ["schema status", "--help", "completion bash", "--version"]) {
    const { code, err } = await shell(`${program} ${line} > /dev/full`);
    t.is(code, 74, line);
    t.is(err, "qkd-node: the output cannot be written: no space left (ENOSPC)\n");
  }
  t.is((await shell(`${program} nonsense 2> /dev/full`)).code, 64);
  const gone = await shell(`{ ${program} schema; echo $? >&2; } | true`);
  t.is(gone.err, "0\n");

  const folder = mkdtempSync(join(tmpdir(), "qkd-gone-"));
  const without = await shell(`rmdir ${folder}; exec ${program} support-bundle`, folder);
  t.is(without.code, 74);
  const lines = without.err.split("\n").filter((one) => one.startsWith("qkd-node"));
  t.is(lines.length, 1);
  t.regex(lines[0] ?? "", /the current folder is gone: name files by their whole path/);
  t.notRegex(without.err, /\n\s+at /);
});

test("an error of its own is one line without what the program had in hand, and exit code 70", async (t) => {
  const spoilt = "data:text/javascript,JSON.stringify=()=>{throw new TypeError('hunter2')}";
  const { code, out, err } = await qkdNode(["schema", "status"], {
    NODE_OPTIONS: `--import=${spoilt.replaceAll(" ", "%20")}`,
  });
  t.is(code, 70);
  t.is(out, "");
  t.regex(
    err,
    /^qkd-node: internal error: TypeError at src\/cli\/print-schema\.ts:\d+; please report it\n$/,
  );
});

test("a terminal is given the letters that its locale has, and a program what it asked for", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-locale-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "node.toml");
  const state = JSON.stringify(join(folder, "state"));
  writeFileSync(
    file,
    `node = { id = "n", state_dir = ${state} }\nweb.enabled = false
km.main = { host = "127.0.0.1", port = 1, transport = "plain" }
[[module]]\nname = "a"\nkm = "main"
driver = { kind = "qmlp-socket", address = "unix:${folder}/none" }\n`,
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is not ASCII is looked for
  const beyond = /[^\x00-\x7f]/;
  for (const args of [["doctor", "--config", file], ["check-config", file], ["--help"]]) {
    const plain = await qkdNode(args, { LC_ALL: "C" });
    t.notRegex(plain.out + plain.err, beyond);
    t.deepEqual(tooWide(plain.out.replaceAll(folder, "F")), []);
  }
  t.regex((await qkdNode(["check-config", file], { LC_ALL: "C" })).out, /a -> main/);
  t.regex((await qkdNode(["check-config", file], { LC_ALL: "C.UTF-8" })).out, /a → main/);
  t.regex((await qkdNode(["check-config", file], { LC_ALL: "", LC_CTYPE: "", LANG: "" })).out, /→/);
});

test("help is there for every command, in 80 columns, with examples", async (t) => {
  const general = await qkdNode(["--help"]);
  t.is(general.code, 0);
  t.deepEqual(tooWide(general.out), []);
  const { commandHelp } = await import("../../src/cli/help.ts");
  for (const command of commands) {
    t.regex(general.out, new RegExp(`^  ${command.name} `, "m"));
    const help = commandHelp(command);
    t.deepEqual(tooWide(help), [], command.name);
    t.true(command.examples.length > 0);
    t.is(
      command.json,
      Object.hasOwn(schemas, command.name),
      `${command.name}: a schema for --json`,
    );
  }
  t.is(
    (await qkdNode(["alarms", "--help"])).out,
    commandHelp(commands.find(({ name }) => name === "alarms") as never),
  );
});

test("the shell completes commands, words and options", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-completion-"));
  const script = (await qkdNode(["completion", "bash"])).out;
  const file = join(folder, "qkd-node.bash");
  writeFileSync(file, script);
  const complete = (...words: string[]) =>
    new Promise<string>((resolve) => {
      const code = `source ${file}; COMP_WORDS=(qkd-node "$@"); COMP_CWORD=$#; _qkd_node; echo "\${COMPREPLY[*]}"`;
      const child = spawn("bash", ["-c", code, "bash", ...words], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let out = "";
      child.stdout.on("data", (text: Buffer) => {
        out += text;
      });
      child.once("close", () => resolve(out.trim()));
    });
  t.is(await complete("stat"), "status state");
  t.is(await complete("config", "s"), "show");
  t.is(await complete("alarms", "--h"), "--history --help");
  t.is(await complete("certs", "--config", `${folder}/q`), file);
  for (const shell of ["zsh", "fish"]) {
    const { out, code } = await qkdNode(["completion", shell]);
    t.is(code, 0);
    for (const { name } of commands) t.true(out.includes(name), `${shell}: ${name}`);
  }
  rmSync(folder, { recursive: true });
});

interface Shape {
  readonly type?: string | readonly string[];
  readonly oneOf?: readonly Shape[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
}

/** What a schema looks like at a glance: names, `?` where one may be absent. */
function shape(schema: Shape): string {
  const { type, oneOf, items, properties, required = [] } = schema;
  if (oneOf !== undefined) return oneOf.map(shape).join(" or ");
  if (items !== undefined) return `[${shape(items)}]`;
  if (properties === undefined) return type === "object" ? "{…}" : [type].flat().join("/");
  const members = Object.entries(properties).map(([name, member]) => {
    const inner = member.properties ?? member.items?.properties;
    const called = required.includes(name) ? name : `${name}?`;
    return inner === undefined ? called : `${called}: ${shape(member)}`;
  });
  return `{${members.join(", ")}}`;
}

test("documentation names every command, and every exit code", (t) => {
  const readme = readFileSync(new URL("../../src/cli/README.md", import.meta.url), "utf8");
  for (const { name } of commands) t.true(readme.includes(`\`${name}`), name);
  for (const [name, schema] of Object.entries(schemas)) {
    t.true(readme.includes(`\n- \`${name}\`: \`${shape(schema)}\`\n`), `${name}: ${shape(schema)}`);
  }
  for (const code of [0, 1, 64, 69, 70, 73, 74, 75, 76, 77, 78]) {
    t.regex(readme, new RegExp(`^\\| ${code} \\|`, "m"));
  }
});

test("ledgers are looked at without keys, which systemd gives only while the node runs", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-cli-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "node.toml");
  const address = JSON.stringify(`unix:${join(folder, "none")}`);
  writeFileSync(
    file,
    `node = { id = "n", state_dir = ${JSON.stringify(folder)} }
km.main = { host = "km.example", port = 9443, ca = "ca.crt", cert = "node.crt", key = "/run/credentials/none/node.key" }
module = [{ name = "alice", km = "main", driver = { kind = "qmlp-socket", address = ${address} } }]
`,
  );
  const { code, err, out } = await qkdNode(["ledger", "check", "--config", file]);
  // 74: there is none yet. That is another thing than a configuration that cannot be used.
  t.is(code, 74, err);
  t.regex(out, /ledger-alice: missing/);
});
