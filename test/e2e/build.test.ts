import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { softwareVersion } from "../../src/version.ts";
import { withNode } from "../rig/one-node.ts";

const builder = fileURLToPath(new URL("../../scripts/build/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "qkd-build-test-"));
const image = join(folder, "qkd-node");
const program = join(image, "bin/qkd-node");

test.before(() => {
  // What the launcher takes where no runtime is in the build.
  process.env.PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
  delete process.env.CACHE_DIRECTORY;
  execFileSync(process.execPath, [builder, "--out", folder], {
    env: { PATH: process.env.PATH },
    stdio: "pipe",
  });
});

test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test.serial("the production build starts, supplies keys and stops in order", async (t) => {
  const keys = 20;
  await withNode({ transport: "tls", mode: "proactive", program }, async (bench) => {
    bench.distil(keys);
    await bench.until(() => bench.km.store.size === keys && bench.end.module.heldBlocks === 0);
    t.is(await bench.node.stop(), 0);
    t.true(bench.node.lines.some((line) => line.includes('msg="stopped"')));
  });
});

test.serial("it runs from wherever it is put, and through a link", (t) => {
  const link = join(folder, "link");
  symlinkSync(program, link);
  t.is(execFileSync(link, ["--version"], { encoding: "utf8", cwd: "/" }).trim(), softwareVersion);
});

test.serial("its panel program and its commands run", (t) => {
  const run = (name: string, ...args: string[]) =>
    execFileSync(join(image, "bin", name), args, { encoding: "utf8" });
  t.is(run("qkd-panel", "--version").trim(), softwareVersion);
  t.regex(run("qkd-node", "--help"), /qkd-node run/);
  t.regex(run("qkd-node", "completion", "bash"), /qkd-node/);
});

test.serial("it has no source and no map in it, but the page, and every licence and addon", (t) => {
  const files = readdirSync(image, { recursive: true, encoding: "utf8" });
  t.false(files.some((file) => /\.ts$|\.map$|tsconfig/.test(file)));
  t.true(existsSync(join(image, "lib/page/index.html")));
  const bundle = createRequire(join(image, "lib/qkd-node.cjs"));
  t.notThrows(() => bundle.resolve("uplot/dist/uPlot.min.css"));
  t.true(existsSync(join(folder, "maps/qkd-node.cjs.map")));
  for (const architecture of ["arm64", "x64"]) {
    for (const name of ["serialport", "hid"]) {
      const addon = readFileSync(join(image, "lib/addons", architecture, `${name}.node`));
      // e_machine of the ELF header: 183 is AArch64, 62 is x86-64.
      t.is(addon.readUInt16LE(18), architecture === "arm64" ? 183 : 62);
    }
  }
  const licences = readFileSync(join(image, "licences.txt"), "utf8");
  for (const name of ["serialport", "node-hid", "mqtt", "smol-toml", "valibot", "lowdb", "uplot"]) {
    t.regex(licences, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+: `, "m"));
  }
  // Nobody can ask it for what the packages read and write.
  t.false(readFileSync(join(image, "lib/qkd-node.cjs"), "utf8").includes("env.DEBUG"));
});

test.serial("compiled code is in it for the user who asked", (t) => {
  const [name = ""] = readdirSync(join(image, "cache"));
  t.regex(name, new RegExp(`-${process.arch}-.*-${process.getuid?.()}$`));
  t.true(readdirSync(join(image, "cache", name)).length >= 2);
});
