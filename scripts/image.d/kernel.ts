/** The kernel: the modules that the board needs out of thousands, and an initramfs of our own. */
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Board, root as project } from "./board.ts";
import { cpio, type Entry } from "./cpio.ts";
import { readDrivers, type TreeModules, treeModules, unpackedKernel } from "./drivers.ts";
import { libraries } from "./elf.ts";
import { readAhead } from "./read-ahead.ts";
import { ImageError, run } from "./run.ts";

export interface Kernel {
  readonly version: string;
  readonly image: string;
  /** Folder of its modules. */
  readonly modules: string;
  /** Folder of the device trees that came with it. */
  readonly deviceTrees: string;
  /** For each module the modules it needs, by path. */
  readonly needs: ReadonlyMap<string, readonly string[]>;
  /** For each module, by name, those it works better or only with though it does not name a symbol of them. */
  readonly soft: ReadonlyMap<string, readonly string[]>;
  /** Other names of modules. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly builtin: ReadonlySet<string>;
}

/** @param folder what the kernel's package was unpacked to */
export async function readKernel(folder: string): Promise<Kernel> {
  const [version = ""] = await readdir(join(folder, "lib/modules"));
  const modules = join(folder, "lib/modules", version);
  await run("depmod", ["-b", folder, version]);
  const list = async (name: string) =>
    (await readFile(join(modules, name), "utf8")).trim().split("\n");
  const needs = new Map(
    (await list("modules.dep")).map((line) => {
      const [path = "", rest = ""] = line.split(":");
      return [path, rest.split(" ").filter(Boolean)] as const;
    }),
  );
  const soft = new Map<string, string[]>();
  for (const line of await list("modules.softdep")) {
    const [, name = "", rest = ""] = /^softdep (\S+) (.*)$/.exec(line) ?? [];
    const others = rest.split(" ").filter((word) => word !== "" && !/^(pre|post):$/.test(word));
    soft.set(name, [...(soft.get(name) ?? []), ...others]);
  }
  const aliases = new Map<string, string>();
  for (const line of await list("modules.alias")) {
    const [, alias, name] = /^alias ([^\s*:]+) (\S+)$/.exec(line) ?? [];
    if (alias !== undefined && name !== undefined) aliases.set(alias.replaceAll("-", "_"), name);
  }
  return {
    version,
    image: join(folder, `boot/vmlinuz-${version}`),
    modules,
    deviceTrees: join(folder, `usr/lib/linux-image-${version}`),
    needs,
    soft,
    aliases,
    builtin: new Set((await list("modules.builtin")).map(moduleName)),
  };
}

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, "")
    .replaceAll("-", "_");
}

/**
 * @returns paths of the modules and of those they need, softly too, each after those it needs
 * @throws ImageError if the kernel has no such module
 */
export function closure(kernel: Kernel, names: readonly string[]): string[] {
  const byName = new Map([...kernel.needs.keys()].map((path) => [moduleName(path), path]));
  const order: string[] = [];
  const begun = new Set<string>();
  const add = (path: string) => {
    if (begun.has(path)) return;
    begun.add(path);
    for (const needed of [...(kernel.needs.get(path) ?? [])].reverse()) add(needed);
    for (const name of kernel.soft.get(moduleName(path)) ?? []) {
      const plain = name.replaceAll("-", "_");
      // One that the kernel lacks is not missed: that is what soft means.
      const other = byName.get(plain) ?? byName.get(kernel.aliases.get(plain) ?? "");
      if (other !== undefined) add(other);
    }
    order.push(path);
  };
  for (const name of names) {
    const plain = name.replaceAll("-", "_");
    const path = byName.get(plain);
    if (path !== undefined) add(path);
    else if (!kernel.builtin.has(plain)) throw new ImageError(`the kernel has no module ${name}`);
  }
  return order;
}

/** Of the initramfs. Hashes come before what uses them: dm-verity takes the quickest that is there then. */
const common = [
  ...["sha256-arm64", "sha2-ce"],
  ...["dm-mod", "dm-verity", "squashfs", "ext4", "crc32c_generic", "efivarfs"],
];

/** Where there is a TPM the initramfs opens the data partition: AES by the processor's own words, or by its vectors. */
const encryption = ["aes-ce-blk", "aes-neon-bs", "xts", "dm-crypt"];

/**
 * The board's device tree: the kernel's own, with the board's overlays.
 * @returns its path; undefined: the board's firmware has one
 */
export async function makeDeviceTree(
  board: Board,
  kernel: Kernel,
  folder: string,
): Promise<string | undefined> {
  if (board.device_tree === undefined) return undefined;
  const base = join(kernel.deviceTrees, board.device_tree);
  const overlays = board.overlays.map((name) => join(folder, `${name}.dtbo`));
  for (const [i, name] of board.overlays.entries()) {
    const compiled = ["-@", "-I", "dts", "-O", "dtb", "-o", overlays[i] ?? ""];
    await run("dtc", [...compiled, join(board.folder, `${name}.dts`)]);
  }
  const tree = join(folder, "board.dtb");
  if (overlays.length === 0) await cp(base, tree);
  else await run("fdtoverlay", ["-i", base, "-o", tree, ...overlays]);
  return tree;
}

