/** What a board is: read from `board/common/image.toml` and `board/<vendor>/<board>/image.toml`. */
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import * as v from "valibot";
import { ImageError } from "./run.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const boards = join(root, "board");

const names = v.optional(v.array(v.string()), []);

const common = v.strictObject({
  /** Debian packages that are wanted; what they depend on comes with them. */
  packages: names,
  /** Packages that would come with them and are left out: nothing of them is used on the appliance. */
  without: names,
  /** Paths in the file system that are left out, as shell patterns. */
  remove: names,
  /** Kernel modules; what they depend on comes with them. */
  modules: names,
  /** Modules that the initramfs loads: for the disk, and what must be there when the node starts. */
  initramfs_modules: names,
  /** Users of Debian's own services, with fixed numbers. */
  users: v.optional(v.record(v.string(), v.number()), {}),
  groups: v.optional(v.record(v.string(), v.number()), {}),
  /** Units that are started; all others are not. */
  enable: names,
  /** Units that nothing may start. */
  mask: names,
});

const boardSchema = v.strictObject({
  ...common.entries,
  title: v.string(),
  /** An update for another board is refused. */
  compatible: v.string(),
  console: v.string(),
  /** What chooses between the slots: a folder in `board/common/boot`. */
  boot: v.optional(v.picklist(["uefi", "tryboot", "uboot"]), "uefi"),
  /** What QEMU emulates it by; without it `boot` is for others. */
  emulator: v.optional(v.picklist(["virt", "raspi3b", "uboot"])),
  /** More of the kernel's command line. */
  cmdline: names,
  /** Modules that every board has, but this one's kernel doesn't. */
  without_modules: names,
  /** Files that the maker's firmware consists of, from the folder given by `--firmware`. */
  firmware: names,
  /** Where U-Boot puts the kernel. */
  kernel_address: v.optional(v.string()),
  /** Of those that come with the kernel; without it the board's firmware has one. */
  device_tree: v.optional(v.string()),
  /** Device tree overlays of the board's folder, without `.dts`. */
  overlays: names,
  /** Devices of the tree, as they are `compatible`, that need no driver: the appliance leaves them alone. */
  without_devices: names,
});

type Common = v.InferOutput<typeof common>;
export type Board = v.InferOutput<typeof boardSchema> & {
  /** Such as `qemu/virt`. */
  readonly id: string;
  readonly folder: string;
  /** Files that are put over the packages' own, in this order. */
  readonly fileOverlays: readonly string[];
};

/** Boards that are described, by their names. */
export function boardNames(): string[] {
  return readdirSync(boards, { recursive: true, encoding: "utf8" })
    .filter((path) => /^[^/]+\/[^/]+\/image\.toml$/.test(path))
    .map((path) => path.replace("/image.toml", ""))
    .filter((name) => name !== "common")
    .sort();
}

/** @throws ImageError if there is none of this name, or its description is not good */
export function readBoard(id: string): Board {
  const folder = join(boards, id);
  if (!boardNames().includes(id)) {
    throw new ImageError(`no such board: ${id}; there are ${boardNames().join(", ")}`);
  }
  const shared = read(join(boards, "common/image.toml"), common);
  const own = read(join(folder, "image.toml"), boardSchema);
  const both = <K extends keyof Common>(key: K) =>
    [...(shared[key] as string[]), ...(own[key] as string[])] as Common[K];
  const kept = (key: "modules" | "initramfs_modules") =>
    both(key).filter((name) => !own.without_modules.includes(name));
  return {
    ...own,
    id,
    folder,
    packages: both("packages"),
    without: both("without"),
    remove: both("remove"),
    modules: kept("modules"),
    initramfs_modules: kept("initramfs_modules"),
    enable: both("enable"),
    mask: both("mask"),
    users: { ...shared.users, ...own.users },
    groups: { ...shared.groups, ...own.groups },
    // A board may share another's, by a link.
    fileOverlays: [
      join(boards, "common/rootfs_overlay"),
      join(boards, "common/boot", own.boot, "rootfs_overlay"),
      join(folder, "rootfs_overlay"),
    ]
      .filter(existsSync)
      .map((path) => realpathSync(path)),
  };
}

function read<T extends v.GenericSchema>(file: string, schema: T): v.InferOutput<T> {
  try {
    return v.parse(schema, parse(readFileSync(file, "utf8")));
  } catch (error) {
    const path = error instanceof v.ValiError ? `${v.getDotPath(error.issues[0]) ?? ""}: ` : "";
    throw new ImageError(`${file}: ${path}${(error as Error).message}`);
  }
}
