/** Reads of the engine's files. */
import type { OpenFile } from "../../../host/disk/files.ts";
import { keyMemory } from "../../../port/key.ts";
import { giveKeyMemory, takeKeyMemory } from "./key-pool.ts";

/**
 * @param bytes default: memory that is had for it
 * @returns fewer bytes at the end of the file
 */
export async function readAt(
  file: OpenFile,
  position: number,
  length: number,
  bytes: Buffer = length > 65_536 ? keyMemory(length) : Buffer.alloc(length),
): Promise<Buffer> {
  let at = 0;
  while (at < length) {
    const { bytesRead } = await file.read(bytes, at, length - at, position + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}

/** @param use gets what was read, in memory that another has after it */
export async function withRead<T>(
  file: OpenFile,
  position: number,
  length: number,
  use: (bytes: Buffer) => T,
): Promise<T> {
  const memory = takeKeyMemory(length);
  try {
    return use(await readAt(file, position, length, memory));
  } finally {
    giveKeyMemory(memory);
  }
}
