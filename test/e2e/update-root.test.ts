/** The image's own script that installs updates, against a node that writes whatever it likes. */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "ava";
import { type Draft, newKeyPair, signCommand } from "../../scripts/manager.d/sign.ts";
import { sha256, type UpdateBench, withUpdates } from "../rig/update-bench.ts";

const keepAlive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(keepAlive));

const [noc, other, eve] = [newKeyPair(), newKeyPair(), newKeyPair()];

/** Root's part alone: the test is the node. */
async function withRoot(body: (bench: UpdateBench) => Promise<void>): Promise<void> {
  await withUpdates(async (bench) => {
    bench.stopRoot();
    await body(bench);
  }, false);
}

/** The configuration, as the site signed it. */
function configure(bench: UpdateBench): void {
  const text = `[node]
id = "node-a"
state_dir = "/var/lib/qkd-node"
[manager]
url = "mqtts://x"
[[manager.command_key]]
id = "noc"
public_key = "${noc.publicKey}"
commands = ["install_update"]
[[manager.command_key]]
id = "other"
public_key = "${other.publicKey}"
commands = ["start"]
`;
  writeFileSync(join(bench.folder, "etc/node.toml"), text);
}

/** Writes a request as the node does, has root carry it out. @returns what root says */
async function request(bench: UpdateBench, text: string | Buffer, bundle?: string) {
  const { folder } = bench;
  mkdirSync(join(folder, "state/update"), { recursive: true });
  if (bundle !== undefined) copyFileSync(bundle, join(folder, "state/update/bundle"));
  writeFileSync(join(folder, "requests/request"), text);
  await bench.run("update", join(folder, "requests"));
  return readFileSync(join(folder, "told/result"), "utf8").split("\n")[0];
}

const installed = (bench: UpdateBench) => bench.did.filter((line) => /^rauc install/.test(line));

test("root takes a bundle by its hash; no path, no word and no link of the node's", async (t) => {
  await withRoot(async (bench) => {
    const { folder } = bench;
    const good = bench.bundle("good.raucb", "signed 1.3.0");
    const secret = join(folder, "secret");
    writeFileSync(secret, "signed 9.9.9");
    const hash = sha256(good);
    for (const text of [
      "",
      "\n",
      `${good}\n`,
      `${good}\nallow-downgrade\n`,
      `${hash.slice(1)}\n`,
      `${hash.toUpperCase()}\n`,
      `${hash};reboot\n`,
      `../${hash.slice(3)}\n`,
      Buffer.alloc(100_000),
      "a".repeat(10_000_000),
    ]) {
      t.is(await request(bench, text, good), "refused: the request names no bundle");
    }
    const not = "refused: the bundle is not the one that was asked for";
    t.is(await request(bench, `${"0".repeat(64)}\n`, good), not);
    const bundle = join(folder, "state/update/bundle");
    const instead = {
      nothing: () => {},
      "a link": () => symlinkSync(secret, bundle),
      "a folder": () => mkdirSync(bundle),
      "a pipe": () => execFileSync("mkfifo", [bundle]),
    };
    for (const [what, put] of Object.entries(instead)) {
      rmSync(bundle, { recursive: true, force: true });
      put();
      t.is(await request(bench, `${sha256(secret)}\n`), not, what);
    }
    rmSync(bundle, { recursive: true });
    t.deepEqual(installed(bench), []);
    t.is(await request(bench, `${hash}\n`, good), "installed");
    t.is(installed(bench).length, 1);
    t.false(existsSync(join(folder, "known/update.raucb")));
  });
});

