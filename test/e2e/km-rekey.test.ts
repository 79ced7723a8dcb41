/** Another master key for a key manager that runs: from a file, and from a token. */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { exit } from "../../src/base/exit-codes.ts";
import type { KmStatus } from "../../src/km/model/status.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { rounds } from "../campaign-scale.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { killRekeys } from "../faults/rekey-kills.ts";
import { testWith } from "../needs.ts";
import { KmPair } from "../rig/km-pair.ts";
import { programPath } from "../rig/programs.ts";
import { Rig } from "../rig/rig.ts";
import { SoftHsm } from "../rig/soft-hsm.ts";
import { steal } from "../rig/store-thief.ts";
import { deadline } from "../rig/with-rig.ts";

const command = programPath("qkd-km");

/** Not `spawnSync`: what runs beside it in this process goes on. */
async function km(...args: string[]) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  }
  const [status] = await once(child, "close");
  return { status: status as number, ...said };
}

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-rekey-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

function edit(file: string, from: string, to: string): void {
  writeFileSync(file, readFileSync(file, "utf8").replace(from, to));
}

async function storeFiles(state: string): Promise<Map<string, Buffer>> {
  const names = await readdir(`${state}/store`, { recursive: true, withFileTypes: true });
  const paths = names.filter((name) => name.isFile()).map((one) => join(one.parentPath, one.name));
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await readFile(path)] as const)),
  );
}

test.serial(
  "a store gets the key of another file while keys come in; the one of before opens nothing, and nothing is lost",
  async (t) => {
    t.timeout(240_000);
    const folder = folderOf(t);
    const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"] });
    t.teardown(() => kms.stop());
    const { alice, bob } = kms;
    const config = join(folder, "alice.toml");
    const own = 'master_key_file = "master-alice"\n';
    edit(config, own, `${own}master_key_next_file = "next"\n`);
    // Keys that are prepared for applications would be void after a power cut.
    for (const name of ["alice.toml", "bob.toml"]) {
      edit(join(folder, name), "[etsi014]\n", "[etsi014]\nprepared_keys = 0\n");
    }
    const old = readFileSync(join(folder, "master-alice"));
    const next = randomBytes(32);
    await kms.start(deadline());
    const [blockBits, blocks] = [32_768, 40];
    const rig = await Rig.start({
      source: seedSource({ seed: 6, blockBits, blocks, clock: systemClock }),
      baud: 0,
      blockIntervalMs: 50,
      keyBits: 256,
      kmAt: { alice: alice.at, bob: bob.at },
    });
    t.teardown(() => rig.close());
    const some = ({ links: [link] }: KmStatus) => (link?.compared_keys ?? 0) >= 500;
    await eventually("some stock", () => alice.status(), { when: some });

    const missing = await km("rekey", "--config", config);
    t.is(missing.status, exit.failed, missing.stderr);
    t.regex(missing.stderr, /the master key cannot be read .*next.*ENOENT/);
    writeFileSync(join(folder, "next"), old, { mode: 0o600 });
    const same = await km("rekey", "--config", config);
    t.regex(same.stderr, /the store has this master key already/);
    await t.throwsAsync(ask([`${alice.state}/control.read`], "rekey", { confirm: "km-alice" }), {
      message: /only answers/,
    });
    await t.throwsAsync(ask([`${alice.state}/control`], "rekey", { confirm: "km-bob" }), {
      message: /must name the KM/,
    });
    writeFileSync(join(folder, "next"), next, { mode: 0o600 });
    const done = await km("rekey", "--config", config);
    t.is(done.status, exit.ok, done.stderr);
    t.regex(
      done.stdout,
      /^the store has another master key, from master_key_next_file; .* are sealed/,
    );
    t.regex(done.stdout, /opens nothing any more/);
    const all = ({ store }: KmStatus) => store.stock_bits === blockBits * blocks;
    const status = await eventually("all stock", () => alice.status(), { when: all });
    t.deepEqual(status.store.master_key, { from: "next_file" });
    await eventually("the same at the other end", () => bob.status(), { when: all });

    const files = await storeFiles(alice.state);
    t.deepEqual(steal(files, old, { link: "fibre", extents: 400 }), []);
    t.true(steal(files, next, { link: "fibre", extents: 400 }).length > 0);
    // A power cut, and both files in place: the store finds its own.
    await alice.process.stop("SIGKILL");
    await alice.start(deadline());
    t.true(all(await eventually("stock after a start", () => alice.status(), { when: all })));
    t.true(alice.process.lines.some((line) => line.includes("put it in place of master_key_file")));
    t.is(await alice.process.stop(), 0);
    rmSync(join(folder, "next"));
    const neither = await km("run", "--config", config);
    t.is(neither.status, exit.io);
    t.regex(neither.stderr, /made with another master key/);
    writeFileSync(join(folder, "master-alice"), next, { mode: 0o600 });
    await alice.start(deadline());
    const again = await eventually("stock under one key", () => alice.status(), { when: all });
    t.deepEqual(again.store.master_key, { from: "file" });
    // Who ordered it, and that it came to its end.
    const records = await storeRecords(alice.state);
    for (const state of ["ordered", "begun", "done"]) {
      t.true(records.includes(`"state":"${state}","reason":"next_file"`), state);
    }
    t.regex(records, /"by":"local uid \d+"/);
  },
);

