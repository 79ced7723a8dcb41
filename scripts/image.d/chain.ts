/** What is between power and the root file system, for each kind of boot loader: what it starts, and from where. */
import { join } from "node:path";
import type { Board } from "./board.ts";
import { makeEsp } from "./disk.ts";
import type { Keys } from "./keys.ts";
import { epochSeconds, ImageError } from "./run.ts";
import { packKernel, sealedFiles, sign, unify } from "./sealed.ts";
import { makeBootImage, makeBootPartition, makeSelect, signBootImage } from "./tryboot.ts";
import { makeFit, makeScript, tellSectors } from "./uboot.ts";

export interface KernelOptions {
  readonly board: Board;
  /** Folder with vmlinuz and initramfs.img. */
  readonly out: string;
  readonly version: string;
  readonly keys: Keys;
  readonly cmdline: string;
  readonly deviceTree: string | undefined;
  /** Folder of the maker's firmware. */
  readonly firmware: string | undefined;
}

/** systemd-boot: what makes a kernel an EFI program, and what chooses between kernels. */
export function loaderFiles(out: string) {
  const file = (name: string) => join(out, name);
  return { stub: file("stub.efi"), loader: file("loader.efi"), signed: file("loader.signed.efi") };
}

/** Makes what goes into a slot's kernel partition, `kernel.img`: kernel, initramfs and command line, signed as one. */
export async function makeKernel(options: KernelOptions): Promise<void> {
  const { board, out, version, keys, cmdline, deviceTree, firmware } = options;
  const { uki, kernel: packed, bootImage, bootSignature } = sealedFiles(out);
  const [kernel, initramfs] = [join(out, "vmlinuz"), join(out, "initramfs.img")];
  if (board.boot === "tryboot") {
    if (deviceTree === undefined) throw new ImageError(`${board.id} names no device_tree`);
    const parts = { kernel, initramfs, cmdline, deviceTree, firmware };
    await makeBootImage(board, parts, bootImage);
    await signBootImage(bootImage, keys, bootSignature);
    await makeBootPartition(bootImage, bootSignature, packed);
    return;
  }
  if (board.boot === "uboot") {
    await makeFit(board, { kernel, initramfs, cmdline }, keys, uki);
    await packKernel(uki, packed);
    await tellSectors(packed);
    return;
  }
  const title = `qkd-node ${version}`;
  const { stub, loader, signed } = loaderFiles(out);
  await unify({ kernel, initramfs, cmdline, stub, title }, keys, uki);
  await sign(loader, keys, signed);
  await packKernel(uki, packed, signed);
}

/** Makes the disk's first partition, which chooses between the slots. */
export async function makeFirst(board: Board, out: string): Promise<void> {
  const { uki } = sealedFiles(out);
  if (board.boot === "tryboot") await makeSelect(join(out, "select.vfat"));
  else if (board.boot === "uboot") await makeScript(out);
  else await makeEsp(loaderFiles(out).signed, uki, join(out, "esp.vfat"), epochSeconds());
}