test("a request that is no file is taken away, and nothing that it leads to", async (t) => {
  await withRoot(async (bench) => {
    const { folder } = bench;
    const precious = join(folder, "precious");
    mkdirSync(precious);
    writeFileSync(join(precious, "request"), "precious");
    const place = join(folder, "requests/request");
    const instead = [
      () => symlinkSync(join(precious, "request"), place),
      () => symlinkSync("/nowhere", place),
      () => symlinkSync(precious, place),
      () => execFileSync("mkfifo", [place]),
      () => mkdirSync(join(place, "deep/er"), { recursive: true }),
    ];
    for (const put of instead) {
      put();
      await bench.run("update", join(folder, "requests"));
      t.deepEqual(readdirSync(join(folder, "requests")), []);
      t.is(readFileSync(join(precious, "request"), "utf8"), "precious");
    }
    t.deepEqual(installed(bench), []);
  });
});

test("an older version goes in once, by what a manager signed for this bundle", async (t) => {
  await withRoot(async (bench) => {
    configure(bench);
    const { folder } = bench;
    const old = bench.bundle("old.raucb", "signed 1.1.0");
    const older = bench.bundle("older.raucb", "signed 1.0.0");
    let counter = Date.now();
    const signed = (
      args: Record<string, unknown>,
      more: Partial<Draft> = {},
      key = { id: "noc", key: noc.key },
    ) => {
      const command = "install_update";
      const draft = { command, node: "node-a", boot: 1, issued: Date.now(), counter: ++counter };
      return signCommand({ ...draft, args, ...more }, key);
    };
    const allowed = { bundle: "https://x/y", sha256: sha256(old), allow_downgrade: true };
    const hour = 3_600_000;
    for (const [what, message] of Object.entries({
      "no allowance": signed({ bundle: "https://x/y", sha256: sha256(old) }),
      "another bundle": signed({ ...allowed, sha256: sha256(older) }),
      "another node": signed(allowed, { node: "node-b" }),
      "another command": signed(allowed, { command: "start" }),
      "long over": signed(allowed, { issued: Date.now() - 4 * hour, lifeMs: hour }),
      "from the future": signed(allowed, { issued: Date.now() + hour }),
      "a key that may not": signed(allowed, {}, { id: "other", key: other.key }),
      "a stranger": signed(allowed, {}, { id: "eve", key: eve.key }),
      "a forgery": signed(allowed, {}, { id: "noc", key: eve.key }),
      "no signature": "allow-downgrade",
    })) {
      const said = await request(bench, `${sha256(old)}\n${message}\n`, old);
      t.regex(said ?? "", /1\.1\.0 is older than 1\.2\.0/, what);
      t.false(existsSync(join(folder, "told/allow-downgrade")), what);
    }
    const good = signed(allowed);
    t.is(await request(bench, `${sha256(old)}\n${good}\n`, old), "installed");
    t.false(existsSync(join(folder, "told/allow-downgrade")));
    // The node keeps it, and asks again; and for another bundle.
    t.regex((await request(bench, `${sha256(old)}\n${good}\n`, old)) ?? "", /is older/);
    t.regex((await request(bench, `${sha256(older)}\n${good}\n`, older)) ?? "", /is older/);
  });
});

test("an allowance that a killed install left behind is good for nothing", async (t) => {
  await withRoot(async (bench) => {
    const { folder } = bench;
    const old = bench.bundle("old.raucb", "signed 1.1.0");
    const left = join(folder, "told/allow-downgrade");
    writeFileSync(left, `${sha256(old)}\n`);
    t.regex((await request(bench, `${sha256(old)}\n`, old)) ?? "", /is older/);
    t.false(existsSync(left));
    // RAUC is asked for another bundle while an allowance is there.
    writeFileSync(left, `${sha256(old)}\n`);
    copyFileSync(bench.bundle("x.raucb", "signed 1.0.0"), join(folder, "known/update.raucb"));
    mkdirSync(join(folder, "bundle"), { recursive: true });
    writeFileSync(join(folder, "bundle/manifest.raucm"), "version=1.0.0\n");
    process.env.RAUC_UPDATE_SOURCE = join(folder, "bundle");
    await t.throwsAsync(bench.run("pre-install"));
    copyFileSync(old, join(folder, "known/update.raucb"));
    await t.notThrowsAsync(bench.run("pre-install"));
  });
});
