/**
 * Another image from one that was built, in seconds: the same files under another root hash, with another
 * version, command line and keys. For updates, of which there must be two.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { readBoard } from "../../scripts/image.d/board.ts";
import { makeBundle } from "../../scripts/image.d/bundle.ts";
import { loaderFiles, makeFirst, makeKernel } from "../../scripts/image.d/chain.ts";
import { makeDisk } from "../../scripts/image.d/disk.ts";
import { type Keys, makeKeys, signingKeys } from "../../scripts/image.d/keys.ts";
import { addVerity, commandLine, sealedFiles } from "../../scripts/image.d/sealed.ts";

export interface VariantOptions {
  /** Default `qemu/virt`. */
  readonly board?: string;
  /** Folder of a build. */
  readonly from: string;
  readonly out: string;
  readonly version: string;
  readonly keys: Keys;
  /** More of the kernel's command line. */
  readonly append: readonly string[];
  /** The disk as well, not only the bundle. */
  readonly disk?: boolean;
}

/** Keys that Debian's firmware for tests knows: everybody has them. */
const snakeoil = "/usr/share/qemu-efi-aarch64/PkKek-1-snakeoil";

/** This machine's development keys, with a boot key that the test firmware trusts. */
export async function testKeys(folder: string): Promise<Keys> {
  const bootKey = join(folder, "boot.key");
  const source = ["-in", `${snakeoil}.key`, "-passin", "pass:snakeoil"];
  execFileSync("openssl", ["rsa", ...source, "-out", bootKey], { stdio: "pipe" });
  return { ...(await signingKeys(undefined)), bootKey, bootCertificate: `${snakeoil}.pem` };
}

/** Keys of somebody else, who signs updates that are otherwise in order. */
export async function foreignUpdateKeys(folder: string) {
  const keys = join(folder, "stranger");
  await makeKeys(keys);
  const { updateKey, updateCertificate, updateAuthority } = await signingKeys(keys);
  return { updateKey, updateCertificate, updateAuthority };
}

export async function makeVariant(options: VariantOptions): Promise<string> {
  const { board: name = "qemu/virt", from, out, version, keys, append, disk = false } = options;
  const board = readBoard(name);
  mkdirSync(out, { recursive: true });
  const { system } = sealedFiles(out);
  const before = readFileSync(join(from, "cmdline"), "utf8");
  const blocks = Number(/qkd\.blocks=(\d+)/.exec(before)?.[1]);
  copyFileSync(sealedFiles(from).system, system);
  const file = await open(system, "r+");
  await file.truncate(blocks * 4_096);
  await file.close();
  const verity = await addVerity(system, version);
  const cmdline = [commandLine(board, verity), ...append].join(" ");
  writeFileSync(join(out, "cmdline"), `${cmdline}\n`);
  for (const name of ["vmlinuz", "initramfs.img"]) copyFileSync(join(from, name), join(out, name));
  const [loaders, kept] = [loaderFiles(from), loaderFiles(out)];
  copyFileSync(loaders.stub, kept.stub);
  copyFileSync(loaders.loader, kept.loader);
  const chain = { board, out, version, keys, cmdline, deviceTree: undefined, firmware: undefined };
  await makeKernel(chain);
  if (disk) {
    await makeFirst(board, out);
    await makeDisk(board, out, join(out, "disk.img"));
  }
  return makeBundle(board, version, keys, out);
}
