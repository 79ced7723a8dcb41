/** Bytes that a disk does not give back any more: a part of it is broken, or a file system finds it changed. */
import { errorCode } from "../../../base/errors.ts";

/** Of the medium, of checksums, of a link to the disk: what a second try would not change. */
const codes: readonly unknown[] = ["EIO", "EBADMSG", "EUCLEAN", "EILSEQ", "ENODATA", "EREMOTEIO"];

/** Whether an error is of this file alone, and not of all that is done with files. */
export function isUnreadable(error: unknown): boolean {
  return codes.includes(errorCode(error));
}

/** "refused": it ends the opening, which may go well on another day. "damaged": it counts as what does not open. */
export type Unreadable = "refused" | "damaged";

/** @returns undefined of what cannot be read, if that counts as damaged @throws what `read` does */
export async function unlessUnreadable<T>(
  unreadable: Unreadable,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (unreadable === "damaged" && isUnreadable(error)) return undefined;
    throw error;
  }
}
