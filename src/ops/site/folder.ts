/** Reads a configuration's folder that may be hostile: bounded, no link followed, nothing waited for. */
import { closeSync, constants, fstatSync, opendirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import { isSiteFile, longestFile, manifestFile, mostFiles, signatureFile } from "./manifest.ts";

/** Names looked at in one folder: a damaged file system can have one without an end. */
const mostNames = 1_024;
const careful = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A folder that cannot be taken as a configuration; the message has a file's name at most. */
export class SiteError extends Error {}

/**
 * @returns the files that a configuration may have, and manifest and signature; others are left out
 * @throws SiteError if one of them is too long, too many, or no regular file; system errors
 */
export function readFolder(root: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const folder of ["", "chrony", "network"]) {
    for (const entry of namesIn(join(root, folder))) {
      const name = folder === "" ? entry : `${folder}/${entry}`;
      if (!isSiteFile(name) && name !== manifestFile && name !== signatureFile) continue;
      if (files.size > mostFiles + 1) throw new SiteError("there are too many files");
      files.set(name, readFile(join(root, name), name));
    }
  }
  return files;
}

/** In order; none if there is no such folder. */
function namesIn(path: string): string[] {
  const folder = openFolder(path);
  if (folder === undefined) return [];
  const names: string[] = [];
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      if (names.length === mostNames) throw new SiteError("a folder has too many names");
      names.push(entry.name);
    }
  } finally {
    folder.closeSync();
  }
  return names.sort();
}

function openFolder(path: string) {
  try {
    // A link would lead out of the folder.
    closeSync(openSync(path, careful | constants.O_DIRECTORY));
    return opendirSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw error;
  }
}

function readFile(path: string, name: string): Buffer {
  let fd: number;
  try {
    fd = openSync(path, careful);
  } catch (error) {
    throw new SiteError(`cannot read ${name}: ${errorCode(error) ?? "unknown"}`);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new SiteError(`${name} is no regular file`);
    // One byte more than is allowed shows that there is more, whatever the size says.
    const buffer = Buffer.alloc(longestFile + 1);
    let length = 0;
    for (;;) {
      const read = readSync(fd, buffer, length, buffer.length - length, length);
      length += read;
      if (length > longestFile)
        throw new SiteError(`${name} is longer than ${longestFile >> 10} KiB`);
      if (read === 0) return Buffer.from(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}
