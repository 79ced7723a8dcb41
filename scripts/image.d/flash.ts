/** `scripts/image flash`: an image onto a disk, which then is used to its end. */
import {
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  existsSync,
  openSync,
  realpathSync,
} from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createZstdDecompress } from "node:zlib";
import { errorCode } from "../../src/base/errors.ts";
import { ImageError, need, run, step } from "./run.ts";

export interface FlashOptions {
  /** Folder of what the build made, or the image's file, which may be compressed (`.img.zst`). */
  readonly image: string;
  /** A disk, or a file that stands for one. */
  readonly to: string;
  /** Overwrite a disk without being asked. */
  readonly yes: boolean;
}

/** @throws ImageError if that disk must not be overwritten */
export async function flash({ image, to, yes }: FlashOptions): Promise<void> {
  need("sfdisk");
  const disk = diskOf(image);
  const size = await sizeOfImage(disk);
  const room = await sizeOf(to);
  if (room < size) throw new ImageError(`${to} has ${gb(room)}; the image needs ${gb(size)}`);
  const device = (await stat(to)).isBlockDevice();
  if (device) {
    await notInUse(to);
    if (!yes) {
      throw new ImageError(
        `${to}, ${gb(room)}, would be overwritten, all of it. If that is meant: --yes`,
      );
    }
  }
  await step(`writing ${gb(size)} to ${to}`, () => copy(disk, to, size));
  await step("the rest of the disk is for data", async () => {
    const { partitiontable } = JSON.parse(await run("sfdisk", ["--json", to]));
    const dataPartition = String(partitiontable.partitions.length);
    // The second partition table belongs to the disk's end.
    await run("sfdisk", ["--no-reread", "--no-tell-kernel", "--relocate", "gpt-bak-std", to]);
    await run("sfdisk", ["--no-reread", "--no-tell-kernel", "-N", dataPartition, to], {
      input: ", +\n",
    });
  });
}

/**
 * A disk may be named by a link, as all in `/dev/disk` are; and what has no mount point may be in use as well, such as
 * swap, or a part of an array: the kernel gives such a disk to no other for itself.
 * @throws ImageError that says by what
 */
async function notInUse(to: string): Promise<void> {
  const device = realpathSync(to);
  const isPart = (name: string) =>
    name.startsWith(device) && /^(?:p?\d+)?$/.test(name.slice(device.length));
  const mounts = (await readFile("/proc/mounts", "utf8"))
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([name = ""]) => isPart(name));
  if (mounts.length > 0) {
    throw new ImageError(`${to} is in use: ${mounts.map(([, where]) => where).join(", ")}`);
  }
  try {
    closeSync(openSync(device, constants.O_RDWR | constants.O_EXCL));
  } catch (error) {
    if (errorCode(error) !== "EBUSY") {
      throw new ImageError(`cannot write to ${to}: ${(error as Error).message}`);
    }
    throw new ImageError(`${to} is in use, as lsblk and swapon show`);
  }
}

/** A folder's image, compressed or not, or the file itself. */
function diskOf(image: string): string {
  if (/\.img(\.zst)?$/.test(image)) return image;
  const whole = join(image, "disk.img");
  return existsSync(whole) || !existsSync(`${whole}.zst`) ? whole : `${whole}.zst`;
}

/** Bytes that it has on a disk. */
async function sizeOfImage(disk: string): Promise<number> {
  if (!disk.endsWith(".zst")) return sizeOf(disk);
  need("zstd");
  const told = await run("zstd", ["--list", "-v", disk]).catch((error: Error) => {
    throw new ImageError(`${disk} is no whole image: ${error.message}`);
  });
  const [, bytes] = /Decompressed Size:.*\((\d+) B\)/.exec(told) ?? [];
  if (bytes === undefined) throw new ImageError(`${disk} does not tell its size`);
  return Number(bytes);
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
  const read = createReadStream(from, { highWaterMark: 1 << 20 });
  const whole = from.endsWith(".zst") ? createZstdDecompress() : new PassThrough();
  const write = createWriteStream("", { fd, flush: true, highWaterMark: 1 << 20 });
  try {
    await pipeline(read, whole, progress, write);
  } catch (error) {
    throw new ImageError(
      `${from} onto ${to}, after ${done} of ${size} bytes: ${(error as Error).message}. The disk is not to be used`,
    );
  }
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
