/** Writing what must be there whole after a power cut. */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

export interface FileKind {
  readonly mode: number;
  /** Group, by its number; undefined: the process's own. */
  readonly gid?: number | undefined;
}

const standard: FileKind = { mode: 0o600 };
const fresh = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Writes a file that must not exist, durably but for its name. @throws system errors */
export function writeNew(path: string, content: string | Buffer, kind = standard): void {
  const fd = openSync(path, fresh, 0o600);
  try {
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    if (kind.gid !== undefined) fchownSync(fd, process.geteuid?.() ?? 0, kind.gid);
    fchmodSync(fd, kind.mode);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Replaces a file in one step. @throws system errors */
export function replace(path: string, content: string | Buffer, kind = standard): void {
  const next = `${path}.new`;
  rmSync(next, { force: true });
  writeNew(next, content, kind);
  renameSync(next, path);
  syncFolder(dirname(path));
}

/** Makes names that were made, changed or removed in a folder durable. @throws system errors */
export function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
