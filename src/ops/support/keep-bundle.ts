/** A bundle that the node makes of itself, when a manager asks for it: kept with its state. */
import { readdirSync } from "node:fs";
import { errorCode, Fault } from "../../base/errors.ts";
import { diskFiles, type FileSystem, replaceFile } from "../../host/disk/files.ts";
import type { Bundle } from "../bundle/bundle.ts";

/** Older ones are removed. */
const mostKept = 3;

/** @returns where it is @throws Fault `state.io` */
export async function keepBundle(
  stateDir: string,
  { name, archive }: Bundle,
  files: FileSystem = diskFiles,
): Promise<string> {
  const folder = `${stateDir}/support`;
  const path = `${folder}/${name}`;
  try {
    await files.makeFolder(folder);
    const kept = readdirSync(folder).filter((one) => one.endsWith(".tar.gz"));
    // Their names end in their time.
    const stamp = (one: string) => one.slice(-"20260131T120000Z.tar.gz".length);
    kept.sort((a, b) => stamp(a).localeCompare(stamp(b)));
    for (const old of kept.slice(0, Math.max(0, kept.length - mostKept + 1))) {
      await files.remove(`${folder}/${old}`);
    }
    await replaceFile(files, path, archive);
    return path;
  } catch (error) {
    const facts = { file: path, code: errorCode(error) ?? "unknown" };
    throw new Fault("state.io", "support bundle cannot be written", facts);
  }
}
