/** What `qkd-psk` does in its `state_dir`: keys are written there, so that nothing of one is left where that fails. */
import { errorCode, Fault } from "../../base/errors.ts";
import { type FileSystem, replaceFile } from "../../host/disk/files.ts";

/**
 * Does something with files. A folder that is full or cannot be written may be good again later.
 * @param what it is, for messages: "the tunnel's key cannot be kept"
 * @throws Fault `state.io` for a system error
 */
export async function withState<T>(
  folder: string,
  what: string,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("state.io", what, { state_dir: folder, code: errorCode(error) ?? "unknown" });
  }
}

/** Puts a file with a key in the place of another: all of it, or nothing. @throws a system error */
export async function putKey(files: FileSystem, path: string, bytes: Buffer): Promise<void> {
  try {
    await replaceFile(files, path, bytes);
  } catch (error) {
    // A part of the key may be in it.
    await files.remove(`${path}.new`).catch(() => {});
    throw error;
  }
}
