/** Builds the module in C of `test/peer` with the system's compiler. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../peer/", import.meta.url));
const flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"];

/** @returns the program's path; built anew only when its source changed */
export function buildPeer(): string {
  const files = readdirSync(folder).filter((name) => /\.[ch]$/.test(name));
  const digest = createHash("sha256").update(flags.join(" "));
  for (const name of files) digest.update(name).update(readFileSync(join(folder, name)));
  const cache = join(tmpdir(), `qkd-peer-${process.getuid?.()}`);
  const path = join(cache, digest.digest("hex").slice(0, 16));
  if (existsSync(path)) return path;
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const sources = files.filter((name) => name.endsWith(".c")).map((name) => join(folder, name));
  // Others may be building at the same time: whoever is done last wins, with the same result.
  const temporary = `${path}.${process.pid}`;
  execFileSync("cc", [...flags, "-o", temporary, ...sources], { stdio: "inherit" });
  renameSync(temporary, path);
  return path;
}
