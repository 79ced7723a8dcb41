/** A FAT file system from a folder, the same bytes for the same files every time. */
import { rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

export interface FatOptions {
  readonly kib: number;
  readonly bits: 12 | 16 | 32;
  /** Volume ID, eight hexadecimal digits. */
  readonly id: string;
  readonly label: string;
  /** Of every file, seconds since 1970. */
  readonly date: number;
  readonly sectorsPerCluster?: number;
}

/** Files get their clusters in the order of their names. @throws ImageError if they have no room */
export async function makeFat(folder: string, file: string, options: FatOptions): Promise<void> {
  const { kib, bits, id, label, date, sectorsPerCluster } = options;
  const found = await run("find", [".", "-mindepth", "1"], { cwd: folder });
  const list = found.trim().split("\n").sort();
  for (const path of list) await utimes(join(folder, path), date, date);
  await rm(file, { force: true });
  const cluster = sectorsPerCluster === undefined ? [] : ["-s", String(sectorsPerCluster)];
  const how = ["-C", "-F", String(bits), ...cluster, "-i", id, "-n", label, "--invariant"];
  await run("mkfs.vfat", [...how, file, String(kib)]);
  for (const path of list) {
    const isFile = (await stat(join(folder, path))).isFile();
    const to = `::${path.slice(1)}`;
    if (isFile) await run("mcopy", ["-m", "-i", file, join(folder, path), to]);
    else await run("mmd", ["-i", file, to]);
  }
}
