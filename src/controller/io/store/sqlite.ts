/**
 * The store of one controller: a file of SQLite. Writes are small and few, so they are done on the spot: a sync of the
 * disk a second at the most.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import { errorCode, Fault } from "../../../base/errors.ts";
import type { Saved, SavedTable } from "../../core/world.ts";
import type { ChangeStatus } from "../../model/status.ts";
import { accountsAfter, type CountedPeriods, loadAll, type Pages } from "./load.ts";
import {
  type Engine,
  isOrder,
  mostChanges,
  periodIn,
  type StoredAccount,
  type Written,
} from "./port.ts";
import type { Row } from "./saved.ts";
import { changeOf } from "./shapes.ts";

/** Grows when an older program could not read what is there. */
const version = 2;

/** Start of an account's period, as its ID has it; and whether it is in one: the bounds are for the index. */
const periodOf = "substr(id, 1, instr(id, ' ') - 1)";
const inPeriod = `id > ? AND id < ? AND ${periodOf} = ?`;

const schema = `
  CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, id)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS change (number INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS change_order (number INTEGER PRIMARY KEY) STRICT;
  PRAGMA user_version = ${version};
`;

export class SqliteEngine implements Engine, Pages {
  readonly name: string;
  readonly #db: DatabaseSync;

  /**
   * @param file in a folder that is this process's alone
   * @throws Fault `db.version`, `db.io`; `db.corrupt` if it is damaged or emptied: who was taken back is not known then
   */
  constructor(file: string) {
    this.name = file;
    this.#db = this.#act(() => {
      if (!existsSync(file) && !existsSync(`${file}-wal`)) begin(file);
      return new DatabaseSync(file);
    });
    try {
      this.#act(() => {
        const found = this.#db.prepare("PRAGMA user_version").get() as { user_version: number };
        if (found.user_version > version) {
          const facts = { file, version: found.user_version, limit: version };
          throw new Fault("db.version", "a later version of the program made this", facts);
        }
        // To SQLite a file of no length is a database without tables.
        if (found.user_version === 0) {
          const text =
            "the controller's file is empty: put a copy back, or move it away to begin anew";
          throw new Fault("db.corrupt", text, { file });
        }
        // A controller that was put out in the middle goes on from the last whole transaction.
        this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
        const { quick_check: check } = this.#db.prepare("PRAGMA quick_check(1)").get() as {
          quick_check: string;
        };
        if (check !== "ok") throw damaged(file);
        this.#db.exec(schema);
      });
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  load(period: number): Promise<Saved> {
    return loadAll(this, period);
  }

  accounts(after: string, count: number): Promise<readonly StoredAccount[]> {
    return accountsAfter(this, after, count);
  }

  /** See {@link Pages}. Others have their turn between two pages. */
  async rows(table: SavedTable, after: string, count: number, period?: number): Promise<Row[]> {
    await turn();
    const of = period === undefined ? "" : `AND ${inPeriod}`;
    const text = `SELECT kind AS "table", id, value FROM record
      WHERE kind = ? AND id > ? ${of} ORDER BY id LIMIT ?`;
    const bounds = period === undefined ? [] : [`${period}`, `${period + 1}`, `${period}`];
    return this.#act(
      () => this.#db.prepare(text).all(table, after, ...bounds, count) as unknown as Row[],
    );
  }

  /** See {@link Pages}. */
  async periods(after: string, count: number): Promise<CountedPeriods> {
    await turn();
    const text = `SELECT ${periodOf} AS start, count(*) AS count, max(id) AS last
      FROM (SELECT id FROM record WHERE kind = 'account' AND id > ? ORDER BY id LIMIT ?)
      GROUP BY start ORDER BY last`;
    return this.#act(() => {
      const rows = this.#db.prepare(text).all(after, count);
      const counts = rows.map((row) => [`${row.start}`, Number(row.count)] as const);
      return { last: rows.at(-1)?.last as string | undefined, counts };
    });
  }

  async write(records: readonly Written[], changes: readonly ChangeStatus[]): Promise<void> {
    this.#act(() => {
      const db = this.#db;
      const put = db.prepare("INSERT OR REPLACE INTO record (kind, id, value) VALUES (?, ?, ?)");
      const remove = db.prepare("DELETE FROM record WHERE kind = ? AND id = ?");
      const removePeriod = db.prepare(`DELETE FROM record WHERE kind = 'account' AND ${inPeriod}`);
      const log = db.prepare("INSERT INTO change (value) VALUES (?)");
      const order = db.prepare("INSERT INTO change_order (number) VALUES (?)");
      const forgetOrders = db.prepare(
        `DELETE FROM change_order WHERE number <=
          (SELECT number FROM change_order ORDER BY number DESC LIMIT 1 OFFSET ?)`,
      );
      const forget = db.prepare(
        `DELETE FROM change WHERE number <= (SELECT max(number) FROM change) - ?
          AND number NOT IN (SELECT number FROM change_order)`,
      );
      db.exec("BEGIN IMMEDIATE");
      try {
        // What comes of such a period in the same transaction came later, and stays.
        for (const period of records.map(periodIn)) {
          if (period !== undefined) removePeriod.run(period, `${Number(period) + 1}`, period);
        }
        for (const { table, id, value } of records) {
          if (value === undefined) remove.run(table, id);
          else put.run(table, id, value);
        }
        for (const change of changes) {
          const { lastInsertRowid } = log.run(JSON.stringify(change));
          if (isOrder(change)) order.run(lastInsertRowid);
        }
        if (changes.length > 0) {
          forgetOrders.run(mostChanges);
          forget.run(mostChanges);
        }
        db.exec("COMMIT");
      } catch (error) {
        if (db.isTransaction) db.exec("ROLLBACK");
        throw error;
      }
    });
  }

  async changes(count: number): Promise<(ChangeStatus | undefined)[]> {
    return this.#act(() => {
      const all = this.#db.prepare("SELECT value FROM change ORDER BY number DESC LIMIT ?");
      return all.all(count).map(({ value }) => changeOf(value as string));
    });
  }

  async close(): Promise<void> {
    this.#act(() => this.#db.close());
  }

  /** @throws Fault */
  #act<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (error instanceof Fault) throw error;
      const { errcode } = error as { errcode?: number };
      // SQLITE_CORRUPT and SQLITE_NOTADB.
      if (errcode === 11 || errcode === 26) throw damaged(this.name);
      const facts = { file: this.name, code: errorCode(error) ?? "unknown", number: errcode ?? 0 };
      throw new Fault("db.io", "the controller's file cannot be read or written", facts);
    }
  }
}

/** Makes a file that has its tables from the moment it is there: what is empty later was emptied. */
function begin(file: string): void {
  const made = `${file}.new`;
  rmSync(made, { force: true });
  const db = new DatabaseSync(made);
  try {
    db.exec(`PRAGMA synchronous = FULL; ${schema}`);
  } finally {
    db.close();
  }
  renameSync(made, file);
}

function damaged(file: string): Fault {
  const text = "the controller's file is damaged: put a copy back, or move it away to begin anew";
  return new Fault("db.corrupt", text, { file });
}
