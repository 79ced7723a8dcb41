import { isAscii } from "node:buffer";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { softwareVersion } from "../../src/base/version.ts";
import { kmPage } from "../../src/km/page/program.ts";
import { loadAssets } from "../../src/ops/page/assets.ts";
import { Broker } from "../emulator/broker.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { testWhole, testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { billProblems, partsOf } from "../rig/bill-check.ts";
import { KmPair } from "../rig/km-pair.ts";
import { withNode } from "../rig/one-node.ts";
import { pskEnds } from "../rig/psk-ends.ts";
import { Rig } from "../rig/rig.ts";
import { SoftHsm } from "../rig/soft-hsm.ts";
import { ask } from "../rig/web-bench.ts";
import { deadline } from "../rig/with-rig.ts";

const builder = fileURLToPath(new URL("../../scripts/build/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "qkd-build-test-"));
const image = join(folder, "qkd-node");
const program = join(image, "bin/qkd-node");

test.before(() => {
  // What the launcher takes where no runtime is in the build.
  process.env.PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
  delete process.env.CACHE_DIRECTORY;
  // It may have to fetch a package for the other architecture.
  const forNpm = Object.entries(process.env).filter(([name]) => /^npm_|^HOME$|_proxy$/i.test(name));
  execFileSync(process.execPath, [builder, "--out", folder], {
    env: { PATH: process.env.PATH, ...Object.fromEntries(forNpm) },
    stdio: "pipe",
  });
});

test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test.serial("the production build starts, supplies keys and stops in order", async (t) => {
  const keys = 20;
  await withNode({ transport: "tls", mode: "proactive", program }, async (bench) => {
    bench.distil(keys);
    await bench.until(
      "all keys are at the KM and released",
      () => bench.km.store.size === keys && bench.end.module.heldBlocks === 0,
    );
    const line = await bench.node.logged(/at=node\.web msg="page"/, patience(30_000));
    const url = /url=(\S+)/.exec(line)?.[1] as string;
    for (const path of ["", "main.js", "uplot.js", "uplot.css", "page.css", "metrics"]) {
      t.is((await fetch(url + path)).status, 200, path);
    }
    t.is(await bench.node.stop(), 0);
    t.true(bench.node.lines.some((line) => line.includes('msg="stopped"')));
  });
});

test.serial("its bill of materials is good, and has nothing that it does not run", async (t) => {
  const text = readFileSync(join(image, "sbom.cdx.json"), "utf8");
  t.deepEqual(await billProblems(text), []);
  const names = partsOf(JSON.parse(text)).map(({ name }) => name);
  for (const name of ["node", "openssl", "v8", "valibot", "mqtt", "uplot", "hidapi", "koffi"]) {
    t.true(names.includes(name), name);
  }
  // Of tests and of the build alone.
  for (const name of ["ava", "esbuild", "@peculiar/x509", "aedes", "ajv", "@types/node"]) {
    t.false(names.includes(name), name);
  }
});

testWhole.serial("its key managers start, take and compare keys, and stop in order", async (t) => {
  const place = join(folder, "kms");
  const modules = ["QKD-A-0001", "QKD-B-0001"] as const;
  const program = join(image, "bin/qkd-km");
  const broker = new Broker();
  t.teardown(() => broker.close());
  const manager = `[manager]\nurl = "mqtt://127.0.0.1:${await broker.listen()}"\nprotocol = 4\n`;
  const web = "port = 0";
  const kms = await KmPair.make({ folder: place, modules, program, web, tables: () => manager });
  t.teardown(() => kms.stop());
  await kms.start(deadline());
  const [blockBits, blocks] = [8_192, 10];
  const rig = await Rig.start({
    source: seedSource({ seed: 11, blockBits, blocks, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    kmAt: { alice: kms.alice.at, bob: kms.bob.at },
  });
  t.teardown(() => rig.close());
  const matched = () => Promise.all(kms.kms.map(async (km) => (await km.status()).links[0]));
  const matched_bits = blocks * blockBits;
  await eventually("all is matched", matched, { is: [{ matched_bits }, { matched_bits }] });
  // Its page has all of its files, and the doctor is in it.
  await eventually("the page", () => kms.alice.page !== undefined, { is: true });
  for (const path of loadAssets(kmPage).keys()) {
    if (path !== "/login") t.is((await ask(kms.alice.page as string, path)).status, 200, path);
  }
  const config = join(place, "alice.toml");
  const report = execFileSync(program, ["doctor", "--config", config], { encoding: "utf8" });
  t.regex(report, /KM km-bob +connected/);
  // And the build's qkd-psk gets a tunnel's key from them.
  const tunnel = `[command]\nrun = ["true"]\n`;
  const psk = join(image, "bin/qkd-psk");
  const ends = await pskEnds({ kms, folder: place, tunnel: [tunnel, tunnel], program: psk });
  for (const end of [ends.slave, ends.master]) {
    t.teardown(() => end.stop());
    end.start();
  }
  await ends.slave.logged(/msg="key in use"/, deadline());
  for (const { process: km } of kms.kms) {
    await km.logged(/msg="broker connected"/, deadline());
    t.is(await km.stop(), 0);
    t.true(km.lines.some((line) => line.includes('msg="stopped"')));
    // Nothing of Node.js' own between, as warnings would be.
    t.deepEqual(
      km.lines.filter((line) => !/^(ts=\S+ )?level=/.test(line)),
      [],
    );
  }
});

testWhole.serial("it runs from wherever it is put, and through a link", (t) => {
  const link = join(folder, "link");
  symlinkSync(program, link);
  t.is(execFileSync(link, ["--version"], { encoding: "utf8", cwd: "/" }).trim(), softwareVersion);
});

testWhole.serial(
  "the chassis panel's process is in it, with what opens a HID device",
  async (t) => {
    const panel = join(image, "bin/qkd-panel");
    t.is(
      execFileSync(panel, ["--version"], { encoding: "utf8", cwd: "/" }).trim(),
      softwareVersion,
    );
    const child = spawn(panel, ["--device", "/dev/null", "--socket", join(folder, "none")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let log = "";
    for await (const text of child.stderr) {
      log += text;
      if (/controller .*why=/.test(log)) child.kill("SIGTERM");
    }
    // Without its library the addon says so itself; it was found either way.
    t.regex(log, /not a HIDRAW device|libusb/);
    t.regex(log, /msg="stopped"/);
  },
);

testWhole.serial("its programs catch signals before they load what takes time", (t) => {
  // Sends the signal as soon as it is caught, and says if anything of weight is there by then.
  const code = `const { on } = process;
process.on = function (name, ...rest) {
  const done = on.call(this, name, ...rest);
  if (name !== "SIGTERM") return done;
  process.on = on;
  if (process.moduleLoadList.includes("NativeModule tls")) console.error("late");
  process.kill(process.pid, name);
  return done;
};`;
  const options = `--import=data:text/javascript,${encodeURIComponent(code)}`;
  const env = { ...process.env, NODE_OPTIONS: options };
  for (const [name, ...args] of [
    ["qkd-node", "run", "--config", "/none"],
    ["qkd-node", "console", "--key", "/none"],
    ["qkd-panel", "--socket", join(folder, "none")],
    ["qkd-km", "run", "--config", "/none"],
    ["qkd-psk", "run", "--config", "/none"],
  ] as const) {
    const ended = spawnSync(join(image, "bin", name), args, { env, encoding: "utf8" });
    t.is(ended.signal, null, name);
    t.is(ended.status, 0, ended.stderr);
    t.notRegex(ended.stderr, /late/, name);
  }
});

testWith("softhsm2-util", "its key manager asks a token for the master key", (t, util) => {
  const place = join(folder, "token");
  mkdirSync(place);
  const hsm = new SoftHsm(util, place);
  hsm.makeToken("site");
  const config = join(place, "km.toml");
  writeFileSync(
    config,
    `[km]\nid = "km-a"\nstate_dir = "${place}/state"\n[store.hsm]\nmodule = "${hsm.module}"\ntoken = "site"\npin_file = "${hsm.pinFile}"\n`,
  );
  for (const act of ["init", "check"]) {
    const args = ["hsm", act, "--config", config];
    const said = spawnSync(join(image, "bin/qkd-km"), args, { encoding: "utf8" });
    t.is(said.status, 0, said.stderr);
    t.regex(said.stdout, /^token +site, serial number /);
  }
});

test.serial("it has no source, map or package folder in it, but every licence and addon", (t) => {
  const files = readdirSync(image, { recursive: true, encoding: "utf8" });
  t.false(files.some((file) => /\.ts$|\.map$|node_modules/.test(file)));
  t.true(existsSync(join(folder, "maps/qkd-node.js.map")));
  // One character of another kind, and the program takes two bytes of memory for each.
  for (const file of files.filter((name) => /^lib\/[^/]+\.c?js$/.test(name))) {
    t.true(isAscii(readFileSync(join(image, file))), file);
  }
  for (const architecture of ["arm64", "x64"]) {
    for (const name of ["serialport", "node-hid", "koffi"]) {
      const addon = readFileSync(join(image, "lib/addons", architecture, `${name}.node`));
      // e_machine of the ELF header: 183 is AArch64, 62 is x86-64.
      t.is(addon.readUInt16LE(18), architecture === "arm64" ? 183 : 62);
    }
  }
  const licences = readFileSync(join(image, "licences.txt"), "utf8");
  for (const name of [
    "serialport",
    "mqtt",
    "smol-toml",
    "valibot",
    "lowdb",
    "uplot",
    "node-hid",
    "koffi",
    "@bufbuild/protobuf",
  ]) {
    t.regex(licences, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+: `, "m"));
  }
  // Nobody can ask it for what the packages read and write.
  t.false(readFileSync(join(image, "lib/qkd-node.js"), "utf8").includes("env.DEBUG"));
});

testWhole.serial("its programs start with the code that was compiled, if that is whole", (t) => {
  const looks = join(folder, "looks.cjs");
  writeFileSync(
    looks,
    `const vm = require("node:vm");
vm.Script = class extends vm.Script {
  constructor(...args) {
    super(...args);
    console.error("refused:", this.cachedDataRejected);
  }
};`,
  );
  const env = { ...process.env, NODE_OPTIONS: `--require=${looks}` };
  const start = (name: string) => {
    const ended = spawnSync(join(image, "bin", name), ["--version"], { env, encoding: "utf8" });
    t.is(ended.stdout, `${softwareVersion}\n`, ended.stderr);
    return ended.stderr;
  };
  for (const name of ["qkd-node", "qkd-km"]) {
    const file = join(image, "code", `${name}-${process.arch}`);
    const code = readFileSync(file);
    t.is(start(name), "refused: false\n");
    // A bit of the code, and one of the check sum of the program.
    for (const at of [code.length >> 1, 0]) {
      const torn = Buffer.from(code);
      torn.writeUInt8(torn.readUInt8(at) ^ 1, at);
      writeFileSync(file, torn);
      t.is(start(name), "refused: undefined\n");
    }
    writeFileSync(file, code);
  }
});
