/** `scripts/image flash`: an image onto a disk, which then is used to its end. */
import { createReadStream, createWriteStream, openSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ImageError, need, run, step } from "./run.ts";

export interface FlashOptions {
  /** Folder of what the build made. */
  readonly image: string;
  /** A disk, or a file that stands for one. */
  readonly to: string;
  /** Overwrite a disk without being asked. */
  readonly yes: boolean;
}

/** The data partition, the last one. */
const dataPartition = "6";

/** @throws ImageError if that disk must not be overwritten */
export async function flash({ image, to, yes }: FlashOptions): Promise<void> {
  need("sfdisk");
  const disk = join(image, "disk.img");
  const size = await sizeOf(disk);
  const room = await sizeOf(to);
  if (room < size) throw new ImageError(`${to} has ${gb(room)}; the image needs ${gb(size)}`);
  const device = (await stat(to)).isBlockDevice();
  if (device) {
    const mounts = (await readFile("/proc/mounts", "utf8"))
      .split("\n")
      .filter((line) => line.startsWith(to));
    if (mounts.length > 0) {
      throw new ImageError(
        `${to} is in use: ${mounts.map((line) => line.split(" ")[1]).join(", ")}`,
      );
    }
    if (!yes) {
      throw new ImageError(
        `${to}, ${gb(room)}, would be overwritten, all of it. If that is meant: --yes`,
      );
    }
  }
  await step(`writing ${gb(size)} to ${to}`, () => copy(disk, to, size));
  await step("the rest of the disk is for data", async () => {
    // The second partition table belongs to the disk's end.
    await run("sfdisk", ["--no-reread", "--no-tell-kernel", "--relocate", "gpt-bak-std", to]);
    await run("sfdisk", ["--no-reread", "--no-tell-kernel", "-N", dataPartition, to], {
      input: ", +\n",
    });
  });
}

async function copy(from: string, to: string, size: number): Promise<void> {
  let done = 0;
  let told = -1;
  const progress = new Transform({
    transform(chunk, _, next) {
      done += chunk.length;
      const percent = Math.floor((100 * done) / size);
      if (process.stderr.isTTY && percent !== told) process.stderr.write(`\r ${percent} %`);
      told = percent;
      next(null, chunk);
    },
  });
  const fd = openSync(to, "r+");
  await pipeline(
    createReadStream(from, { highWaterMark: 1 << 20 }),
    progress,
    createWriteStream("", { fd, flush: true, highWaterMark: 1 << 20 }),
  );
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (!found.isBlockDevice()) return found.size;
    return Number(await run("blockdev", ["--getsize64", path]));
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw new ImageError(`cannot use ${path}: ${(error as Error).message}`);
  }
}

function gb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
