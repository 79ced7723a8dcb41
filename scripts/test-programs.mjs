/**
 * The production build that the run of the tests starts its programs from: made anew when anything that goes
 * into it has changed. It is kept below `node_modules`, where others that run their tests may use theirs.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const home = join(root, "node_modules/.cache/test-programs");
/** What is built from. */
const sources = ["src", "drivers", "scripts/build", "LICENSE", "package-lock.json", "package.json"];
/** Builds that no run used for so long are removed, ms. */
const unusedMs = 24 * 3_600_000;

/** @param {string} path @returns {string[]} a file, or those of a folder, in order */
function filesOf(path) {
  const whole = join(root, path);
  if (!statSync(whole).isDirectory()) return [path];
  const files = readdirSync(whole, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(root.length))
    .sort();
}

function fingerprint() {
  const hash = createHash("sha256").update(`${process.version} ${process.arch}\n`);
  for (const file of sources.flatMap(filesOf)) {
    const content = readFileSync(join(root, file));
    hash.update(`${file} ${content.length}\n`).update(content);
  }
  return hash.digest("hex").slice(0, 24);
}

/** Removes what no run used for long. */
function tidy() {
  for (const name of readdirSync(home)) {
    const folder = join(home, name);
    const used = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - used > unusedMs) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @returns {string} the folder of the build
 * @throws Error with what the build said, if it failed
 */
export function testPrograms() {
  const folder = join(home, fingerprint());
  const now = new Date();
  if (!existsSync(folder)) {
    mkdirSync(home, { recursive: true });
    tidy();
    const made = `${folder}.${process.pid}`;
    const args = [join(root, "scripts/build/main.ts"), "--out", made];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`the programs cannot be built:\n${stderr}`);
    // As if it were in the build: whatever the PATH of a test is.
    mkdirSync(join(made, "qkd-node/runtime"));
    symlinkSync(process.execPath, join(made, "qkd-node/runtime/node"));
    try {
      renameSync(made, folder);
    } catch {
      // Another run was first.
      rmSync(made, { recursive: true, force: true });
    }
  }
  utimesSync(folder, now, now);
  return folder;
}
