/** What the watch looks up: how full the disk is. */
import { statfs } from "node:fs/promises";

/** Free part of a folder's disk, 0 to 1. @throws what the disk says */
export async function diskFreeFraction(folder: string): Promise<number> {
  const { bavail, blocks } = await statfs(folder);
  return blocks === 0 ? 1 : bavail / blocks;
}
