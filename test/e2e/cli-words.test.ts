import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { commands } from "../../src/node/cli/commands.ts";
import { schemas } from "../../src/node/cli/schema.ts";
import { problemsOf, program, qkdNode, type Said, tooWide } from "../rig/cli.ts";
import { programPath } from "../rig/programs.ts";

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
    [["release"], "expected release MODULE NAME|--all"],
    [["withhold", "alice"], "expected withhold MODULE NAME"],
    [["discard", "alice", "one", "--all"], "expected discard MODULE NAME|--all"],
    [
      ["release", "alice", "--all", "--epoch", "zz"],
      "expected 16 hex digits, as in EPOCH/NUMBER of `kept`",
    ],
  ] as const) {
    const { code, err } = await qkdNode(args);
    t.is(code, 64);
    t.true(err.split("\n")[0]?.endsWith(says), err);
  }
});

test("an option without its value is told as such, and an option of another command as none of this one", async (t) => {
  for (const [args, says] of [
    [["release", "alice", "--all", "--yes", "--config", "file"], "release has no option --yes"],
    [["zeroize", "alice", "--yes", "--json"], "--yes needs a value: --yes NODE_ID"],
    [["zeroize", "alice", "--yes"], "--yes needs a value: --yes NODE_ID"],
    [["events", "-n", "--follow"], "-n needs a value: -n N"],
    // A variable of the shell that is not set.
    [["status", "--config", ""], "--config needs a value: --config FILE"],
    [["run", "--config="], "--config needs a value: --config FILE"],
  ] as const) {
    const { code, err } = await qkdNode(args);
    t.is(code, 64);
    t.is(err.split("\n")[0], `qkd-node: ${says}`);
  }
  const km = await qkdNode(["alarms", "--ack", "--json"], {}, programPath("qkd-km"));
  t.like(km, { code: 64, err: "qkd-km: --ack needs a value\nTry: qkd-km --help\n" });
  const empty = await qkdNode(["status", "--config", ""], {}, programPath("qkd-km"));
  t.like(empty, { code: 64, err: "qkd-km: --config needs a value\nTry: qkd-km --help\n" });
});

test("a configuration that is none is told in words, whichever command reads it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-cli-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "file");
  writeFileSync(file, "");
  for (const [path, why] of [
    [folder, "it is a folder"],
    [join(file, "node.toml"), "it is below a file"],
    [join(folder, "none"), "no such file"],
  ] as const) {
    for (const args of [["status"], ["config", "show"], ["check-config"]]) {
      const { code, err } = await qkdNode([...args, "--config", path]);
      t.is(code, 78, args.join(" "));
      t.true(err.endsWith(`${path}: cannot be read: ${why}\n`), err);
    }
  }
  for (const args of [
    ["check-config", file],
    ["config", "check", "--config", file],
  ]) {
    const { code, out } = await qkdNode([...args, "--json"]);
    t.is(code, 78);
    t.like(JSON.parse(out), { file, good: false });
    t.deepEqual(problemsOf(args[0] as string, out), []);
  }
  const { err } = await qkdNode(["check-config", ""]);
  t.is(err, '"": cannot be read: no such file\n');
});

test("a configuration that this user may not read is one thing, with one code, in all programs", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-cli-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "own.toml");
  writeFileSync(file, "", { mode: 0 });
  // Root reads it as well, unless that is taken from it.
  const less = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
  const lead = process.getuid?.() === 0 ? less : ["env"];
  for (const name of ["qkd-node", "qkd-km", "qkd-controller", "qkd-psk"] as const) {
    for (const command of name === "qkd-psk" ? ["check-config"] : ["status", "check-config"]) {
      const [shell = "", ...args] = [...lead, programPath(name), command, "--config", file];
      const { code, err } = await qkdNode(args, {}, shell);
      t.true(err.endsWith(`${file}: cannot be read: permission denied\n`), err);
      t.is(code, 78, `${name} ${command}`);
    }
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
  // The clone's own, whose stack traces name its files.
  const clone = join(import.meta.dirname, "../../scripts/qkd-node");
  const env = { NODE_OPTIONS: `--import=${spoilt.replaceAll(" ", "%20")}` };
  const { code, out, err } = await qkdNode(["schema", "status"], env, clone);
  t.is(code, 70);
  t.is(out, "");
  t.regex(
    err,
    /^qkd-node: internal error: TypeError at src\/node\/cli\/print-schema\.ts:\d+; please report it\n$/,
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
  const { commandHelp } = await import("../../src/node/cli/help.ts");
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
  const readme = readFileSync(new URL("../../src/node/cli/README.md", import.meta.url), "utf8");
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
