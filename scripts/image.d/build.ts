/** `scripts/image build`: from packages and sources to what is flashed, step by step. */
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { softwareVersion } from "../../src/base/version.ts";
import { readKeys } from "../../src/ops/site/manifest.ts";
import type { Board } from "./board.ts";
import { makeBundle } from "./bundle.ts";
import { loaderFiles, makeFirst, makeKernel } from "./chain.ts";
import { makeDisk } from "./disk.ts";
import {
  installModules,
  makeDeviceTree,
  makeInitramfs,
  markKernel,
  modulesOf,
  readKernel,
  treeOf,
} from "./kernel.ts";
import { signingKeys } from "./keys.ts";
import { fetchPackages, readLock } from "./packages.ts";
import * as rootfs from "./rootfs.ts";
import { ImageError, need, run, setEpoch, step } from "./run.ts";
import { compileFor, productionBuild, programsBill, runtime } from "./runtime.ts";
import { bill } from "./sbom.ts";
import * as sealed from "./sealed.ts";
import { verifySame } from "./verify.ts";

export interface BuildOptions {
  readonly board: Board;
  /** Folder for what is made. */
  readonly out: string;
  /** Of the image; the software's own unless a test makes another. */
  readonly version: string | undefined;
  readonly keys: string | undefined;
  /** Larger, and sooner. */
  readonly quick: boolean;
  /** Folder of the maker's firmware. */
  readonly firmware: string | undefined;
  /** More of the kernel's command line; for tests. */
  readonly cmdline?: readonly string[];
  /** Leaves out what only carries the image: update bundle, compressed disk. */
  readonly bare?: boolean;
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;

/** Builds it a second time, somewhere else. @throws ImageError if the two are not the same, bit by bit */
export async function buildAgain(options: BuildOptions): Promise<void> {
  const out = `${options.out}.again`;
  await rm(out, { recursive: true, force: true });
  await buildImage({ ...options, out, bare: true });
  const files = await step("comparing", () => verifySame(options.out, out));
  await rm(out, { recursive: true });
  process.stdout.write(`built twice: all ${files} files the same, bit by bit\n`);
}

export async function buildImage({
  board,
  out,
  version = softwareVersion,
  keys: folder,
  cmdline: more = [],
  firmware,
  quick,
  bare = false,
}: BuildOptions) {
  need(
    "dpkg-deb",
    "mksquashfs",
    "veritysetup",
    "genimage",
    "mkfs.vfat",
    "mcopy",
    "sbsign",
    "faketime",
    "openssl",
  );
  need(
    "aarch64-linux-gnu-objcopy",
    "depmod",
    "systemctl",
    "systemd-sysusers",
    "zstd",
    "npm",
    "rauc",
  );
  if (board.device_tree !== undefined) need("dtc");
  if (board.boot === "uboot") need("mkimage", "dtc");
  const began = performance.now();
  const lock = readLock(board);
  const date = Date.parse(`${lock.date}T00:00:00Z`) / 1_000;
  setEpoch(date);
  const work = join(out, "work");
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const tree = join(work, "root");
  const keys = await signingKeys(folder);
  if (keys.development) {
    process.stderr.write(`         signing with this machine's development keys: ${keys.folder}\n`);
  }

  await step(`${lock.packages.length} packages of ${lock.release}, as of ${lock.date}`, () =>
    fetchPackages(lock),
  );
  const build = await step(`production build, Node.js ${runtime.version}`, () =>
    productionBuild(work),
  );
  await step("unpacking", async () => {
    await rootfs.unpack(lock, tree);
    await rootfs.unpackKernel(lock, join(work, "kernel"));
  });
  await keepLoader(tree, out);
  await step("our own files, users, units", async () => {
    await rootfs.prune(board, tree);
    await rootfs.overlay(board, tree, build);
    rootfs.noTestService(board, tree, more);
    await rootfs.users(board, tree);
    await rootfs.presets(board, tree);
    await rootfs.identify(tree, { version, board, development: keys.development });
    await cp(keys.updateAuthority, join(tree, "etc/rauc/keyring.pem"));
    await pinSiteKeys(keys.siteKeys, tree);
    const rauc = join(tree, "etc/rauc/system.conf");
    const text = await readFile(rauc, "utf8");
    await writeFile(rauc, text.replace("@COMPATIBLE@", board.compatible));
    await rootfs.mountPoints(tree);
  });
  await step("compiling ahead", () => compileFor(join(tree, "usr/lib/qkd-node"), "arm64", tree));
  const kernel = await readKernel(join(work, "kernel"));
  const initramfs = join(out, "initramfs.img");
  const deviceTree = await step(`kernel ${kernel.version}: modules, initramfs`, async () => {
    const path = await makeDeviceTree(board, kernel, work);
    const devices = path === undefined ? undefined : await treeOf(board, kernel, path);
    const names = modulesOf(board, devices);
    await installModules(kernel, names.all, tree);
    await makeInitramfs(board, kernel, names.early, tree, initramfs);
    await cp(kernel.image, join(out, "vmlinuz"));
    await markKernel(board, kernel, tree);
    if (path !== undefined) await cp(path, join(out, "board.dtb"));
    return path;
  });
  await step("bill of materials", async () => {
    const programs = await programsBill(build);
    const made = await bill(lock, { version, board, tree, programs });
    const folder = join(tree, "usr/share/qkd-node");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "sbom.cdx.json"), made.bill);
    await writeFile(join(folder, "sources.txt"), made.sources);
    await writeFile(join(out, "sbom.cdx.json"), made.bill);
    await writeFile(join(out, "sources.txt"), made.sources);
  });
  await rootfs.modes(tree);
  const unpacked = await rootfs.sizeOf(tree);

  const { system, kernel: packed } = sealed.sealedFiles(out);
  await step("squashfs", () => sealed.squash(tree, system, date, quick));
  const verity = await step("dm-verity", () => sealed.addVerity(system));
  const cmdline = [sealed.commandLine(board, verity), ...more].join(" ");
  await writeFile(join(out, "cmdline"), `${cmdline}\n`);
  await step("kernel, initramfs and command line in one, signed", () =>
    makeKernel({ board, out, version, keys, cmdline, deviceTree, firmware }),
  );
  const disk = join(out, "disk.img");
  await step("disk", async () => {
    await makeFirst(board, out);
    await makeDisk(board, out, disk);
  });
  await rm(work, { recursive: true });
  if (bare) return;
  const bundle = await step("update bundle", () => makeBundle(board, version, keys, out));
  const compressed = `${disk}.zst`;
  const level = quick ? "-1" : "-10";
  await step("compressing", () => run("zstd", ["-q", "-f", level, "-T0", disk, "-o", compressed]));

  const sizes = await Promise.all(
    [system, packed, compressed].map(async (file) => (await stat(file)).size),
  );
  const [systemSize = 0, kernelSize = 0, diskSize = 0] = sizes;
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  process.stdout.write(
    `${board.id} ${version} in ${seconds} s: files ${mb(unpacked)}, system ${mb(systemSize)}, ` +
      `kernel ${mb(kernelSize)}, disk ${mb(diskSize)} compressed\n${disk}\n${bundle}\n`,
  );
}

/** @throws ImageError if a line is no key: the image would take no configuration at all */
async function pinSiteKeys(from: string | undefined, tree: string): Promise<void> {
  if (from === undefined) return;
  const keys = readKeys(await readFile(from, "latin1"));
  if (keys === undefined || keys.size === 0) throw new ImageError(`${from}: a line is no key`);
  await cp(from, join(tree, "usr/lib/qkd-image/site-keys"));
}

/** systemd-boot's two programs are for the disk, not for the root file system. */
async function keepLoader(tree: string, out: string): Promise<void> {
  const folder = join(tree, "usr/lib/systemd/boot/efi");
  const kept = loaderFiles(out);
  await rename(join(folder, "linuxaa64.efi.stub"), kept.stub);
  await rename(join(folder, "systemd-bootaa64.efi"), kept.loader);
}

/** What a build left. */
export function builtFiles(out: string) {
  const file = (name: string) => join(out, name);
  const files = {
    disk: file("disk.img"),
    kernel: file("vmlinuz"),
    initramfs: file("initramfs.img"),
    cmdline: file("cmdline"),
  };
  return existsSync(files.disk) ? files : undefined;
}
