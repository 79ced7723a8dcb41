/** `scripts/image devices`: what a board's device tree has, and what drives each of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Board } from "./board.ts";
import { makeDeviceTree, readKernel, treeOf } from "./kernel.ts";
import { fetchPackages, readLock } from "./packages.ts";
import { unpackKernel } from "./rootfs.ts";
import { ImageError, need } from "./run.ts";

/** @returns a line for each enabled device. @throws ImageError that names those which nothing drives */
export async function devices(board: Board): Promise<string[]> {
  if (board.device_tree === undefined) {
    throw new ImageError(
      `${board.id} names no device_tree: what it needs is in its lists of modules`,
    );
  }
  need("dtc", "depmod", "dpkg-deb");
  const lock = readLock(board);
  const packages = lock.packages.filter(({ name }) => name.startsWith("linux-image-"));
  const kernels = { ...lock, packages };
  await fetchPackages(kernels);
  const folder = await mkdtemp(join(tmpdir(), "qkd-devices-"));
  try {
    await unpackKernel(kernels, join(folder, "kernel"));
    const kernel = await readKernel(join(folder, "kernel"));
    const tree = await makeDeviceTree(board, kernel, folder);
    if (tree === undefined) return [];
    const found = await treeOf(board, kernel, tree);
    const width = Math.max(...found.devices.map(({ node }) => node.path.length));
    return found.devices.map(({ node, modules }) => {
      const early = modules.some((name) => found.early.includes(name)) ? ", early" : "";
      const by = modules.length === 0 ? "the kernel itself" : `${modules.join(" ")}${early}`;
      return `${node.path.padEnd(width)}  ${by}`;
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}
