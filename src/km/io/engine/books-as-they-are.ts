/**
 * Opens books to be looked at: nothing of them is written, so also those of a disk that is full or read-only, and those
 * of an older version as that one left them.
 */
import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { errorCode } from "../../../base/errors.ts";

export interface BooksAsTheyAre {
  readonly database: DatabaseSync;
  /** Closes them; nothing is left beside them that was not there. */
  close(): void;
}

/**
 * @param timeout how long another process that has them locked is waited for, ms
 * @throws a system error, SQLite's
 */
export function openAsTheyAre(path: string, timeout: number): BooksAsTheyAre {
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false });
  // Closed in order: all is in one file.
  if (wal === undefined || wal.size === 0) return open(path, "immutable=1", timeout, () => {});
  // SQLite wants to see an index of the -wal, and reads without it when there is one that it may not write.
  const index = `${path}-shm`;
  const isNew = statSync(index, { throwIfNoEntry: false }) === undefined;
  if (isNew && !canMake(index)) {
    // With no other process beside it, as none writes to such a disk, it has the index in memory.
    const books = open(path, "vfs=unix-none", timeout, () => {});
    books.database.exec("PRAGMA locking_mode = EXCLUSIVE");
    return books;
  }
  const tidy = () => {
    if (isNew) rmSync(index, { force: true });
  };
  return open(path, "readonly_shm=1", timeout, tidy);
}

/** @returns false on a disk that is read-only @throws a system error */
function canMake(file: string): boolean {
  try {
    closeSync(openSync(file, "wx", 0o600));
    return true;
  } catch (error) {
    if (errorCode(error) === "EROFS") return false;
    throw error;
  }
}

function open(path: string, how: string, timeout: number, tidy: () => void): BooksAsTheyAre {
  const url = pathToFileURL(path);
  url.search = `?mode=ro&${how}`;
  try {
    const database = new DatabaseSync(url, { readOnly: true, timeout });
    return {
      database,
      close: () => {
        database.close();
        tidy();
      },
    };
  } catch (error) {
    tidy();
    throw error;
  }
}
