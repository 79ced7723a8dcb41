/** What an operator types and reads: `qkd-km` as a program. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { exit } from "../../src/base/exit-codes.ts";
import type { KmStatus } from "../../src/km/model/status.ts";
import { createAuthority } from "../emulator/certificates.ts";
import { eventually } from "../eventually.ts";
import { KmPair } from "../rig/km-pair.ts";
import { programPath } from "../rig/programs.ts";
import { deadline } from "../rig/with-rig.ts";

const command = programPath("qkd-km");
const modules = ["QKD-A-0001", "QKD-B-0001"] as const;

function km(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return { status, stdout, stderr };
}

function fits(t: ExecutionContext, text: string): void {
  for (const line of text.split("\n")) t.true(line.length <= 80, line);
}

/** Certificates and configurations of two key managers; nothing runs. */
async function pair(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-cli-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const kms = await KmPair.make({ folder, modules });
  t.teardown(() => kms.stop());
  return { folder, kms, config: join(folder, "alice.toml") };
}

test("its help fits into 80 columns, and a wrong command line is told apart", (t) => {
  const help = km("--help");
  t.is(help.status, exit.ok);
  fits(t, help.stdout);
  for (const word of [
    "run",
    "check-config",
    "status",
    "links",
    "keys",
    "alarms",
    "--config",
    "--json",
  ]) {
    t.true(help.stdout.includes(word), word);
  }
  for (const [args, message] of [
    [[], /which command\?/],
    [["stats"], /no such command: stats; did you mean status\?/],
    [["status", "links"], /one command at a time/],
    [["status", "--jsn"], /Unknown option '--jsn'$/m],
  ] as const) {
    const said = km(...args);
    t.is(said.status, exit.usage, args.join(" "));
    t.regex(said.stderr, message);
    t.regex(said.stderr, /Try: qkd-km --help/);
    fits(t, said.stderr);
  }
});

test("an error of its own is one line without what the program had in hand", (t) => {
  const spoilt = "data:text/javascript,JSON.stringify=()=>{throw new TypeError('hunter2')}";
  const env = { ...process.env, NODE_OPTIONS: `--import=${spoilt.replaceAll(" ", "%20")}` };
  const file = fileURLToPath(new URL("../../src/km/config/README.md", import.meta.url));
  // The clone's own, whose stack traces name its files.
  const clone = fileURLToPath(new URL("../../scripts/qkd-km", import.meta.url));
  const said = spawnSync(clone, ["check-config", "--json", file], { encoding: "utf8", env });
  t.is(said.status, exit.software);
  t.regex(
    said.stderr,
    /^qkd-km: internal error: TypeError at src\/km\/cli\/dispatch\.ts:\d+; please report it\n$/,
  );
  const full = spawnSync("sh", ["-c", `${command} --help >/dev/full`], { encoding: "utf8" });
  t.is(full.status, exit.io);
  t.is(full.stderr, "qkd-km: the output cannot be written: no space left (ENOSPC)\n");
});

test("where no token is configured hsm says so, and gives no advice that leads nowhere", async (t) => {
  const { config } = await pair(t);
  for (const act of ["init", "check"]) {
    const { status, stderr } = km("hsm", act, "--config", config);
    t.is(stderr, `${config}: store.hsm: missing: there is no token to ask\n`);
    t.is(status, exit.config);
  }
});

