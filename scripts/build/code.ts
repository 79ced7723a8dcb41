/**
 * Compiled code that is shipped with the build: a third of a start is compiling without it, and each start is as quick as
 * every other. Each daemon is run until it says that it starts, with a configuration that has it load what it needs.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** On an emulated processor, on a busy machine; ms. */
const patience = 300_000;

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

/** Programs of which the build has compiled code. */
export const compiledAhead: readonly string[] = Object.keys(daemons);

const keeper = fileURLToPath(new URL("keep-code.cjs", import.meta.url));

/** How Node.js of the build's architecture is run on this machine. */
export interface Runtime {
  readonly command: string;
  readonly args: readonly string[];
  /** As Node.js names it. */
  readonly architecture: string;
}

/**
 * Fills `build`/code, which comes out the same each time.
 * @throws Error if a daemon did not start
 */
export async function compileAhead(build: string, runtime: Runtime): Promise<void> {
  const code = join(build, "code");
  mkdirSync(code, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), "qkd-build-"));
  try {
    writeFileSync(join(folder, "master"), randomBytes(32), { mode: 0o600 });
    for (const [name, configOf] of Object.entries(daemons)) {
      const config = join(folder, `${name}.toml`);
      writeFileSync(config, configOf(folder), { mode: 0o600 });
      const program = join(build, "lib", `${name}.cjs`);
      // What is hashed by chance comes out in another order each time.
      const flags = ["--hash-seed=1", "--random-seed=1", "--require", keeper];
      await promisify(execFile)(
        runtime.command,
        [...runtime.args, ...flags, program, "run", "--config", config],
        {
          env: { QKD_CODE: join(code, `${name}-${runtime.architecture}`) },
          timeout: patience,
          killSignal: "SIGKILL",
        },
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
