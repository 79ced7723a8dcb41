/** The units as systemd's own tools judge them. */

import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { testWith } from "../../needs.ts";

const run = promisify(execFile);
const units = fileURLToPath(new URL("../../../systemd/", import.meta.url));
/** Those of the image alone. */
const imageUnits = fileURLToPath(
  new URL("../../../board/common/rootfs_overlay/usr/lib/systemd/system/", import.meta.url),
);
const imageScripts = fileURLToPath(
  new URL("../../../board/common/rootfs_overlay/usr/lib/qkd-image/", import.meta.url),
);
function pathOf(name: string): string {
  return [units, imageUnits].map((folder) => join(folder, name)).find(existsSync) ?? name;
}
function readUnit(name: string): string {
  return readFileSync(pathOf(name), "utf8");
}

/** What runs with a site's configuration. */
const daemons = ["qkd-node", "qkd-km", "qkd-controller"];

/** Where systemd's own units are, which ours refer to. */
const system = ["/usr/lib/systemd/system", "/lib/systemd/system"].find(existsSync) ?? "";

/**
 * Most that `systemd-analyze security` may find exposed, in its tenths. No helper of root's may have more than
 * `mostOfRoot`; what each one needs beyond the others is said beside its unit.
 */
const limits = {
  "qkd-node.service": 15,
  "qkd-km.service": 12,
  "qkd-controller.service": 12,
  "qkd-psk@.service": 17,
  "qkd-panel.service": 12,
  "qkd-console.service": 12,
  "qkd-site@.service": 5,
  "qkd-site-take.service": 16,
  "qkd-update.service": 21,
  "qkd-health.service": 18,
  "qkd-provision.service": 14,
  "qkd-slack.service": 11,
  "qkd-told@.service": 8,
  "qkd-time.service": 8,
  "qkd-firewall.service": 17,
  "qkd-untried.service": 9,
};
const mostOfRoot = 30;
const others = ["qkd-console.path", "qkd-update.path", "qkd-slack.timer", "qkd-time.path"];

/** As systemd is asked about it: a template by one of its instances. */
function instance(name: string): string {
  return name.replace("@.", "@sda1.");
}

/** A file system with our units, systemd's, and programs that do nothing. */
function tree(change: (unit: string) => string = (unit) => unit): string {
  const root = mkdtempSync(join(tmpdir(), "qkd-units-"));
  const own = join(root, "usr/lib/systemd/system");
  mkdirSync(own, { recursive: true });
  cpSync(system, own, { recursive: true, dereference: false, verbatimSymlinks: true });
  for (const name of [...Object.keys(limits), ...others]) {
    writeFileSync(join(own, name), change(readUnit(name)));
  }
  for (const program of [
    "usr/lib/qkd-node/bin/qkd-node",
    "usr/lib/qkd-node/bin/qkd-panel",
    "usr/lib/qkd-node/bin/qkd-km",
    "usr/lib/qkd-node/bin/qkd-controller",
    "usr/lib/qkd-node/bin/qkd-psk",
    "usr/lib/qkd-node/bin/qkd-image",
    ...readdirSync(imageScripts).map((name) => `usr/lib/qkd-image/${name}`),
    ...["sleep", "rm", "sh", "systemctl"].map((name) => `bin/${name}`),
    "usr/bin/nsenter",
  ]) {
    mkdirSync(dirname(join(root, program)), { recursive: true });
    writeFileSync(join(root, program), "#!/bin/sh\n");
    chmodSync(join(root, program), 0o755);
  }
  return root;
}

async function complaints(root: string): Promise<string> {
  try {
    const names = [...Object.keys(limits), ...others].map(instance);
    const args = ["verify", "--man=no", `--root=${root}`, ...names];
    const { stderr } = await run("systemd-analyze", args);
    return ours(stderr);
  } catch (error) {
    return ours((error as { stderr: string }).stderr) || String(error);
  }
}

/** Other packages' units may have faults of their own. */
function ours(text: string): string {
  return text
    .split("\n")
    .filter((line) => line.includes("qkd-"))
    .join("\n");
}

testWith("systemd-analyze", "systemd finds nothing wrong with the units", async (t) => {
  const root = tree();
  t.teardown(() => rmSync(root, { recursive: true }));
  t.is(await complaints(root), "");
});

testWith("systemd-analyze", "systemd would find a key that does not exist", async (t) => {
  const root = tree((unit) => `${unit}\nBogus=1\n`);
  t.teardown(() => rmSync(root, { recursive: true }));
  t.regex(await complaints(root), /Bogus/);
});

for (const [name, threshold] of Object.entries(limits)) {
  testWith("systemd-analyze", `${name} exposes at most ${threshold / 10}`, async (t) => {
    const args = ["security", "--offline=true", "--no-pager", `--threshold=${threshold}`];
    const good = await run("systemd-analyze", [...args, pathOf(name)]);
    t.regex(good.stdout, /Overall exposure level/);
    const loose = mkdtempSync(join(tmpdir(), "qkd-unit-"));
    t.teardown(() => rmSync(loose, { recursive: true }));
    const weaker = readUnit(name).replace(/^(ProtectSystem|SystemCallFilter)=.*\n/gm, "");
    writeFileSync(join(loose, name), weaker);
    await t.throwsAsync(run("systemd-analyze", [...args, join(loose, name)]));
  });
}

/** The packet filter is the network's. */
const networked = ["qkd-firewall.service"];

