/** `qkd-node update` against the node's real sockets and the image's own scripts. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { ask } from "../../src/ops/cli/client.ts";
import { allowByRoot } from "../../src/ops/update/allow.ts";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";
import { problemsOf, qkdNode, tooWide } from "../rig/cli.ts";
import { sha256, withUpdates } from "../rig/update-bench.ts";

const keepAlive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(keepAlive));

test("a bundle from a file is sent to the node, installed by root, and the machine starts anew", async (t) => {
  await withUpdates(async (bench) => {
    await bench.run("slots", "started");
    const where = ["--socket", bench.socket];
    const file = bench.bundle("new.raucb", "signed 1.3.0");
    const before = await qkdNode(["update", "status", ...where]);
    t.is(before.code, 0, before.err);
    t.regex(before.out, /^a +running +1\.2\.0 +next start$/m);
    t.regex(before.out, /^b +bad +–$/m);

    const unasked = await qkdNode(["update", "install", file, ...where]);
    t.is(unasked.code, 64);
    t.regex(unasked.err, /in a script: --yes node-a/);
    const another = await qkdNode(["update", "install", file, "--yes", "node-b", ...where]);
    t.is(another.code, 64);
    t.deepEqual(bench.did, []);

    const said = await qkdNode(["update", "install", file, "--yes", "node-a", ...where]);
    t.is(said.code, 0, said.err);
    t.deepEqual(tooWide(said.out), []);
    t.regex(said.out, /node-a runs 1\.2\.0 from slot a\. The bundle goes to slot b/);
    t.regex(said.out.replaceAll("\n", " "), /on trial: if module, KM and manager are not back/);
    t.regex(said.out, /update: done\nthe machine starts from slot b now, on trial\n$/);
    await eventually("what root did", () => bench.did.length, { is: 3 });
    t.deepEqual(bench.did, [
      `rauc install ${join(bench.folder, "known/update.raucb")}`,
      "systemctl stop qkd-node qkd-km qkd-controller",
      "systemctl --force reboot",
    ]);
    for (const copy of ["state/update/bundle", "known/update.raucb"]) {
      t.false(existsSync(join(bench.folder, copy)), "no second copy is kept");
    }
    t.deepEqual(
      bench.events.map(({ type, facts }) => [type, facts.status ?? facts.bundle]),
      [
        ["command", "done"],
        ["update_installed", "a local file"],
      ],
    );
    t.like(bench.events[0]?.facts, { by: `local uid ${process.getuid?.()}` });

    const after = await qkdNode(["update", "status", ...where]);
    t.regex(after.out, /^b +good +1\.3\.0 +next start$/m);
    t.regex(after.out, /last update +installed/);
    t.deepEqual(tooWide(after.out), []);
    const json = (await qkdNode(["update", "status", ...where, "--json"])).out;
    t.deepEqual(problemsOf("update", json), []);
    t.like(JSON.parse(json), { appliance: true, board: "bench", next: "b" });
  });
});

testWhole("the other slot is on trial until its time is over", async (t) => {
  await withUpdates(async (bench) => {
    await bench.run("slots", "trial", "300");
    const { out, code } = await qkdNode(["update", "status", "--socket", bench.socket]);
    t.is(code, 0);
    t.regex(out, /on trial +(5 min 00 s|4 min \d\d s) left/);
    t.deepEqual(tooWide(out), []);
    const json = (await qkdNode(["update", "status", "--socket", bench.socket, "--json"])).out;
    t.deepEqual(problemsOf("update", json), []);
    const { left_s } = JSON.parse(json).trial;
    t.true(left_s > 200 && left_s <= 300);
  });
});

test("what is not signed, is older, or is another one than was meant is refused", async (t) => {
  await withUpdates(async (bench) => {
    await bench.run("slots", "started");
    const where = ["--socket", bench.socket, "--yes", "node-a", "--json"];
    const bad = bench.bundle("bad.raucb", "forged 1.3.0");
    const forged = await qkdNode(["update", "install", bad, ...where]);
    t.is(forged.code, 1);
    t.deepEqual(problemsOf("update", forged.out), []);
    t.regex(JSON.parse(forged.out).reason, /signature verification failed/);

    const old = bench.bundle("old.raucb", "signed 1.1.0");
    const older = await qkdNode(["update", "install", old, ...where]);
    t.is(older.code, 1);
    t.regex(JSON.parse(older.out).reason, /1\.1\.0 is older than 1\.2\.0/);
    const hash = ["--sha256", "0".repeat(64)];
    const other = await qkdNode(["update", "install", old, ...where, ...hash]);
    t.is(other.code, 1);
    t.regex(other.err, /its SHA-256 is [0-9a-f]{64}/);
    t.false(bench.did.some((line) => /systemctl/.test(line)));

    // Who the node lets act is not root.
    const asked = await qkdNode(["update", "install", old, ...where, "--allow-downgrade"]);
    t.is(asked.code, 64);
    t.regex(asked.err, /--sha256 says which bundle is meant/);
    const told = join(bench.folder, "told");
    const hashed = sha256(old);
    allowByRoot(hashed, told);
    const back = await qkdNode(["update", "install", old, ...where]);
    t.is(back.code, 0, back.err + back.out);
    // Once: the next one is asked anew.
    const again = await qkdNode(["update", "install", old, ...where]);
    t.is(again.code, 1);
    // For one bundle: another one uses it up.
    const third = bench.bundle("third.raucb", "signed 1.0.0");
    allowByRoot(hashed, told);
    t.is((await qkdNode(["update", "install", third, ...where])).code, 1);
    t.is((await qkdNode(["update", "install", old, ...where])).code, 1);
    t.deepEqual(readdirSync(told).sort(), ["result", "said", "slots", "why"]);
  });
});

testWhole("who only looks installs nothing, and a node without images says so", async (t) => {
  await withUpdates(async (bench) => {
    const file = bench.bundle("new.raucb", "signed 1.3.0");
    const reader = `${bench.socket}.read`;
    const refused = await qkdNode([
      "update",
      "install",
      file,
      "--yes",
      "node-a",
      "--socket",
      reader,
    ]);
    t.is(refused.code, 77);
    t.deepEqual(bench.did, []);
    for (const wrong of [["update"], ["update", "install"], ["update", "status", file]]) {
      t.is((await qkdNode([...wrong, "--socket", bench.socket])).code, 64);
    }
    const args = ["--socket", bench.socket, "--yes", "node-a"];
    t.is((await qkdNode(["update", "install", "http://x/y", ...args])).code, 64);
    t.is((await qkdNode(["update", "install", "/nowhere", ...args])).code, 74);
  });
  await withUpdates(async (bench) => {
    const where = ["--socket", bench.socket];
    const status = await qkdNode(["update", "status", ...where]);
    t.is(status.code, 69);
    t.regex(status.out, /not installed by images/);
    const json = await qkdNode(["update", "status", ...where, "--json"]);
    t.is(json.code, 69);
    t.deepEqual(problemsOf("update", json.out), []);
    const file = bench.bundle("new.raucb", "signed 1.3.0");
    const install = await qkdNode(["update", "install", file, "--yes", "node-a", ...where]);
    t.is(install.code, 69);
    t.regex(install.err, /not installed by images/);
  }, false);
});

test("the maintenance console's socket installs while the key is turned, and does nothing else", async (t) => {
  await withUpdates(async (bench) => {
    await bench.run("slots", "started");
    t.is(statSync(bench.console).mode & 0o777, 0o660);
    const where = ["--socket", bench.console, "--yes", "node-a"];
    const file = bench.bundle("new.raucb", "signed 1.3.0");
    const good = bench.panel;
    for (const panel of [
      { ...good, maintenance: false },
      { ...good, panel: "lost" as const },
      { ...good, tamper: "seen" as const },
      { ...good, tamper: "latched" as const },
    ]) {
      bench.panel = panel;
      const refused = await qkdNode(["update", "install", file, ...where]);
      t.is(refused.code, 77);
      t.regex(refused.err, /key switch is not at maintenance/);
    }
    bench.panel = good;
    const older = { bundle: "https://x/y", allow_downgrade: true, confirm: "node-a" };
    await t.throwsAsync(ask([bench.console], "install_update", older), {
      message: /for the manager to allow/,
    });
    for (const command of ["zeroize", "clear_tamper", "start", "release_quarantine"] as const) {
      await t.throwsAsync(ask([bench.console], command, { module: "alice", confirm: "node-a" }), {
        message: /not from the maintenance console/,
      });
    }
    t.deepEqual(bench.did, []);
    t.is((await qkdNode(["update", "install", file, ...where])).code, 0);
    t.like(bench.events[0]?.facts, { command: "install_update", by: "maintenance console" });
    await ask([bench.console], "session", { on: true });
    t.like(bench.events.at(-1), { type: "maintenance_session", facts: { on: true } });
  });
});
