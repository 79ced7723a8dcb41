/** What the machine refuses the tools of `scripts` is a line for who typed them, and names what was refused. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { testWith } from "../../needs.ts";

const scripts = fileURLToPath(new URL("../../../scripts/", import.meta.url));

function box(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-tool-errors-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** @param limit of the shell, such as how long a file may become */
function tool(name: string, args: readonly string[], limit = ":") {
  return program(join(scripts, `${name}.d/main.ts`), args, limit);
}

function program(main: string, args: readonly string[], limit = ":") {
  const line = ["-c", `${limit}; exec "$@"`, "sh", process.execPath, main, ...args];
  const { status, stderr } = spawnSync("sh", line, { encoding: "utf8" });
  return { status, stderr };
}

test("where no folder can be made is named, without a stack", (t) => {
  const file = join(box(t), "file");
  writeFileSync(file, "");
  const to = join(file, "out");
  const refused = { status: 1, stderr: `deb: ENOTDIR: not a directory, mkdir '${to}'\n` };
  t.deepEqual(tool("deb", ["--out", to]), refused);
});

test("so it is by the build, by mutants, and before the first start", (t) => {
  const folder = box(t);
  const file = join(folder, "file");
  writeFileSync(file, "");
  const to = join(file, "out");
  t.deepEqual(program(join(scripts, "build/main.ts"), ["--out", to]), {
    status: 1,
    stderr: `build: ENOTDIR: not a directory, mkdir '${join(to, "qkd-node/lib")}'\n`,
  });
  const mutants = program(join(scripts, "mutants.ts"), [], `export TMPDIR=${file}`);
  t.is(mutants.status, 1);
  t.true(mutants.stderr.startsWith("mutants: ENOTDIR: not a directory, mkdtemp "), mutants.stderr);
  t.is(mutants.stderr.split("\n").length, 2);
  // Only what the bootstrap reads.
  mkdirSync(join(folder, "clone/scripts"), { recursive: true });
  for (const name of ["scripts/bootstrap.mjs", "package.json", "package-lock.json"]) {
    copyFileSync(join(scripts, "..", name), join(folder, "clone", name));
  }
  const first = program(join(folder, "clone/scripts/bootstrap.mjs"), [], "ulimit -f 0");
  t.is(first.status, 1);
  t.regex(first.stderr, /^bootstrap: EFBIG: file too large, write, in .*\/clone\/\n$/);
});

test("a number of mutants that is none is a wrong command line", (t) => {
  const { status, stderr } = program(join(scripts, "mutants.ts"), ["--count", "many"]);
  t.is(status, 64);
  t.regex(stderr, /^--count: expected 1 to 999999\n/);
});

testWith("sfdisk", "a disk that takes no more is named, and how far it was written", (t) => {
  const folder = box(t);
  const [from, to] = [join(folder, "disk.img"), join(folder, "disk")];
  for (const file of [from, to]) {
    writeFileSync(file, "");
    truncateSync(file, 4 << 20);
  }
  const { status, stderr } = tool("image", ["flash", "--from", from, "--to", to], "ulimit -f 1024");
  t.is(status, 1);
  t.true(stderr.startsWith(`image: ${from} onto ${to}, after `), stderr);
  t.regex(stderr, / of 4194304 bytes: EFBIG: .*\. The disk is not to be used\n$/);
});

testWith("zstd", "what is no image is named", (t) => {
  const folder = box(t);
  const [from, to] = [join(folder, "bad.img.zst"), join(folder, "disk")];
  for (const file of [from, to]) writeFileSync(file, "no image\n");
  const { status, stderr } = tool("image", ["flash", "--from", from, "--to", to]);
  t.is(status, 1);
  t.true(stderr.startsWith(`image: ${from} is no whole image: `), stderr);
});
