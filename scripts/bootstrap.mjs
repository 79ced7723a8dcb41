/**
 * Makes `node_modules` what `package-lock.json` says, with the Node.js version pinned there, or
 * returns at once when it already is. Runs before `npm start`, `npm test` and `scripts/qkd-node`.
 *
 * Plain JavaScript without dependencies, for any Node.js from 20 on: it runs before the pinned one
 * is there. Everything it prints goes to standard error, so that the output of what runs after it
 * stays clean.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = join(root, "node_modules");
const stampFile = join(modules, ".qkd-bootstrap");
const runtime = join(modules, ".bin", "node");

/** Outside node_modules, which `npm ci` removes; `*.tmp` is ignored by git. */
const lock = join(root, ".bootstrap.tmp");
const ownerFile = join(lock, "owner");
/** Longer than an installation takes on a slow machine. */
const lockWaitMs = 15 * 60_000;
/** A lock whose owner was not written within this time is void. */
const ownerlessMs = 10_000;

class BootstrapError extends Error {}

try {
  bootstrap();
} catch (error) {
  // What the machine refuses, such as room on its disk, is for who typed the command as well.
  if (!(error instanceof BootstrapError) && error.syscall === undefined) throw error;
  say(error.path === undefined ? `${error.message}, in ${root}` : error.message);
  process.exitCode = 1;
}

function bootstrap() {
  const wanted = readWanted();
  if (installed(wanted)) {
    renewStamp();
    return;
  }
  takeLock();
  try {
    // The lock's owner before may have done the work.
    if (!installed(wanted)) install(wanted);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** What `node_modules` has to be: the pinned Node.js version, and the text of the stamp. */
function readWanted() {
  const lockfile = read("package-lock.json");
  const version = JSON.parse(read("package.json")).dependencies.node;
  const digest = createHash("sha256").update(lockfile).digest("hex");
  return { version, stamp: `${digest} ${process.platform}-${process.arch} node-${version}\n` };
}

function read(name) {
  try {
    return readFileSync(join(root, name), "utf8");
  } catch (error) {
    throw new BootstrapError(`cannot read ${join(root, name)}: ${error.code}`);
  }
}

function installed(wanted) {
  return readIfThere(stampFile) === wanted.stamp && runtimeVersion() === `v${wanted.version}`;
}

function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Newer than the lockfile it tells `scripts/qkd-node` at a glance that there is nothing to do. */
function renewStamp() {
  try {
    const now = new Date();
    utimesSync(stampFile, now, now);
  } catch {
    // An installation of another tool: it is asked each time.
  }
}

function runtimeVersion() {
  const { status, stdout } = spawnSync(runtime, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

function install(wanted) {
  say("installing the dependencies in package-lock.json (npm ci): once, for about a minute");
  say("without a network npm tries for some minutes before it says so");
  // npm itself must not run on the Node.js in node_modules, which it is about to remove.
  const path = (process.env.PATH ?? "").split(delimiter);
  const outside = path.filter((folder) => !folder.includes("node_modules")).join(delimiter);
  // Errors only: npm warns that packages want a newer Node.js than the one that it runs on itself.
  // They get it, it is one of them; and what an installation lacks is found out below.
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    env: { ...process.env, PATH: outside },
    // npm's standard output too goes to our standard error.
    stdio: ["ignore", 2, 2],
  });
  if (npm.error?.code === "ENOENT") {
    throw new BootstrapError("npm was not found: install Node.js 20 or later together with npm");
  }
  if (npm.error !== undefined) throw new BootstrapError(`cannot run npm: ${npm.error.code}`);
  if (npm.status !== 0) {
    const how = npm.signal === null ? `exit code ${npm.status}` : `signal ${npm.signal}`;
    throw new BootstrapError(
      `npm ci failed (${how}); its own messages are above, and \`npm ci\` by itself says more`,
    );
  }
  const version = runtimeVersion();
  if (version !== `v${wanted.version}`) {
    throw new BootstrapError(
      `npm ci succeeded, but node_modules/.bin/node is ${version ?? "missing"} instead of ` +
        `v${wanted.version}: does npm's configuration forbid install scripts (ignore-scripts)?`,
    );
  }
  writeFileSync(stampFile, wanted.stamp);
}

/**
 * The lock is a folder, since making one is atomic, with the owner's process ID in a file. A lock
 * whose owner is dead is taken over, which again only one process can do at a time.
 */
function takeLock() {
  const deadline = Date.now() + lockWaitMs;
  for (let waits = 0; ; waits++) {
    if (made(lock) || takenOver()) {
      writeFileSync(`${ownerFile}.new`, String(process.pid));
      renameSync(`${ownerFile}.new`, ownerFile);
      rmSync(join(lock, "takeover"), { recursive: true, force: true });
      return;
    }
    if (Date.now() > deadline) {
      throw new BootstrapError(
        `another bootstrap does not end; if none is running, remove ${lock}`,
      );
    }
    if (waits === 0) say("waiting for another bootstrap to finish");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
}

function takenOver() {
  if (!abandoned() || !made(join(lock, "takeover"))) return false;
  // The lock may have changed hands after the first look; from here on it can't.
  if (abandoned()) return true;
  rmSync(join(lock, "takeover"), { recursive: true, force: true });
  return false;
}

function abandoned() {
  const owner = Number(readIfThere(ownerFile));
  if (Number.isInteger(owner) && owner > 0) return !alive(owner);
  try {
    return Date.now() - statSync(lock).mtimeMs > ownerlessMs;
  } catch {
    return false; // gone: the next round makes it
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** True if this call made the folder. */
function made(folder) {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    // ENOENT: the lock that the folder is in has been released meanwhile.
    if (error.code === "EEXIST" || error.code === "ENOENT") return false;
    throw new BootstrapError(`cannot make ${folder}: ${error.code}`);
  }
}

function say(message) {
  process.stderr.write(`bootstrap: ${message}\n`);
}
