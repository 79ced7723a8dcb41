/** Reads of the engine's files. */
import type { OpenFile } from "../../../host/disk/files.ts";
import { keyMemory } from "../../../port/key.ts";

/** @returns fewer bytes at the end of the file */
export async function readAt(file: OpenFile, position: number, length: number): Promise<Buffer> {
  const bytes = length > 65_536 ? keyMemory(length) : Buffer.alloc(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await file.read(bytes, at, length - at, position + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}
