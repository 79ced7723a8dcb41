/** Whether a second build gives the same image, bit by bit: who has lock and sources can check an image. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "./run.ts";

/**
 * What must be the same. A bundle's signature tells when it was made, so the bundle is not among them; what
 * is in it is.
 */
const same = [
  "sbom.cdx.json",
  "sources.txt",
  "cmdline",
  "vmlinuz",
  "initramfs.img",
  "system.img",
  "kernel.img",
  "disk.img",
] as const;

/** @returns how many files were compared. @throws ImageError that names the files that differ, and where */
export async function verifySame(one: string, other: string): Promise<number> {
  const found: string[] = [];
  for (const name of same) {
    const at = await firstDifference(join(one, name), join(other, name));
    if (at !== undefined) found.push(`${name}, from byte ${at}`);
  }
  if (found.length === 0) return same.length;
  throw new ImageError(
    `not the same when it is built again:\n${found.map((line) => `  ${line}\n`).join("")}` +
      `Both are there to be compared: ${one}, ${other}`,
  );
}

/** @returns the first byte that is not the same; undefined: all are */
export async function firstDifference(one: string, other: string): Promise<number | undefined> {
  const sizes = await Promise.all([one, other].map(async (file) => (await stat(file)).size));
  const block = 1_048_576;
  const stream = createReadStream(other, { highWaterMark: block });
  const others = stream[Symbol.asyncIterator]();
  let at = 0;
  try {
    // Both read whole blocks but for the last one.
    for await (const mine of createReadStream(one, { highWaterMark: block })) {
      const { value, done } = await others.next();
      const theirs: Buffer = done ? Buffer.alloc(0) : value;
      if (!theirs.equals(mine)) {
        const within = (mine as Buffer).findIndex((byte, i) => byte !== theirs[i]);
        return at + (within === -1 ? mine.length : within);
      }
      at += mine.length;
    }
    return sizes[0] === sizes[1] ? undefined : at;
  } finally {
    // One that was not read may not be open yet, and the file may go away.
    stream.on("error", () => {});
    stream.destroy();
  }
}
