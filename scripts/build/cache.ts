/**
 * Compiled code that is shipped with the build, so that the first start is as quick as every other.
 * Node.js writes it when a process ends: a node is run for a moment that finds neither module nor KM.
 */
import { spawn } from "node:child_process";
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

/** A node without anything to do has compiled what a start needs after this long, ms. */
const runFor = 1_500;

/**
 * Fills `image`/cache with the code of `program` as `runtime` compiles it.
 * @param uid Node.js takes only the cache of its own user
 * @throws Error if the node did not run
 */
export async function warmCache(
  image: string,
  program: string,
  runtime: string,
  uid: number,
): Promise<void> {
  const cache = join(image, "cache");
  mkdirSync(cache);
  const folder = mkdtempSync(join(tmpdir(), "qkd-build-"));
  const config = join(folder, "node.toml");
  writeFileSync(
    config,
    `node = { id = "build", state_dir = ${JSON.stringify(join(folder, "state"))} }
manager.url = "mqtt://127.0.0.1:9"
km.none = { host = "127.0.0.1", port = 9, transport = "plain" }
module = [{ name = "none", km = "none", driver = { kind = "qmlp-socket", address = ${JSON.stringify(`unix:${join(folder, "none")}`)} } }]
`,
    { mode: 0o600 },
  );
  try {
    const child = spawn(runtime, [join(image, "lib", program), "run", "--config", config], {
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
    if (code !== 0) throw new Error(`the node does not run (exit code ${code}):\n${log}`);
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
