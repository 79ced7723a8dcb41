/** The disk: the EFI system partition, two slots of system and kernel, and the data partition. */
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board } from "./board.ts";
import { makeFat } from "./fat.ts";
import { run } from "./run.ts";

/** Writes what boots from an empty disk by UEFI: systemd-boot, signed, and slot a's kernel. */
export async function makeEsp(
  loader: string,
  uki: string,
  file: string,
  date: number,
): Promise<void> {
  const folder = `${file}.files`;
  await rm(folder, { recursive: true, force: true });
  for (const path of ["EFI/BOOT", "EFI/Linux", "EFI/systemd", "loader"]) {
    await mkdir(join(folder, path), { recursive: true });
  }
  await copyFile(loader, join(folder, "EFI/BOOT/BOOTAA64.EFI"));
  await copyFile(uki, join(folder, "EFI/Linux/qkd-000001-a+5.efi"));
  // No menu and no editor: who stands before it changes nothing.
  await writeFile(
    join(folder, "loader/loader.conf"),
    "timeout 0\neditor no\nauto-entries no\nauto-firmware no\n",
  );
  await makeFat(folder, file, { kib: espKiB, bits: 32, id: "514B4401", label: "QKD-ESP", date });
  await rm(folder, { recursive: true });
}

const espKiB = 196_608;

/** Puts the partitions together as the board's genimage.cfg says. */
export async function makeDisk(board: Board, inputs: string, file: string): Promise<void> {
  const work = `${file}.work`;
  for (const name of ["root", "tmp", "out"]) {
    await rm(join(work, name), { recursive: true, force: true });
    await mkdir(join(work, name), { recursive: true });
  }
  const config = await readFile(join(board.folder, "genimage.cfg"), "utf8");
  await writeFile(join(work, "genimage.cfg"), config);
  await run("genimage", [
    `--config=${work}/genimage.cfg`,
    `--rootpath=${work}/root`,
    `--tmppath=${work}/tmp`,
    `--inputpath=${inputs}`,
    `--outputpath=${work}/out`,
  ]);
  await rm(file, { force: true });
  await run("mv", [join(work, "out/disk.img"), file]);
  await rm(work, { recursive: true });
}
