/**
 * The store of two controllers: PostgreSQL. One connection does all, and the lock of who leads is that connection's:
 * when it breaks the server gives the lock to another, and nothing is written under it any more.
 */
import type { Duplex } from "node:stream";
import pg from "pg";
import { Fault } from "../../../base/errors.ts";
import type { clientTls } from "../../../host/tls/options.ts";
import type { Saved, SavedTable } from "../../core/world.ts";
import type { ChangeStatus } from "../../model/status.ts";
import { accessIn, accountsAfter, type CountedPeriods, loadAll, type Pages } from "./load.ts";
import {
  type Engine,
  isOrder,
  mostChanges,
  periodIn,
  type StoredAccount,
  type Written,
} from "./port.ts";
import { causeOf } from "./postgres-cause.ts";
import { type Row, tables } from "./saved.ts";
import { changeOf } from "./shapes.ts";
import type { Found } from "./standing.ts";

export interface PostgresOptions {
  /** A name, an address, or the folder of its Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly tls: ReturnType<typeof clientTls> | undefined;
  /** The connection is over. Once. */
  readonly onEnd: (why: string) => void;
}

/** Grows when an older program could not read what is there. */
const version = 2;
/** Of the lock: "QKDN" as a number. Who connects to one database shares one network. */
const lockKey = 0x514b444e;
/** A connection is there, and a statement is answered, within this, ms. */
const answerMs = 4_000;
/** Rows of `qkd_term`: since when the leader leads, and how often it was written. */
const ids = { term: 1, writes: 2 } as const;
/** Records of one statement. */
const together = 500;
/** The server ends the connection within this, ms. */
const goodbyeMs = 1_000;

/**
 * The server gives up a controller that is silently gone, or that does not move, within some 6 s: one that runs asks
 * something each second. PostgreSQL before 14 has no limit for who is idle, and goes without.
 */
const settings = `
  SELECT set_config(name, '6s', false) FROM pg_settings
    WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout');
  SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 4;
  SET tcp_user_timeout = 6000; SET synchronous_commit = on; SET lock_timeout = ${answerMs};
`;

const schema = `
  CREATE TABLE IF NOT EXISTS qkd_record (
    kind text NOT NULL, id text NOT NULL, value text NOT NULL, PRIMARY KEY (kind, id)
  );
  CREATE TABLE IF NOT EXISTS qkd_change (number bigserial PRIMARY KEY, value text NOT NULL);
  CREATE TABLE IF NOT EXISTS qkd_change_order (number bigint PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS qkd_version (version integer PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS qkd_term (id integer PRIMARY KEY, term bigint NOT NULL);
`;

export class PostgresEngine implements Engine, Pages {
  readonly name: string;
  readonly #client: pg.Client;
  /** Statements one after the other: a transaction is several. */
  #last: Promise<unknown> = Promise.resolve();
  #writes = 0;

  private constructor(name: string, client: pg.Client) {
    this.name = name;
    this.#client = client;
  }

  /** @throws Fault `db.*` */
  static async open(options: PostgresOptions): Promise<PostgresEngine> {
    const { host, port, name, user, password, tls, onEnd } = options;
    const shown = `${host}:${port}/${name}`;
    const client = new pg.Client({
      ...{ host, port, database: name, user },
      // A text alone would be sought in the environment and a file of the machine's if it is empty.
      password: async () => password ?? "",
      ssl: tls ?? false,
      connectionTimeoutMillis: answerMs,
      query_timeout: answerMs,
      statement_timeout: answerMs,
      keepAlive: true,
      application_name: "qkd-controller",
    });
    let why = "closed";
    client.on("error", (error) => {
      const { code, cause } = causeOf(error);
      why = cause === undefined ? code : `${cause} (${code})`;
    });
    client.on("end", () => onEnd(why));
    const engine = new PostgresEngine(shown, client);
    try {
      await client.connect();
      await client.query(settings);
      await engine.#make();
      return engine;
    } catch (error) {
      await client.end().catch(() => {});
      if (error instanceof Fault) throw error;
      const facts = { database: shown, ...causeOf(error) };
      throw new Fault("db.open", "the controller's database cannot be reached", facts);
    }
  }