test("check-config names file, line and key of all that is wrong, files included", async (t) => {
  const { folder, config } = await pair(t);
  const good = km("check-config", config);
  t.is(good.stdout, `${config}: good (km-alice; 1 link, 1 module)\n`);
  t.is(good.status, exit.ok);

  const text = readFileSync(config, "utf8");
  const lineOf = (word: string) => text.split("\n").findIndex((line) => line.includes(word)) + 1;
  const authority = await createAuthority("other CA");
  const old = await authority.issue({ commonName: "km-alice", usage: "both", days: -1 });
  writeFileSync(join(folder, "old.crt"), old.cert);
  writeFileSync(join(folder, "old.key"), old.key, { mode: 0o600 });
  writeFileSync(join(folder, "master-alice"), "x".repeat(40), { mode: 0o600 });
  writeFileSync(join(folder, "app-a.psk"), "a password, and no digits", { mode: 0o600 });
  const kx = text.indexOf("[kx]");
  const own = /cert = "(.*)"/.exec(text)?.[1] as string;
  const key = /key = "(.*\.key)"/.exec(text)?.[1] as string;
  // For nodes the key of another certificate, for other KMs a certificate that has expired.
  const wrong =
    text.slice(0, kx).replace(key, join(folder, "old.key")) +
    text.slice(kx).replace(own, join(folder, "old.crt")).replace(key, join(folder, "old.key"));
  writeFileSync(config, wrong);
  const said = km("check-config", "--config", config);
  t.is(said.status, exit.config);
  const problems = said.stderr.trimEnd().split("\n");
  t.is(problems.length, 4, said.stderr);
  const at = `${config}:${lineOf("master_key_file")}:`;
  t.true(said.stderr.includes(at), said.stderr);
  t.regex(
    said.stderr,
    /store\.master_key_file.*has 40 bytes, and must have 32, or 64 hexadecimal digits/,
  );
  t.regex(said.stderr, /kq1\.key.*belongs to/);
  t.regex(said.stderr, /kx\.cert.*expired on/);
  t.regex(said.stderr, /sae\.app-a\.skip_psk_file.*is not of 32 to 128 hexadecimal digits/);
  const json = km("check-config", "--json", config);
  t.is(json.status, exit.config);
  t.deepEqual(JSON.parse(json.stdout), { file: config, good: false, problems });

  chmodSync(join(folder, "master-alice"), 0o644);
  const open = km("run", "--config", config);
  t.is(open.status, exit.config);
  t.regex(open.stderr, /store\.master_key_file.*make it mode 0600/);
});

test("status, links and keys say that it is not running, and fit into 80 columns when it is", async (t) => {
  const { kms, config, folder } = await pair(t);
  for (const name of ["status", "links", "keys", "alarms"]) {
    const said = km(name, "--config", config);
    t.is(said.status, exit.unavailable);
    t.regex(said.stderr, /^qkd-km: the key manager is not running: nobody answers on /);
  }
  await kms.alice.start(deadline());
  // Who may look needs neither the master key nor a private key.
  writeFileSync(
    join(folder, "looked.toml"),
    readFileSync(config, "utf8").replace("master-", "no-"),
  );
  for (const name of ["status", "links", "keys", "alarms"]) {
    const said = km(name, "--config", join(folder, "looked.toml"));
    t.is(said.status, exit.ok, said.stderr);
    fits(t, said.stdout);
  }
  const status = JSON.parse(km("status", "--json", "--config", config).stdout) as KmStatus;
  t.is(status.km_id, "km-alice");
  t.is(await kms.alice.process.stop(), exit.ok);
});

test("it tells systemd when it is ready, that it goes on, and when it stops", async (t) => {
  const { kms, folder } = await pair(t);
  const told = join(folder, "told");
  writeFileSync(told, "");
  writeFileSync(join(folder, "systemd-notify"), `#!/bin/sh\necho "$*" >>${told}\n`, {
    mode: 0o755,
  });
  kms.alice.process.environment = {
    PATH: `${folder}:${process.env.PATH}`,
    NOTIFY_SOCKET: join(folder, "notify"),
    WATCHDOG_USEC: "3000000",
  };
  await kms.alice.start(deadline());
  const heard = (matches: RegExp) =>
    eventually("what systemd was told", () => readFileSync(told, "utf8"), { matches });
  await heard(/READY=1|--ready/);
  await heard(/WATCHDOG=1[\s\S]*WATCHDOG=1/);
  t.is(await kms.alice.process.stop(), exit.ok);
  t.regex(readFileSync(told, "utf8"), /STOPPING=1|--stopping/);
});
