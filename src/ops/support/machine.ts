/** What a bundle tells of the machine, of its journal, of the state's files, and what it must not. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import * as os from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { readRegular } from "../../host/disk/regular-file.ts";
import type { Secret } from "../bundle/guard.ts";

const run = promisify(execFile);

function text(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}

export function machineFacts() {
  const { node, openssl, v8, uv } = process.versions;
  const release = text("/etc/os-release") ?? "";
  const pretty = /^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1];
  return {
    runtime: { node, openssl, v8, uv, arch: process.arch },
    system: { name: pretty, kernel: os.release(), version: os.version() },
    uptime_s: Math.floor(os.uptime()),
    load: os.loadavg(),
    processors: os.availableParallelism(),
    memory: { total: os.totalmem(), free: os.freemem() },
    addresses: Object.fromEntries(
      Object.entries(os.networkInterfaces()).map(([name, list = []]) => [
        name,
        list.map(({ address }) => address),
      ]),
    ),
  };
}

/** Lines of the unit's journal; none where there is no journal, or it may not be read. */
export async function journalLines(unit: string): Promise<readonly string[]> {
  try {
    const args = ["--no-pager", "--quiet", "--output=short-iso", `--unit=${unit}`, "--lines=4000"];
    const { stdout } = await run("journalctl", args, { timeout: 10_000, maxBuffer: 8_388_608 });
    return stdout.trim() === "" ? [] : stdout.trimEnd().split("\n");
  } catch {
    return [];
  }
}

/** Names, sizes and times of a state folder's files. */
export function stateFiles(folder: string) {
  const { bavail, blocks, bsize } = statfsSync(folder);
  return {
    folder,
    disk: { bytes: blocks * bsize, free: bavail * bsize },
    files: readdirSync(folder).map((name) => {
      const { size, mode, mtime } = statSync(join(folder, name));
      return { name, bytes: size, mode: (mode & 0o7777).toString(8), changed: mtime.toISOString() };
    }),
  };
}

/** Keys of the configuration whose files hold a secret. */
function isSecret(key: string): boolean {
  return key === "key" || key.endsWith("_file");
}

/**
 * Private keys and passwords that a configuration names, good or not, as far as they may be read.
 * @param file of the configuration: names are relative to it
 */
export function secretsOf(table: unknown, file: string, path = ""): Secret[] {
  if (typeof table !== "object" || table === null) return [];
  return Object.entries(table).flatMap(([key, value]) => {
    const name = path === "" ? key : `${path}.${key}`;
    if (typeof value !== "string") return secretsOf(value, file, name);
    if (!isSecret(key)) return [];
    try {
      return [{ name, content: readRegular(resolve(dirname(file), value)) }];
    } catch {
      return [];
    }
  });
}