/**
 * What drives the devices of the board's tree.
 * @throws ImageError that names the enabled devices which nothing drives
 */
export async function treeOf(board: Board, kernel: Kernel, tree: string): Promise<TreeModules> {
  const drivers = await readDrivers(kernel.modules, kernel.image);
  const paths = new Map([...kernel.needs.keys()].map((path) => [moduleName(path), path]));
  const pathOf = (name: string) => paths.get(name.replaceAll("-", "_"));
  const found = treeModules(await readFile(tree), drivers, pathOf, board.without_devices);
  if (found.orphans.length === 0) return found;
  throw new ImageError(
    `${board.id}: nothing in kernel ${kernel.version} drives\n` +
      found.orphans.map((one) => `  ${one}\n`).join("") +
      `Another kernel does, or board/${board.id}/image.toml says so under without_devices.`,
  );
}

/** Tells the image what this kernel can: whether it passes a restart's argument on to the Raspberry Pi's firmware. */
export async function markKernel(board: Board, kernel: Kernel, root: string): Promise<void> {
  if (board.boot !== "tryboot") return;
  const image = unpackedKernel(await readFile(kernel.image), kernel.image);
  if (image.includes(" tryboot\0")) await writeFile(join(root, "usr/lib/qkd-image/tryboot"), "");
}

/** Names of modules: what the board lists, and what its device tree asks for. */
export function modulesOf(board: Board, tree: TreeModules | undefined) {
  const own = [...board.initramfs_modules, ...(tree?.early ?? [])];
  const early = own.some((name) => /^tpm/.test(name)) ? [...own, ...encryption] : own;
  return { early, all: [...common, ...early, ...board.modules, ...(tree?.all ?? [])] };
}

/** Puts the board's modules into the root file system. @returns how many */
export async function installModules(
  kernel: Kernel,
  names: readonly string[],
  root: string,
): Promise<number> {
  const to = join(root, "usr/lib/modules", kernel.version);
  await rm(dirname(to), { recursive: true, force: true });
  const paths = closure(kernel, names);
  for (const path of paths) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await cp(join(kernel.modules, path), join(to, path));
  }
  for (const name of ["modules.builtin", "modules.builtin.modinfo", "modules.order"]) {
    await cp(join(kernel.modules, name), join(to, name));
  }
  await run("depmod", ["-b", root, kernel.version]);
  return paths.length;
}

/** Makes the initramfs, with programs from the root file system. @returns its size, bytes */
export async function makeInitramfs(
  board: Board,
  kernel: Kernel,
  early: readonly string[],
  root: string,
  file: string,
): Promise<number> {
  const entries: Entry[] = [];
  const add = async (from: string, to: string, mode: number) => {
    entries.push({ path: to, mode: 0o100000 | mode, content: await readFile(from) });
  };
  await add(join(project, "board/common/initramfs/init"), "init", 0o755);
  // What this board does before anything else, such as to count the start.
  const boot = join(project, "board/common/boot", board.boot);
  const state = join(boot, "rootfs_overlay/usr/lib/qkd-image/boot-state");
  if (existsSync(join(boot, "initramfs-first"))) {
    await add(join(boot, "initramfs-first"), "first", 0o644);
  }
  if (existsSync(state)) await add(state, "boot-state", 0o644);
  await add(join(root, "usr/bin/busybox"), "bin/busybox", 0o755);
  await add(join(root, "usr/sbin/dmsetup"), "sbin/dmsetup", 0o755);
  for (const library of await libraries(root, "usr/sbin/dmsetup")) {
    await add(join(root, library), library.replace("usr/", ""), 0o755);
  }
  await add(join(root, "usr/lib/ld-linux-aarch64.so.1"), "lib/ld-linux-aarch64.so.1", 0o755);
  const modules = closure(kernel, [...early, ...common]);
  for (const path of modules)
    await add(join(kernel.modules, path), `modules/${basename(path)}`, 0o644);
  const list = modules.map((path) => `${basename(path)}\n`).join("");
  const { whole, part } = await readAhead(root);
  const texts = { "modules/list": list, "read-ahead/whole": whole, "read-ahead/part": part };
  for (const [path, text] of Object.entries(texts)) {
    entries.push({ path, mode: 0o100644, content: Buffer.from(text) });
  }
  const archive = cpio(entries);
  const raw = `${file}.cpio`;
  await writeFile(raw, archive);
  await run("zstd", ["-q", "-f", "-19", "-T1", "--rm", raw, "-o", file]);
  return archive.length;
}
