/** The disk: the EFI system partition, two slots of system and kernel, and the data partition. */
import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board } from "./board.ts";
import type { Keys } from "./keys.ts";
import { ImageError, run } from "./run.ts";
import { sign } from "./sealed.ts";

/**
 * Collects what the maker's firmware wants to find: its own files, the board's, device tree overlays.
 * @throws ImageError if one of the maker's is not there
 */
export async function makeFirmware(
  board: Board,
  maker: string | undefined,
  folder: string,
): Promise<void> {
  await mkdir(join(folder, "overlays"), { recursive: true });
  for (const name of board.firmware) {
    const from = join(maker ?? "", name);
    if (maker === undefined || !existsSync(from)) {
      throw new ImageError(
        `${board.title} needs its maker's firmware: --firmware FOLDER with ${board.firmware.join(", ")}` +
          ` (board/${board.id}/README.md says where it is from)`,
      );
    }
    await copyFile(from, join(folder, name));
  }
  const own = join(board.folder, "firmware");
  if (existsSync(own)) await cp(own, folder, { recursive: true });
  for (const name of board.overlays) {
    const [from, to] = [
      join(board.folder, `${name}.dts`),
      join(folder, "overlays", `${name}.dtbo`),
    ];
    await run("dtc", ["-@", "-I", "dts", "-O", "dtb", "-o", to, from]);
  }
}

/** Writes what boots from an empty disk: systemd-boot, and slot a's kernel. */
export async function makeEsp(
  loader: string,
  uki: string,
  keys: Keys,
  file: string,
  date: number,
): Promise<void> {
  const folder = `${file}.files`;
  for (const path of ["EFI/BOOT", "EFI/Linux", "EFI/systemd", "loader"]) {
    await mkdir(join(folder, path), { recursive: true });
  }
  await sign(loader, keys, join(folder, "EFI/BOOT/BOOTAA64.EFI"));
  await copyFile(uki, join(folder, "EFI/Linux/qkd-000001-a.efi"));
  // No menu and no editor: who stands before it changes nothing.
  await writeFile(
    join(folder, "loader/loader.conf"),
    "timeout 0\neditor no\nauto-entries no\nauto-firmware no\n",
  );
  const list = (await run("find", [".", "-mindepth", "1"], { cwd: folder }))
    .trim()
    .split("\n")
    .sort();
  for (const path of list) await utimes(join(folder, path), date, date);
  await rm(file, { force: true });
  await run("mkfs.vfat", [
    "-C",
    "-F",
    "32",
    "-i",
    "514B4401",
    "-n",
    "QKD-ESP",
    "--invariant",
    file,
    String(espKiB),
  ]);
  for (const path of list) {
    const isFile = (await stat(join(folder, path))).isFile();
    const to = `::${path.slice(1)}`;
    if (isFile) await run("mcopy", ["-m", "-i", file, join(folder, path), to]);
    else await run("mmd", ["-i", file, to]);
  }
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