  /** See `LockingEngine.tryLead`. @throws Fault `db.io` */
  async tryLead(): Promise<Found | undefined> {
    return this.#act(async (client) => {
      const { rows } = await client.query("SELECT pg_try_advisory_lock($1) AS got", [lockKey]);
      return rows[0]?.got === true ? foundIn(client) : undefined;
    });
  }

  /** See `LockingEngine.found`. @throws Fault `db.io` */
  found(): Promise<Found> {
    return this.#act(foundIn);
  }

  /** See `LockingEngine.writes`. */
  get writes(): number {
    return this.#writes;
  }

  /** See `LockingEngine.lead`. @throws Fault `db.io` */
  async lead(term: number): Promise<void> {
    await this.#act((client) =>
      client.query(
        "INSERT INTO qkd_term VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET term = excluded.term",
        [ids.term, term],
      ),
    );
  }

  load(period: number): Promise<Saved> {
    return loadAll(this, period);
  }

  access(): Promise<Saved["access"]> {
    return accessIn(this);
  }

  accounts(after: string, count: number): Promise<readonly StoredAccount[]> {
    return accountsAfter(this, after, count);
  }

  /** See {@link Pages}. */
  rows(table: SavedTable, after: string, count: number, period?: number): Promise<Row[]> {
    return this.#act(async (client) => {
      // The bounds are for the index: whatever the database sorts by, digits are in order.
      const of = "AND id > $4 AND id < $5 AND split_part(id, ' ', 1) = $4";
      const text = `SELECT kind AS "table", id, value FROM qkd_record
        WHERE kind = $1 AND id > $2 ${period === undefined ? "" : of} ORDER BY id LIMIT $3`;
      const bounds = period === undefined ? [] : [`${period}`, `${period + 1}`];
      return (await client.query(text, [table, after, count, ...bounds])).rows as Row[];
    });
  }

  /** See {@link Pages}. */
  periods(after: string, count: number): Promise<CountedPeriods> {
    return this.#act(async (client) => {
      const text = `WITH page AS (
          SELECT id FROM qkd_record WHERE kind = 'account' AND id > $1 ORDER BY id LIMIT $2
        )
        SELECT split_part(id, ' ', 1) AS start, count(*) AS count, max(id) AS last
        FROM page GROUP BY start ORDER BY last`;
      const { rows } = await client.query(text, [after, count]);
      const counts = rows.map(({ start, count: of }) => [start as string, Number(of)] as const);
      return { last: rows.at(-1)?.last as string | undefined, counts };
    });
  }

  write(
    records: readonly Written[],
    changes: readonly ChangeStatus[],
    isAll = false,
  ): Promise<void> {
    return this.#act(async (client) => {
      try {
        await client.query("BEGIN");
        // What a later version keeps beside these stays.
        const kinds = tables.filter((table) => table !== "account");
        if (isAll) await client.query("DELETE FROM qkd_record WHERE kind = ANY($1)", [kinds]);
        // What comes of such a period in the same transaction came later, and stays.
        for (const period of records.map(periodIn)) {
          if (period !== undefined) await forget(client, period);
        }
        for (let i = 0; i < records.length; i += together) {
          await put(client, records.slice(i, i + together));
        }
        if (changes.length > 0) {
          await log(client, changes);
        }
        const { rows } = await client.query(
          `INSERT INTO qkd_term VALUES ($1, 1)
            ON CONFLICT (id) DO UPDATE SET term = qkd_term.term + 1 RETURNING term`,
          [ids.writes],
        );
        await client.query("COMMIT");
        this.#writes = Number(rows[0]?.term);
      } catch (error) {
        await client.query("ROLLBACK").catch(() => {});
        throw error;
      }
    });
  }

  changes(count: number): Promise<(ChangeStatus | undefined)[]> {
    return this.#act(async (client) => {
      const text = "SELECT value FROM qkd_change ORDER BY number DESC LIMIT $1";
      const { rows } = await client.query(text, [count]);
      return rows.map(({ value }) => changeOf(value as string));
    });
  }

  /** The lock goes with the connection. */
  async close(): Promise<void> {
    const { connection } = this.#client as unknown as { connection: { stream: Duplex } };
    // A server that is silently gone answers no goodbye.
    const timer = setTimeout(() => connection.stream.destroy(), goodbyeMs);
    await this.#client.end().catch(() => {});
    clearTimeout(timer);
  }

  /** Two controllers that begin at once make the tables once. */
  async #make(): Promise<void> {
    await this.#act(async (client) => {
      await client.query("BEGIN");
      await client.query("SELECT pg_advisory_xact_lock($1)", [lockKey + 1]);
      await client.query(schema);
      const { rows } = await client.query("SELECT max(version) AS version FROM qkd_version");
      const found = rows[0]?.version ?? 0;
      if (found > version) {
        const facts = { database: this.name, version: found, limit: version };
        throw new Fault("db.version", "a later version of the program made this", facts);
      }
      if (found < version) await client.query("INSERT INTO qkd_version VALUES ($1)", [version]);
      await client.query("COMMIT");
    });
  }

  /** @throws Fault */
  #act<T>(act: (client: pg.Client) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      try {
        return await act(this.#client);
      } catch (error) {
        if (error instanceof Fault) throw error;
        const facts = { database: this.name, ...causeOf(error) };
        throw new Fault("db.io", "the controller's database cannot be read or written", facts);
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}

