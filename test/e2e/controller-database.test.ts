/** What a controller does with a PostgreSQL that is large, slow, full or wrong. */
import { join } from "node:path";
import { PostgresEngine } from "../../src/controller/io/store/postgres.ts";
import { testWith } from "../needs.ts";
import { readInPages, readWell } from "../rig/account-rows.ts";
import { Postgres, postgresPrograms } from "../rig/postgres.ts";

const program = join(postgresPrograms, "postgres");

function opened(host: string): Promise<PostgresEngine> {
  const to = { host, port: 5432, name: "postgres", user: "qkd-controller" };
  return PostgresEngine.open({ ...to, password: undefined, tls: undefined, onEnd: () => {} });
}

testWith(
  program,
  "of accounts only the newest periods are loaded, the others are read in pages, and forgotten whole",
  async (t) => {
    await using database = await Postgres.start();
    const engine = await opened(database.folder);
    const { loaded, expected, ...more } = await readInPages(engine);
    t.deepEqual(loaded, expected);
    t.deepEqual(more, readWell);
    await engine.close();
  },
);
