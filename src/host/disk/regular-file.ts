/** Files that a person names: read whole, if they are files, and in bounds. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** More than lists of a large authority have, bytes. */
const longest = 67_108_864;

/**
 * What else has a name in a folder is refused: a pipe has its reader wait for ever, a device has no end.
 * @throws a system error; `ENOTFILE` and `EFBIG` are made here
 */
export function readRegular(file: string): Buffer {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stats = fstatSync(fd);
    const code = stats.isDirectory() ? "EISDIR" : stats.isFile() ? undefined : "ENOTFILE";
    if (code !== undefined) throw Object.assign(new Error("no file"), { code });
    if (stats.size > longest) throw Object.assign(new Error("too long"), { code: "EFBIG" });
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The same as a text in UTF-8. @throws as {@link readRegular} */
export function readRegularText(file: string): string {
  return readRegular(file).toString("utf8");
}