async function foundIn(client: pg.Client): Promise<Found> {
  // By the server's clock: a term of after a restore is later than all of before it.
  const { rows } = await client.query(
    `SELECT id, term FROM qkd_term
      UNION ALL SELECT 0, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`,
  );
  const of = (id: number) => Number(rows.find((row) => row.id === id)?.term ?? 0);
  const term = of(ids.term);
  return { term, writes: of(ids.writes), next: Math.max(term + 1, of(0)) };
}

/** Adds to the log, in order, and takes out what is old. */
async function log(client: pg.Client, changes: readonly ChangeStatus[]): Promise<void> {
  await client.query(
    `WITH told AS (SELECT * FROM unnest($1::text[], $2::boolean[]) WITH ORDINALITY AS one (value, is_order, i)),
      added AS (
        INSERT INTO qkd_change (number, value)
        SELECT nextval(pg_get_serial_sequence('qkd_change', 'number')), value
        FROM (SELECT * FROM told ORDER BY i) AS sorted RETURNING number, value
      )
    INSERT INTO qkd_change_order
    SELECT DISTINCT number FROM added JOIN told USING (value) WHERE is_order`,
    [changes.map((change) => JSON.stringify(change)), changes.map(isOrder)],
  );
  await client.query(
    `DELETE FROM qkd_change_order WHERE number <=
      (SELECT number FROM qkd_change_order ORDER BY number DESC LIMIT 1 OFFSET $1)`,
    [mostChanges],
  );
  await client.query(
    `DELETE FROM qkd_change WHERE number <= (SELECT max(number) FROM qkd_change) - $1
      AND number NOT IN (SELECT number FROM qkd_change_order)`,
    [mostChanges],
  );
}

/** All accounts of a period. */
async function forget(client: pg.Client, period: string): Promise<void> {
  await client.query(
    `DELETE FROM qkd_record WHERE kind = 'account'
      AND id > $1 AND id < $2 AND split_part(id, ' ', 1) = $1`,
    [period, `${Number(period) + 1}`],
  );
}

async function put(client: pg.Client, records: readonly Written[]): Promise<void> {
  const kept = records.filter(({ value }) => value !== undefined);
  const gone = records.filter(({ value }) => value === undefined);
  const columns = (of: readonly Written[]) => [
    of.map(({ table }) => table),
    of.map(({ id }) => id),
  ];
  if (kept.length > 0) {
    await client.query(
      `INSERT INTO qkd_record (kind, id, value)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
       ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value`,
      [...columns(kept), kept.map(({ value }) => value)],
    );
  }
  if (gone.length === 0) return;
  await client.query(
    `DELETE FROM qkd_record USING unnest($1::text[], $2::text[]) AS gone (kind, id)
     WHERE qkd_record.kind = gone.kind AND qkd_record.id = gone.id`,
    columns(gone),
  );
}
