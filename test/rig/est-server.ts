/** A server of EST that is not ours (`test/peer-est`), with an authority of the test's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Authority } from "../emulator/certificates.ts";

const program = fileURLToPath(new URL("../peer-est/server.py", import.meta.url));

export type EstMode = "later" | "day" | "approve" | "refuse" | "silent" | "stranger" | "ber";

export interface EstServerProcess {
  readonly url: string;
  /** Requests so far: method, path, status. */
  readonly requests: readonly string[];
  /** undefined: as it should. */
  behave(mode: EstMode | undefined): void;
  stop(): Promise<void>;
}

/** @param folder of its own, made here */
export async function startEstServer(
  python: string,
  folder: string,
  ca: Authority,
): Promise<EstServerProcess> {
  mkdirSync(folder, { recursive: true });
  const own = await ca.issue({ commonName: "est", dns: ["localhost"], usage: "server", days: 390 });
  const files = { "ca.crt": ca.cert, "ca.key": await ca.exportKey() };
  const all = { ...files, "server.crt": own.cert, "server.key": own.key };
  for (const [name, text] of Object.entries(all)) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  const child = spawn(python, [program, folder, "localhost"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exited = once(child, "exit");
  const requests: string[] = [];
  const lines = createInterface(child.stdout);
  const [port] = (await once(lines, "line")) as [string];
  lines.on("line", (line) => requests.push(line));
  const modeFile = join(folder, "mode");
  return {
    url: `https://localhost:${port}/.well-known/est`,
    requests,
    behave: (mode) =>
      mode === undefined ? rmSync(modeFile, { force: true }) : writeFileSync(modeFile, mode),
    async stop() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
