/** Files that a configuration names, before they are used. */
import { accessSync, constants, statSync } from "node:fs";
import { errorCode } from "../../base/errors.ts";
import { readRegular } from "../disk/regular-file.ts";

/** @returns undefined if it cannot be read, and what `look` returns else */
export function readIfThere<T>(
  path: string,
  look: (bytes: Buffer) => T | undefined,
): T | undefined {
  let bytes: Buffer;
  try {
    bytes = readRegular(path);
  } catch {
    return undefined;
  }
  return look(bytes);
}

/** @param secret others may not read it @returns why it is of no use */
export function fileProblem(path: string, secret: boolean): string | undefined {
  try {
    accessSync(path, constants.R_OK);
    const stats = statSync(path);
    if (stats.isDirectory()) return `${path} cannot be read: it is a folder`;
    if (!stats.isFile()) return `${path} is no file, but a pipe or a device`;
    if (secret && (stats.mode & 0o037) !== 0) {
      return `others may use ${path}; make it mode 0600`;
    }
    return undefined;
  } catch (error) {
    return `${path} cannot be read: ${whyNot(error)}`;
  }
}

/** What a system error says of a file. */
export function whyNot(error: unknown): string {
  const code = errorCode(error) ?? "unknown";
  const known: Readonly<Record<string, string>> = {
    ENOENT: "no such file",
    EACCES: "permission denied",
    EISDIR: "it is a folder",
    ENOTDIR: "it is below a file",
    ENAMETOOLONG: "its name is too long",
    ELOOP: "its links lead in a circle",
  };
  return known[code] ?? code;
}
