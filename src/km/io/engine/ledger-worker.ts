/** The books in SQLite, in a thread of their own: each transaction is durable when it is answered. */
import { closeSync, fdatasyncSync, openSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { openAsTheyAre } from "./books-as-they-are.ts";
import { fileOf } from "./fault.ts";
import type { LedgerAnswer, LedgerLoaded, LedgerRequest } from "./ledger.ts";
import type { LoadHow } from "./names-in.ts";
import { assertOwnBooks, notOwn } from "./own-file.ts";
import { unpackRows } from "./packed-rows.ts";

type Apply = Extract<LedgerRequest, { type: "apply" }>;

const { path, how } = workerData as { path: string; how: LoadHow };

/** Rises when the tables change their form. 2: rows of keys on their way in a second form; those of the first are read. */
const version = 2;

const lockedMs = 3_000;
/** How often it is seen whether the files are there still, ms. */
const lookMs = 1_000;
/** What is told by its name; of all else SQLite's number, or the system's code. */
const named: readonly unknown[] = [
  ...["version", "damaged", "gone", "removed"],
  ...Object.keys(notOwn),
];

function openDatabase(mayBegin: boolean): DatabaseSync {
  // Another process that reads a copy of it, or looks at it, is waited for.
  const database = new DatabaseSync(path, { timeout: lockedMs });
  try {
    prepare(database, mayBegin);
  } catch (error) {
    // Of a disk that was full nothing is left open: there may be room for it at the next try.
    database.close();
    throw error;
  }
  return database;
}

/** @throws Error `version`, `gone`; SQLite's */
function assertOurs(database: DatabaseSync, mayBegin: boolean): void {
  const found = database.prepare("PRAGMA user_version").get() as { user_version: number };
  if (found.user_version > version) throw new Error("version");
  // Also a file of no length: to SQLite it is a database without tables.
  if (found.user_version === 0 && !mayBegin) throw new Error("gone");
}

/** @throws as {@link assertOurs} */
function prepare(database: DatabaseSync, mayBegin: boolean): void {
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
  assertOurs(database, mayBegin);
  database.exec(`
    CREATE TABLE IF NOT EXISTS rows (kind INTEGER, link TEXT, key TEXT, value BLOB,
      PRIMARY KEY (kind, link, key)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS consumed (grp INTEGER PRIMARY KEY, segment INTEGER, bits BLOB);
    CREATE TABLE IF NOT EXISTS extents (link TEXT, number INTEGER, volume INTEGER, offset INTEGER,
      length INTEGER, PRIMARY KEY (link, number)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS redo (link TEXT, number INTEGER, runs BLOB,
      PRIMARY KEY (link, number)) WITHOUT ROWID;
    PRAGMA user_version = ${version};
  `);
  // A transaction is in order as before, and durable when Books has synced the log.
  database.exec("PRAGMA synchronous = NORMAL");
}

/** @throws SQLite's error, or Error `damaged` */
function allOf(database: DatabaseSync): LedgerLoaded {
  const check = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
  if (check.quick_check !== "ok") throw new Error("damaged");
  const tables = new Set(
    database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()
      .map(({ name }) => name),
  );
  // An older version has fewer tables.
  const all = <T>(table: string, columns: string) =>
    (tables.has(table)
      ? database.prepare(`SELECT ${columns} FROM ${table}`).all()
      : []) as unknown as T;
  return {
    rows: all<LedgerLoaded["rows"]>("rows", "kind, link, key, value"),
    consumed: all<LedgerLoaded["consumed"]>("consumed", "grp, segment, bits"),
    extents: all<LedgerLoaded["extents"]>("extents", "link, number, volume, offset, length"),
    redo: all<LedgerLoaded["redo"]>("redo", "link, number, runs"),
  };
}

/** @throws Error `version`, `gone`, `damaged`; a system error, SQLite's */
function look(): LedgerLoaded {
  const books = openAsTheyAre(path, lockedMs);
  try {
    assertOurs(books.database, false);
    return allOf(books.database);
  } finally {
    books.close();
  }
}

class Books {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** Which files the names led to after the first transaction. */
  #files: string | undefined;
  #lookedAt = 0;
  /** The log: there as long as the books are open. */
  readonly #wal: number;

  constructor(mayBegin: boolean) {
    this.#database = openDatabase(mayBegin);
    try {
      this.#wal = openSync(`${path}-wal`, "r");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /**
   * What was committed is durable. SQLite would do it with fsync, which has the file's times on the disk as well with each
   * transaction: for them the journal of the file system waits for what others have written, up to 30 ms.
   * @throws a system error: what is on the disk is not known any more
   */
  #sync(): void {
    fdatasyncSync(this.#wal);
  }

  /** Books without a name are gone with this process; without their WAL they are old. @throws Error `removed` */
  #assertThere(): void {
    const now = performance.now();
    if (this.#files !== undefined && now - this.#lookedAt < lookMs) return;
    this.#lookedAt = now;
    const files = [path, `${path}-wal`]
      .map((name) => statSync(name, { throwIfNoEntry: false })?.ino)
      .join();
    this.#files ??= files;
    if (files !== this.#files) throw new Error("removed");
  }

  #run(sql: string, ...values: (string | number | Uint8Array)[]): void {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    statement.run(...values);
  }

  /** @throws SQLite's error, or Error `damaged`: then it is closed */
  load(): LedgerLoaded {
    try {
      return allOf(this.#database);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  apply(change: Apply): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      this.#write(change);
      this.#database.exec("COMMIT");
      this.#sync();
      this.#assertThere();
    } catch (error) {
      // A full disk is no end: there may be room for it at the next try.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #write({ rows, change }: Apply): void {
    const { consumed, extents, gone, segmentsGone, redo } = change;
    for (const { kind, link, key, value } of unpackRows(rows)) {
      if (value === undefined) {
        this.#run("DELETE FROM rows WHERE kind = ? AND link = ? AND key = ?", kind, link, key);
      } else this.#run("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", kind, link, key, value);
    }
    for (const { grp, segment, bits } of consumed) {
      this.#run("INSERT OR REPLACE INTO consumed VALUES (?, ?, ?)", grp, segment, bits);
    }
    for (const { link, number, volume, offset, length } of extents) {
      const sql = "INSERT OR REPLACE INTO extents VALUES (?, ?, ?, ?, ?)";
      this.#run(sql, link, number, volume, offset, length);
    }
    this.#run("DELETE FROM redo");
    for (const { link, number, runs } of redo) {
      this.#run("INSERT INTO redo VALUES (?, ?, ?)", link, number, runs);
    }
    for (const { link, number } of gone) {
      this.#run("DELETE FROM extents WHERE link = ? AND number = ?", link, number);
    }
    for (const segment of segmentsGone)
      this.#run("DELETE FROM consumed WHERE segment = ?", segment);
  }

  close(): void {
    this.#database.close();
    closeSync(this.#wal);
  }
}

function answer(message: LedgerAnswer): void {
  parentPort?.postMessage(message);
}

/** SQLite's own texts can quote values: only their kind is told. */
function codeOf(error: unknown): string {
  const { message, code, errcode } = error as { message?: string; code?: string; errcode?: number };
  if (message !== undefined && named.includes(message)) return message;
  return errcode === undefined ? (code ?? "unknown") : `sqlite ${errcode}`;
}

let ledger: Books | undefined;
parentPort?.on("message", (request: LedgerRequest) => {
  try {
    // Before SQLite: a pipe that it opens to be read would keep this thread for ever.
    if (request.type === "load") assertOwnBooks(path);
    if (request.type === "load" && how === "as it is") {
      answer({ type: "loaded", loaded: look() });
    } else if (request.type === "load") {
      const books = new Books(request.mayBegin);
      const loaded = books.load();
      ledger = books;
      answer({ type: "loaded", loaded });
    } else if (request.type === "apply") {
      ledger?.apply(request);
      answer({ type: "applied" });
    } else {
      ledger?.close();
      answer({ type: "closed" });
      parentPort?.close();
    }
  } catch (error) {
    answer({ type: "failed", code: codeOf(error), ...fileOf(error) });
  }
});
