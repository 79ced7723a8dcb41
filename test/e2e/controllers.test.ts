/** Two controllers with one database: one leads, the other takes over with all that was kept. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { PostgresEngine } from "../../src/controller/io/store/postgres.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { qkdController } from "../rig/cli.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { Postgres, postgresPrograms } from "../rig/postgres.ts";
import { deadline } from "../rig/with-rig.ts";

/** Takes the lock from one that does not move. */
async function otherLeader(host: string): Promise<PostgresEngine> {
  const options = { host, port: 5432, name: "postgres", user: "qkd-controller" };
  const client = new pg.Client({ ...options, database: options.name });
  await client.connect();
  await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'qkd-controller'",
  );
  await client.end();
  const none = { password: undefined, tls: undefined, onEnd: () => {} };
  const engine = await PostgresEngine.open({ ...options, ...none });
  const found = await eventually("the lock is free", () => engine.tryLead(), {
    when: (one) => one !== undefined,
  });
  if (found === undefined) throw new Error("no lock");
  await engine.lead(found.next);
  return engine;
}

/** The other takes over within this, ms. */
const takeoverMs = 10_000;

testWith(
  join(postgresPrograms, "postgres"),
  "a controller that is killed is followed by the other, which knows what the first one kept",
  async (t) => {
    await using database = await Postgres.start();
    const folder = await mkdtemp(join(tmpdir(), "qkd-controllers-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const tables = `[database]
host = "${database.folder}"
name = "postgres"
[node.km-a]
[node.km-b]
[link.ab]
between = ["km-a", "km-b"]
`;
    const one = await ControllerProcess.make({ folder, id: "one", tables });
    const { authority } = one;
    const two = await ControllerProcess.make({ folder, id: "two", tables, authority });
    t.teardown(() => Promise.all([one, two].map(({ process }) => process.stop("SIGKILL"))));
    const role = async (of: ControllerProcess) => (await of.status()).role;

    await one.start(deadline());
    await eventually("the first one leads", () => role(one), { is: "active" });
    await two.start(deadline());
    const a = await two.km("km-a");
    t.teardown(() => a.stop());
    await eventually("a KM is connected to the second", () => a.end.sessions.length, { is: 1 });
    t.is(await role(two), "standby");
    const asked = { type: "nextHopRequest", sourceKma: "km-a", destinationKma: "km-b" } as const;
    const { message } = await a.end.session.request(asked);
    t.deepEqual(message.extension?.toSorted(), [{ response: "busy" }, { standby: true }]);
    const cli = (of: ControllerProcess, ...args: string[]) =>
      qkdController([...args, "--config", of.config]);
    t.is((await cli(two, "withdraw", "km", "km-b")).code, 64);
    t.is((await cli(one, "withdraw", "km", "km-b")).code, 0);

    const killed = performance.now();
    await one.process.stop("SIGKILL");
    await eventually("the second one leads", () => role(two), { is: "active" });
    const took = performance.now() - killed;
    t.log(`took over within ${Math.round(took)} ms of ${takeoverMs}`);
    t.true(took <= takeoverMs);
    const b = await two.km("km-b");
    t.teardown(() => b.stop());
    await eventually("km-a is there again", () => a.end.sessions.length, { is: 2 });
    const changes = async () => (await cli(two, "changes")).out;
    await eventually("what the first one did is known", changes, { matches: /taken back/ });
    t.is(b.end.sessions.length, 0, "it was withdrawn at the first one");

    // Without its database a controller that leads goes on.
    await database.stop();
    const alarms = async () => (await two.status()).alarms.map(({ alarm }) => alarm);
    await eventually("it says so", async () => (await alarms()).includes("store_away.store"), {
      is: true,
    });
    t.is(await role(two), "active");
    await database.resume();
    await eventually("that is over", async () => (await alarms()).includes("store_away.store"), {
      is: false,
    });
    t.is((await cli(two, "service", "km-a--km-b", "out_of_service")).code, 0);
    t.true(existsSync(two.state));

    // It sleeps, another leads and is gone again: what that one did is known to it.
    const { pid = 0 } = two.process;
    process.kill(pid, "SIGSTOP");
    const between = await otherLeader(database.folder);
    const value = JSON.stringify({ service: "reserved", by: "another", at: Date.now() });
    await between.write([{ table: "service", id: "km-a--km-b", value }], []);
    await between.close();
    process.kill(pid, "SIGCONT");
    const service = async () => (await two.status()).links.map((link) => link.service);
    await eventually("it knows what the other did", service, { is: ["reserved"] });
  },
);
