/** What the watch looks up: how long certificates are valid, and how full the disk is. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { Validity } from "../alarms/node-rules.ts";

/** @returns undefined if the file is no certificate that can be read */
export function validity(file: string): Validity | undefined {
  try {
    const { validFromDate, validToDate } = new X509Certificate(readFileSync(file));
    return { from: validFromDate.getTime(), to: validToDate.getTime() };
  } catch {
    return undefined;
  }
}

/** Free part of a folder's disk, 0 to 1. @throws what the disk says */
export async function freePart(folder: string): Promise<number> {
  const { bavail, blocks } = await statfs(folder);
  return blocks === 0 ? 1 : bavail / blocks;
}
