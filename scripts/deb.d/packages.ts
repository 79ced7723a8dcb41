/** Makes Debian packages: the production build of each architecture, and what is beside it. */
import { cp, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { softwareVersion } from "../../src/base/version.ts";
import { root } from "../image.d/board.ts";
import { need, run, setEpoch, step } from "../image.d/run.ts";
import { type Architecture, productionBuild, settle } from "../image.d/runtime.ts";
import { sourceCommit } from "./commit.ts";
import { fillTree } from "./tree.ts";

/** @returns paths of the packages */
export async function makePackages(
  out: string,
  asked: readonly Architecture[],
  revision: string,
  named?: string,
): Promise<string[]> {
  need("dpkg-deb", "gzip");
  const { seconds, author } = await sourceCommit();
  setEpoch(seconds);
  const maintainer = named ?? author;
  const work = join(out, "work");
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const build = await step("production build", () => productionBuild(work, "amd64"));
  const made: string[] = [];
  for (const architecture of asked) {
    const tree = join(work, architecture);
    const version = `${softwareVersion}-${revision}`;
    const file = join(out, `qkd-node_${version}_${architecture}.deb`);
    await step(file, async () => {
      // Addons of the other one are there only before it is settled.
      const own = architecture === "amd64" ? build : await foreign(work, architecture);
      await mkdir(join(tree, "usr/lib"), { recursive: true });
      await cp(own, join(tree, "usr/lib/qkd-node"), { recursive: true });
      await fillTree(tree, {
        version,
        architecture,
        maintainer,
        seconds,
        host: build,
      });
      await packTree(tree, file);
    });
    made.push(file);
  }
  await rm(work, { recursive: true });
  return made;
}

/** Packs it beside the tree, and gives it its name once it is whole: one that was cut short is taken for no package. */
export async function packTree(tree: string, file: string): Promise<void> {
  const unfinished = `${tree}.deb`;
  await run("dpkg-deb", ["--root-owner-group", "-Zxz", "-z1", "--build", tree, unfinished]);
  await rename(unfinished, file);
}

/** A build for an architecture that is not this machine's. */
async function foreign(work: string, architecture: Architecture): Promise<string> {
  const own = join(work, `build-${architecture}`);
  await mkdir(own);
  const builder = join(root, "scripts/build/main.ts");
  await run(process.execPath, [builder, "--out", own], { cwd: root });
  await settle(join(own, "qkd-node"), architecture);
  return join(own, "qkd-node");
}
