/** The daemon's production build, as systemd starts it. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

let built: string | undefined;

/** The production build; made once, gone when the run ends. */
function production(): string {
  if (built === undefined) {
    const folder = mkdtempSync(join(tmpdir(), "qkd-bench-build-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    const args = [join(root, "scripts/build/main.ts"), "--out", folder];
    execFileSync(process.execPath, args, { stdio: "pipe" });
    built = folder;
  }
  return built;
}

/** What systemd starts. */
export function launcher(program: "qkd-node" | "qkd-km" | "qkd-controller" = "qkd-node"): string {
  return join(production(), "qkd-node/bin", program);
}

/** As systemd starts it; or the same without the code that was compiled ahead. */
export function bundle(compiled: boolean): readonly string[] {
  const path = `PATH=${dirname(process.execPath)}:${process.env.PATH}`;
  const start = ["/usr/bin/env", "-u", "CACHE_DIRECTORY", path];
  if (compiled) return [...start, launcher()];
  const without = join(production(), "without");
  if (!existsSync(without)) {
    cpSync(join(production(), "qkd-node"), without, { recursive: true });
    rmSync(join(without, "code"), { recursive: true });
  }
  return [...start, join(without, "bin/qkd-node")];
}
