import { errorCode } from "../../../base/errors.ts";
import type { FileSystem } from "../../../host/disk/files.ts";

/** "as it is": what is there is looked at, and nothing is changed; else what power failed under is cleaned away. */
export type LoadHow = "as it is" | "clean";

/** Names in a folder of the store, which is made unless all stays as it is. @throws a system error */
export async function namesIn(files: FileSystem, folder: string, how: LoadHow): Promise<string[]> {
  if (how === "clean") await files.makeFolder(folder);
  try {
    return await files.list(folder);
  } catch (error) {
    if (how === "as it is" && errorCode(error) === "ENOENT") return [];
    throw error;
  }
}
