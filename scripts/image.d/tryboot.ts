/**
 * What the Raspberry Pi's own firmware starts. A slot's kernel partition has one file, boot.img, in which everything
 * is, and boot.sig, which the boot code in the board's EEPROM checks against the key whose hash is in its OTP. A
 * partition `select` says which slot.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board } from "./board.ts";
import { makeFat } from "./fat.ts";
import { type Keys, signBytes } from "./keys.ts";
import { epochSeconds, ImageError } from "./run.ts";

export interface PiParts {
  readonly kernel: string;
  readonly initramfs: string;
  readonly cmdline: string;
  readonly deviceTree: string;
  /** Folder of the maker's firmware. */
  readonly firmware: string | undefined;
}

/** The firmware takes no more, bytes. */
const longest = 96 << 20;
/** With fewer clusters it would be no FAT32, which the firmware wants. */
const leastKiB = 34_816;

/** @throws ImageError if the maker's firmware lacks a file, or all is too long */
export async function makeBootImage(board: Board, parts: PiParts, file: string): Promise<void> {
  const folder = await fresh(`${file}.files`);
  for (const name of board.firmware) {
    const from = join(parts.firmware ?? "", name);
    if (parts.firmware === undefined || !existsSync(from)) {
      throw new ImageError(
        `${board.title} needs its maker's firmware: --firmware FOLDER with ${board.firmware.join(", ")}` +
          ` (board/${board.id}/README.md says where it is from)`,
      );
    }
    await copyFile(from, join(folder, name));
  }
  await copyFile(join(board.folder, "firmware/config.txt"), join(folder, "config.txt"));
  await copyFile(parts.kernel, join(folder, "kernel8.img"));
  await copyFile(parts.initramfs, join(folder, "initramfs.img"));
  await copyFile(parts.deviceTree, join(folder, "board.dtb"));
  await writeFile(join(folder, "cmdline.txt"), `${parts.cmdline}\n`);
  const files = [parts.kernel, parts.initramfs, parts.deviceTree];
  let bytes = 2 << 20;
  for (const one of files) bytes += (await stat(one)).size;
  for (const name of board.firmware) bytes += (await stat(join(folder, name))).size;
  // With the table of its clusters of 512 bytes.
  const kib = Math.max(leastKiB, Math.ceil((bytes * 1.03) / (1 << 20)) * 1_024);
  if (kib * 1_024 > longest) {
    throw new ImageError(`${file} has ${kib} KiB; the firmware takes ${longest >> 10} at most`);
  }
  const date = epochSeconds();
  await makeFat(folder, file, { kib, bits: 32, id: "514B4402", label: "QKD-BOOT", date });
  await rm(folder, { recursive: true });
}

async function fresh(folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return folder;
}

/** In the format of the maker's `rpi-eeprom-digest`: hash, time, and RSA-2048 (PKCS#1 v1.5, SHA-256) over the file. */
export async function signBootImage(image: string, keys: Keys, file: string): Promise<void> {
  const hash = createHash("sha256")
    .update(await readFile(image))
    .digest("hex");
  const signature = await signBytes(keys, image);
  await writeFile(file, `${hash}\nts: ${epochSeconds()}\nrsa2048: ${signature.toString("hex")}\n`);
}

/** A slot's kernel partition. */
export async function makeBootPartition(
  image: string,
  signature: string,
  file: string,
): Promise<void> {
  const folder = await fresh(`${file}.files`);
  await copyFile(image, join(folder, "boot.img"));
  await copyFile(signature, join(folder, "boot.sig"));
  // A board whose key is not in its OTP yet has to be told; one that has it takes nothing else.
  await writeFile(join(folder, "config.txt"), "boot_ramdisk=1\n");
  const kib = Math.max(leastKiB, Math.ceil((await stat(image)).size / 1_024) + 2_048);
  const date = epochSeconds();
  await makeFat(folder, file, { kib, bits: 32, id: "514B4403", label: "QKD-SLOT", date });
  await rm(folder, { recursive: true });
}

/** Sectors of the partition `select`, as `boot-state` rewrites them. */
const autobootAt = 45;
const stateAt = 49;

/** The partition that says which slot is started. @throws ImageError if a file is not where it is rewritten */
export async function makeSelect(file: string): Promise<void> {
  const folder = await fresh(`${file}.files`);
  const lines = ["[all]", "tryboot_a_b=1", "boot_partition=2", "[tryboot]", "boot_partition=3"];
  await writeFile(join(folder, "autoboot.txt"), `${`${lines.join("\n")}\n#`.padEnd(511)}\n`);
  await writeFile(join(folder, "starts.txt"), " ".repeat(1_024));
  const layout = { kib: 4_096, bits: 12, sectorsPerCluster: 4 } as const;
  const date = epochSeconds();
  await makeFat(folder, file, { ...layout, id: "514B4401", label: "QKD-SELECT", date });
  const bytes = await readFile(file);
  const starts = bytes.toString("latin1", stateAt * 512, (stateAt + 2) * 512);
  if (bytes.indexOf("[all]\n") !== autobootAt * 512 || !/^ {1024}$/.test(starts)) {
    throw new ImageError("mkfs.vfat puts files elsewhere than board/common/boot/tryboot expects");
  }
  await rm(folder, { recursive: true });
}
