/**
 * Packages for an architecture that is not this machine's: npm installs those of its own alone. They are fetched
 * by npm once, and are what `package-lock.json` says that they are.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = join(root, "node_modules/.cache/foreign");
const require = createRequire(import.meta.url);

/** Folder of a package that the lockfile names. @throws Error if it can't be had, or is another */
export function packageFolder(id: string): string {
  try {
    return dirname(require.resolve(`${id}/package.json`));
  } catch {
    return fetched(id);
  }
}

function fetched(id: string): string {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const { version, integrity } = lock.packages[`node_modules/${id}`] ?? {};
  if (version === undefined) throw new Error(`${id} is not in package-lock.json`);
  const folder = join(cache, `${id.replace("/", "+")}-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "new-"));
  try {
    const args = ["pack", `${id}@${version}`, "--pack-destination", work, "--json", "--silent"];
    const [packed] = JSON.parse(execFileSync("npm", args, { cwd: work, encoding: "utf8" }));
    const file = join(work, packed.filename);
    const sum = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`;
    if (sum !== integrity) throw new Error(`${id} is not the one of package-lock.json`);
    execFileSync("tar", ["-xzf", file, "-C", work]);
    renameSync(join(work, "package"), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