test.serial(
  "killed in the middle of it, at whatever instant, the store opens with one of the two and has lost nothing",
  async (t) => {
    t.timeout(240_000);
    const { broken, kills, bits, ...figures } = await killRekeys(rounds(30), 4_711);
    t.deepEqual(broken, []);
    t.true(kills > 0 && bits > 0);
    t.log(figures);
  },
);

async function storeRecords(state: string): Promise<string> {
  const names = await readdir(`${state}/records`);
  const parts = await Promise.all(names.map((name) => readFile(`${state}/records/${name}`)));
  return Buffer.concat(parts).toString("latin1");
}

testWith(
  "softhsm2-util",
  "a key manager starts with its token and not without, and moves from a file to a token",
  async (t, util) => {
    t.timeout(240_000);
    const folder = folderOf(t);
    const hsm = new SoftHsm(util, folder);
    hsm.makeToken("site");
    const config = join(folder, "km.toml");
    const state = join(folder, "state");
    const write = (store: string) =>
      writeFileSync(
        config,
        `[km]\nid = "km-a"\nstate_dir = "${state}"\n${store}[kq1]\nhost = "127.0.0.1"\nport = 0\nplain = true\n`,
      );
    const table = (more: Record<string, string> = {}) => {
      const keys = { module: hsm.module, token: "site", pin_file: hsm.pinFile, ...more };
      return `[store.hsm]\n${Object.entries(keys)
        .map(([key, value]) => `${key} = "${value}"\n`)
        .join("")}`;
    };
    const running = async <T>(body: () => Promise<T>): Promise<T> => {
      const child = spawn(command, ["run", "--config", config], { stdio: "ignore" });
      const ended = once(child, "close");
      try {
        const control = join(state, "control");
        await eventually("control socket", async () => existsSync(control), { when: Boolean });
        await eventually("an answer", () => ask([control], "status"), { when: Boolean });
        return await body();
      } finally {
        child.kill("SIGTERM");
        const [code] = await ended;
        t.is(code, 0);
      }
    };
    const status = async () =>
      JSON.parse((await km("status", "--json", "--config", config)).stdout);

    write(`[store]\nmaster_key_file = "master"\n`);
    const own = randomBytes(32);
    writeFileSync(join(folder, "master"), own, { mode: 0o600 });
    await running(async () => t.deepEqual((await status()).store.master_key, { from: "file" }));

    write(table());
    const check = await km("check-config", config);
    t.is(check.status, exit.config);
    t.regex(check.stderr, /km\.toml:\d+: store\.hsm\.key: there is no wrapped master key yet/);
    const other = await km("hsm", "init", "--config", config);
    t.is(other.status, exit.io);
    t.regex(other.stderr, /there is a store with another master key.*--adopt FILE/);
    const master = join(folder, "master");
    const init = await km("hsm", "init", "--adopt", master, "--config", config);
    t.is(init.status, exit.ok, init.stderr);
    t.regex(init.stdout, /wrapping key {3}km-a, made\nmaster key {5}taken over, wrapped in /);
    const twice = await km("hsm", "init", "--adopt", master, "--config", config);
    t.regex(twice.stderr, /already: nothing was done/);
    t.is((await km("check-config", config)).status, exit.ok);
    const opens = await km("hsm", "check", "--json", "--config", config);
    t.like(JSON.parse(opens.stdout), { token: "site", key: "km-a" });
    rmSync(master);
    const wrapped = () => readFileSync(join(state, "master-key.hsm"));
    const before = wrapped();
    await running(async () => {
      t.deepEqual((await status()).store.master_key, { from: "hsm" });
      const done = await km("rekey", "--json", "--config", config);
      t.is(JSON.parse(done.stdout).from, "hsm");
    });
    t.notDeepEqual(wrapped(), before);
    t.false(existsSync(join(state, "master-key.hsm.next")));
    // The key of the file opens nothing, and what a start needs is the token.
    const files = await storeFiles(state);
    t.deepEqual(steal(files, own, { link: "x", extents: 1 }), []);
    await running(async () => t.deepEqual((await status()).store.master_key, { from: "hsm" }));
    t.is((await km("store", "check", "--config", config)).status, exit.ok);
    // Another wrapping key: that of the label in the configuration.
    write(table({ key: "second" }));
    await running(async () => t.is((await km("rekey", "--config", config)).status, exit.ok));
    t.is(JSON.parse(wrapped().toString()).key, "second");
    await running(async () => t.deepEqual((await status()).store.master_key, { from: "hsm" }));

    // A mistake that a restart would repeat is not one for a restart.
    write(table({ pin_file: hsm.writePin("wrong", "1111111") }));
    const wrong = spawnSync(command, ["run", "--config", config], { encoding: "utf8" });
    t.is(wrong.status, exit.config);
    t.regex(wrong.stderr, /the PIN is wrong/);
    write(table({ token: "sight" }));
    t.is((await km("run", "--config", config)).status, exit.io);
    const look = await km("check-config", config);
    t.regex(look.stderr, /store\.hsm\.token: there is no such token \(token=sight, there=site\)/);
    write(table({ module: "/none.so" }));
    t.regex((await km("check-config", config)).stderr, /store\.hsm\.module.*no such file/);
  },
);
