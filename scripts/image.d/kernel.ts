/** The kernel: the modules that the board needs out of thousands, and an initramfs of our own. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Board, root as project } from "./board.ts";
import { cpio, type Entry } from "./cpio.ts";
import { libraries } from "./elf.ts";
import { readAhead } from "./read-ahead.ts";
import { ImageError, run } from "./run.ts";

export interface Kernel {
  readonly version: string;
  readonly image: string;
  /** Folder of its modules. */
  readonly modules: string;
  /** For each module the modules it needs, by path. */
  readonly needs: ReadonlyMap<string, readonly string[]>;
  readonly builtin: ReadonlySet<string>;
}

/** @param folder what the kernel's package was unpacked to */
export async function readKernel(folder: string): Promise<Kernel> {
  const [version = ""] = await readdir(join(folder, "lib/modules"));
  const modules = join(folder, "lib/modules", version);
  await run("depmod", ["-b", folder, version]);
  const lines = (await readFile(join(modules, "modules.dep"), "utf8")).trim().split("\n");
  const needs = new Map(
    lines.map((line) => {
      const [path = "", rest = ""] = line.split(":");
      return [path, rest.split(" ").filter(Boolean)] as const;
    }),
  );
  const builtin = (await readFile(join(modules, "modules.builtin"), "utf8")).trim().split("\n");
  const image = join(folder, `boot/vmlinuz-${version}`);
  return { version, image, modules, needs, builtin: new Set(builtin.map(moduleName)) };
}

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, "")
    .replaceAll("-", "_");
}

/**
 * @returns paths of the modules and of those they need, each after those it needs
 * @throws ImageError if the kernel has no such module
 */
export function closure(kernel: Kernel, names: readonly string[]): string[] {
  const byName = new Map([...kernel.needs.keys()].map((path) => [moduleName(path), path]));
  const order: string[] = [];
  const add = (path: string) => {
    if (order.includes(path)) return;
    for (const needed of [...(kernel.needs.get(path) ?? [])].reverse()) add(needed);
    if (!order.includes(path)) order.push(path);
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

/** Puts the board's modules into the root file system. @returns how many */
export async function installModules(board: Board, kernel: Kernel, root: string): Promise<number> {
  const to = join(root, "usr/lib/modules", kernel.version);
  await rm(dirname(to), { recursive: true, force: true });
  const paths = closure(kernel, [...common, ...board.initramfs_modules, ...board.modules]);
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
  root: string,
  file: string,
): Promise<number> {
  const entries: Entry[] = [];
  const add = async (from: string, to: string, mode: number) => {
    entries.push({ path: to, mode: 0o100000 | mode, content: await readFile(from) });
  };
  await add(join(project, "board/common/initramfs/init"), "init", 0o755);
  await add(join(root, "usr/bin/busybox"), "bin/busybox", 0o755);
  await add(join(root, "usr/sbin/dmsetup"), "sbin/dmsetup", 0o755);
  for (const library of await libraries(root, "usr/sbin/dmsetup")) {
    await add(join(root, library), library.replace("usr/", ""), 0o755);
  }
  await add(join(root, "usr/lib/ld-linux-aarch64.so.1"), "lib/ld-linux-aarch64.so.1", 0o755);
  const modules = closure(kernel, [...board.initramfs_modules, ...common]);
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
