/**
 * Compiled code that is shipped with the build, so that the first start is as quick as every other.
 * Node.js writes it when a process ends: each daemon is run for a moment that finds nothing to connect to.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A daemon without anything to do has compiled what a start needs after this long, ms. */
const runFor = 1_500;

/** Daemons, each with a configuration that has it load all of what it needs. */
const daemons: Readonly<Record<string, (folder: string) => string>> = {
  "qkd-node": (
    folder,
  ) => `node = { id = "build", state_dir = ${JSON.stringify(join(folder, "node"))} }
manager.url = "mqtt://127.0.0.1:9"
km.none = { host = "127.0.0.1", port = 9, transport = "plain" }
module = [{ name = "none", km = "none", driver = { kind = "qmlp-socket", address = ${JSON.stringify(`unix:${join(folder, "none")}`)} } }]
`,
  "qkd-km": (folder) => `km = { id = "build", state_dir = ${JSON.stringify(join(folder, "km"))} }
store.master_key_file = "master"
kq1 = { host = "127.0.0.1", port = 0, plain = true }
`,
};

/**
 * Fills `image`/cache with the code of every daemon as `runtime` compiles it.
 * @param uid Node.js takes only the cache of its own user
 * @throws Error if a daemon did not run
 */
export async function warmCache(image: string, runtime: string, uid: number): Promise<void> {
  const cache = join(image, "cache");
  mkdirSync(cache);
  const folder = mkdtempSync(join(tmpdir(), "qkd-build-"));
  try {
    writeFileSync(join(folder, "master"), randomBytes(32), { mode: 0o600 });
    for (const [name, config] of Object.entries(daemons)) {
      const file = join(folder, `${name}.toml`);
      writeFileSync(file, config(folder), { mode: 0o600 });
      await runOnce(join(image, "lib", `${name}.cjs`), file, { runtime, cache });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  // The folder's name is version, architecture, flags and user.
  for (const name of readdirSync(cache)) {
    const own = join(cache, name.replace(/-\d+$/, `-${uid}`));
    renameSync(join(cache, name), own);
    // Node.js writes them for their owner only; here the builder owns them.
    for (const file of readdirSync(own)) chmodSync(join(own, file), 0o644);
  }
}

/** @throws Error if it does not run, and stop when it is told to */
async function runOnce(
  program: string,
  config: string,
  { runtime, cache }: { readonly runtime: string; readonly cache: string },
): Promise<void> {
  const child = spawn(runtime, [program, "run", "--config", config], {
    env: { NODE_COMPILE_CACHE: cache, NODE_COMPILE_CACHE_PORTABLE: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (text: Buffer) => {
    log += text;
  });
  // From its first word on: before that a slow machine may not have come to where signals are handled.
  let timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  child.stderr.once("data", () => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill("SIGTERM"), runFor);
  });
  const [code] = await once(child, "close");
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${program} does not run (exit code ${code}):\n${log}`);
}