test("no helper of root's is left out, nor has it the network", (t) => {
  for (const name of readdirSync(imageUnits).filter((one) => /^qkd-.*\.service$/.test(one))) {
    t.true((limits[name as keyof typeof limits] ?? mostOfRoot + 1) <= mostOfRoot, name);
    const unit = readUnit(name);
    const lines = ["NoNewPrivileges=yes", "ProtectSystem=strict"];
    if (!networked.includes(name)) lines.push("PrivateNetwork=yes");
    for (const line of lines) {
      t.true(unit.includes(`\n${line}\n`), `${name}: ${line}`);
    }
  }
});

test("what reads a foreign file system has no right, and what takes its copy never sees it", (t) => {
  const reader = readUnit("qkd-site@.service");
  t.regex(reader, /^User=qkd-site$/m);
  t.regex(reader, /^CapabilityBoundingSet=$/m);
  // Outside of the sandbox: mounting, unmounting, and starting the other one, by fixed words.
  const free = [...reader.matchAll(/^Exec\w+=-?\+(.*)$/gm)].map(([, command]) => command);
  t.deepEqual(free, [
    "/usr/bin/nsenter --mount=/proc/1/ns/mnt /usr/lib/qkd-image/site mount /dev/%I",
    "/bin/systemctl start qkd-site-take.service",
    "/usr/bin/nsenter --mount=/proc/1/ns/mnt /usr/lib/qkd-image/site unmount",
  ]);
  // It is mounted within the unit's group of processes, to which "+" makes no difference.
  t.regex(reader, /^DeviceAllow=\/dev\/%I rw$/m);
  const site = readFileSync(join(imageScripts, "site"), "utf8");
  const body = (name: string) =>
    new RegExp(`^${name}\\(\\) \\{\\n([\\s\\S]*?)^\\}`, "m").exec(site)?.[1];
  t.notRegex(body("site_take") ?? "$stick", /\$stick/);
  t.notRegex(body("site_mount") ?? "site/", /\$stick\/|cp |cat /);
});

test("in the appliance's sandbox the programs that ours ask can be executed, and no others", (t) => {
  const sources = fileURLToPath(new URL("../../../src/", import.meta.url));
  const asked = new Set(["dash"]);
  for (const folder of ["ops/doctor", "ops/support", "host/life"]) {
    for (const name of readdirSync(join(sources, folder)).filter((one) => one.endsWith(".ts"))) {
      const text = readFileSync(join(sources, folder, name), "utf8");
      const calls = /(?:\brun\(|\(execFile\)\(|program = )"([a-z-]+)"/g;
      for (const [, program = ""] of text.matchAll(calls)) asked.add(program);
    }
  }
  t.true(asked.size >= 5, [...asked].join());
  for (const name of daemons) {
    const unit = readUnit(`${name}.service.d/appliance.conf`);
    t.regex(unit, /^NoExecPaths=\/$/m, name);
    const allowed = [...unit.matchAll(/^ExecPaths=(.*)$/gm)].flatMap(([, paths = ""]) =>
      paths.split(" "),
    );
    const programs = allowed.filter((path) => path.startsWith("/usr/bin/"));
    t.deepEqual(programs.sort(), [...asked].map((program) => `/usr/bin/${program}`).sort(), name);
  }
});

test("a configuration that is taken has time to start all, and to go back", (t) => {
  const seconds = (name: string) =>
    Number(/^TimeoutStartSec=(\d+)$/m.exec(readUnit(name))?.[1] ?? Number.NaN);
  const all = daemons.reduce((sum, name) => sum + seconds(`${name}.service`), 0);
  t.true(seconds("qkd-site-take.service") >= 2 * all + 60);
  t.true(seconds("qkd-site@.service") >= seconds("qkd-site-take.service") + 30);
});

test("what is left of a trial is gone back from before anything reads it, and never while one goes on", (t) => {
  const unit = readUnit("qkd-untried.service");
  const words = (key: string) =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].flatMap(([, all = ""]) => all.split(" "));
  for (const reader of [...daemons, "qkd-firewall", "systemd-networkd", "chrony"]) {
    t.true(words("Before").includes(`${reader}.service`), reader);
  }
  t.deepEqual(words("DefaultDependencies"), ["no"], "the node's would come after basic.target");
  t.deepEqual(words("WantedBy"), ["sysinit.target"]);
  // systemd looks at it again with whatever is started later, also in the midst of a trial.
  const take = readUnit("qkd-site-take.service");
  const [, folder] = /^RuntimeDirectory=(.*)$/m.exec(take) ?? [];
  t.deepEqual(words("ConditionPathExists"), [`!/run/${folder}`]);
  t.regex(take, /^RuntimeDirectoryPreserve=yes$/m);
  t.regex(take, /^ExecStopPost=\/usr\/lib\/qkd-image\/site settle$/m);
});

testWith(
  "systemd-sysusers",
  "users and groups of the units are made by sysusers",
  async (t, path) => {
    const root = mkdtempSync(join(tmpdir(), "qkd-users-"));
    t.teardown(() => rmSync(root, { recursive: true }));
    mkdirSync(join(root, "etc"));
    await run(path, [`--root=${root}`, join(units, "sysusers.conf")]);
    const passwd = await run("cat", [join(root, "etc/passwd"), join(root, "etc/group")]);
    for (const name of [
      "qkd-node:x:971:971:",
      "qkd-panel:x:972:972:",
      "qkd-maintenance:x:973:973:",
      "qkd-site:x:974:974:",
      "qkd-km:x:975:975:",
      "qkd-controller:x:976:976:",
      "qkd-module:x:970:",
    ]) {
      t.true(passwd.stdout.includes(name), name);
    }
  },
);
