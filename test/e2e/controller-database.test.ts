/** What a controller does with a PostgreSQL that is large, slow, full or wrong. */
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import pg from "pg";
import { PostgresEngine } from "../../src/controller/io/store/postgres.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { readInPages, readWell } from "../rig/account-rows.ts";
import { qkdController } from "../rig/cli.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { Postgres, postgresPrograms } from "../rig/postgres.ts";
import { PostgresWay } from "../rig/postgres-way.ts";
import { deadline } from "../rig/with-rig.ts";

const program = join(postgresPrograms, "postgres");

function opened(host: string): Promise<PostgresEngine> {
  const to = { host, port: 5432, name: "postgres", user: "qkd-controller" };
  return PostgresEngine.open({ ...to, password: undefined, tls: undefined, onEnd: () => {} });
}

/** A database with controllers of these names, the first of which leads. */
async function bench(t: ExecutionContext, ...names: readonly string[]) {
  const database = await Postgres.start();
  const way = await PostgresWay.start(database.folder);
  const folder = await mkdtemp(join(tmpdir(), "qkd-controller-database-"));
  const tables = `[database]\nhost = "${way.folder}"\nname = "postgres"\n[node.km-a]\n[node.km-b]\n`;
  const made: ControllerProcess[] = [];
  t.teardown(async () => {
    await Promise.all(made.map(({ process }) => process.stop("SIGKILL")));
    await way[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const client = new pg.Client({
    host: database.folder,
    user: "qkd-controller",
    database: "postgres",
  });
  client.on("error", () => {});
  await client.connect();
  t.teardown(() => client.end());
  const role = async (of: ControllerProcess) => (await of.status()).role;
  for (const id of names) {
    const [first] = made;
    const more = first === undefined ? {} : { authority: first.authority };
    const one = await ControllerProcess.make({ folder, id, tables, ...more });
    made.push(one);
    await one.start(deadline());
    if (made.length === 1) await eventually("it leads", () => role(one), { is: "active" });
  }
  const alarms = async (of: ControllerProcess) =>
    (await of.status()).alarms.map(({ alarm }) => alarm);
  const isAway = async (of: ControllerProcess) => (await alarms(of)).includes("store_away.store");
  return { controllers: made, sql: (text: string) => client.query(text), role, isAway, way };
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

testWith(
  program,
  "a database that answers and takes nothing is told, until it takes something",
  async (t) => {
    const { controllers, sql, isAway } = await bench(t, "one");
    const [one] = controllers;
    if (one === undefined) return t.fail();
    const order = () => qkdController(["service", "km-b", "reserved", "--config", one.config]);
    await sql(`CREATE FUNCTION full_() RETURNS trigger AS
    $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$ LANGUAGE plpgsql`);
    await sql(`CREATE TRIGGER full_ BEFORE INSERT OR UPDATE ON qkd_record
    FOR EACH ROW EXECUTE FUNCTION full_()`);
    t.is((await order()).code, 74);
    await eventually("it is told", () => isAway(one), { is: true });
    await sql("DROP TRIGGER full_ ON qkd_record");
    await eventually("that is over", () => isAway(one), { is: false });
    t.is((await order()).code, 0);
  },
);

testWith(
  program,
  "a leader that does not move is followed, and stands by when it goes on",
  async (t) => {
    const { controllers, role } = await bench(t, "one", "two");
    const [one, two] = controllers;
    if (one?.process.pid === undefined || two === undefined) return t.fail();
    const { pid } = one.process;
    process.kill(pid, "SIGSTOP");
    try {
      await eventually("the other leads", () => role(two), { is: "active" });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await eventually("the first one stands by", () => role(one), { is: "standby" });
    t.is(await role(two), "active");
  },
);

testWith(
  program,
  "a server without TLS and a CA that is none are told apart, in words",
  async (t) => {
    await using database = await Postgres.start();
    const folder = await mkdtemp(join(tmpdir(), "qkd-controller-database-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const tables = `[database]\nhost = "${database.folder}"\nname = "postgres"\nca = "database.crt"\n[node.km-a]\n`;
    const one = await ControllerProcess.make({ folder, tables });
    t.teardown(() => one.process.stop("SIGKILL"));
    await copyFile(join(folder, "ca.crt"), join(folder, "database.crt"));
    await one.start(deadline());
    const details = async () => (await one.status()).alarms.map(({ detail }) => detail).join();
    await eventually("it says so", details, {
      matches: /the server has no TLS, which ca asks for/,
    });
    await writeFile(join(folder, "database.crt"), "xx");
    const log = () => one.process.lines.join("\n");
    const words = /the database's ca cannot be used: .*database\.crt/;
    await eventually("the log says then that it is the CA", log, { matches: words });
    t.true(one.process.running);
  },
);

testWith(
  program,
  "a database that is put back to an earlier state under a leader has all of what that one knows again",
  async (t) => {
    const { controllers, sql, role } = await bench(t, "one");
    const [one] = controllers;
    if (one === undefined) return t.fail();
    const cli = async (...words: string[]) =>
      t.is((await qkdController([...words, "--config", one.config])).code, 0);
    const kept = async () => {
      const text =
        "SELECT kind || ' ' || id AS name FROM qkd_record WHERE kind <> 'account' ORDER BY 1";
      return (await sql(text)).rows.map(({ name }) => name).join();
    };
    await cli("service", "km-a", "reserved");
    await cli("withdraw", "application", "app-x");
    for (const table of ["qkd_record", "qkd_change", "qkd_change_order", "qkd_term"]) {
      await sql(`CREATE TABLE copy_of_${table} AS SELECT * FROM ${table}`);
    }
    await cli("withdraw", "km", "km-b");
    const all = await kept();
    t.is(all, "access application:app-x,access km:km-b,service km-a");
    const ended =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'qkd-controller'";
    const restored = ["qkd_record", "qkd_change", "qkd_change_order", "qkd_term"].map((table) => {
      return `DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM copy_of_${table}`;
    });
    // Once with its connection ended, and once under it, as pg_restore does.
    await sql([...restored, ended].join("; "));
    await eventually("what was withdrawn is", kept, { is: all });
    await sql(restored.join("; "));
    await eventually("and again", kept, { is: all });
    const changes = async () => (await one.status()).changes.map(({ text }) => text).join();
    await eventually("it is told", changes, { matches: /earlier state/ });
    // And one that has nothing at all.
    await sql(
      `DROP TABLE qkd_record, qkd_change, qkd_change_order, qkd_term, qkd_version; ${ended}`,
    );
    await eventually("all is there", async () => kept().catch(() => ""), { is: all });
    t.is(await role(one), "active");
  },
);

testWith(
  program,
  "an order is in the log of changes once, also where the answer to its COMMIT was lost",
  async (t) => {
    const { controllers, sql, way } = await bench(t, "one");
    const [one] = controllers;
    if (one === undefined) return t.fail();
    way.toLose = 1;
    const { code } = await qkdController(["service", "km-a", "reserved", "--config", one.config]);
    t.is(way.lost, 1);
    t.is(code, 74, "whether it is kept is not known yet");
    const next = ["service", "km-b", "reserved", "--config", one.config];
    await eventually("it is kept again", async () => (await qkdController(next)).code, { is: 0 });
    const { rows } = await sql(
      "SELECT value::json->>'object' AS object FROM qkd_change JOIN qkd_change_order USING (number)",
    );
    const orders = rows.map(({ object }) => object).filter((object) => object === "km-a");
    t.deepEqual(orders, ["km-a"]);
  },
);

testWith(
  program,
  "one that stands by lets in a key manager that was registered with the other, until it is withdrawn there",
  async (t) => {
    const { controllers } = await bench(t, "one", "two");
    const [one, two] = controllers;
    if (one === undefined || two === undefined) return t.fail();
    const cli = async (...words: string[]) =>
      t.is((await qkdController([...words, "--config", one.config])).code, 0);
    await cli("register", "km", "km-c");
    const c = await two.km("km-c");
    t.teardown(() => c.stop());
    const isIn = async () =>
      (await two.status()).nodes.some(({ km, attached }) => km === "km-c" && attached);
    await eventually("it is let in", isIn, { is: true });
    await cli("withdraw", "km", "km-c");
    await eventually("it is cut off", isIn, { is: false });
  },
);
