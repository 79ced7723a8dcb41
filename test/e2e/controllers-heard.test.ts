/** Two controllers with one database: what nodes told their manager before the takeover holds after it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { Broker } from "../emulator/broker.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { Postgres, postgresPrograms } from "../rig/postgres.ts";
import { deadline } from "../rig/with-rig.ts";

testWith(
  join(postgresPrograms, "postgres"),
  "a controller that takes over routes nothing over a link whose node told of a critical alarm before",
  async (t) => {
    await using database = await Postgres.start();
    const folder = await mkdtemp(join(tmpdir(), "qkd-controllers-heard-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const broker = new Broker();
    await broker.listen();
    t.teardown(() => broker.close());
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const tables = `[database]
host = "${database.folder}"
name = "postgres"
[manager]
url = "${url}"
protocol = 4
[routing]
settle_s = 0
[node.km-a]
controllers = ["node-a"]
[node.km-b]
[link.ab]
between = ["km-a", "km-b"]
modules = ["to-b"]
[pair.ab]
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

    const node = await mqtt.connectAsync(url, { protocolVersion: 4 });
    t.teardown(() => node.endAsync(true));
    const told = { retain: true, qos: 1 } as const;
    await node.publishAsync("qkdn/v1/node-a/status", '{"status":"online"}', told);
    const alarm = { name: "qber_high", object: "to-b", severity: "critical", active: true };
    const raised = JSON.stringify({ ...alarm, raised: "2026-11-30T00:00:00Z" });
    await node.publishAsync("qkdn/v1/node-a/alarm/qber_high:to-b", raised, told);
    const controllers = async () =>
      (await two.status()).nodes.flatMap(({ controllers: all }) => all.map(({ node: id }) => id));
    await eventually("the second one hears it", async () => (await two.status()).links[0], {
      is: { reason: "alarm qber_high" },
    });

    await one.process.stop("SIGKILL");
    await eventually("the second one leads", () => role(two), { is: "active" });
    t.deepEqual(await controllers(), ["node-a"]);
    const kms = [await two.km("km-a"), await two.km("km-b")];
    t.teardown(() => Promise.all(kms.map((km) => km.stop())));
    for (const [i, km] of kms.entries()) {
      await eventually(`${km.name} is connected`, () => km.end.sessions.length, { atLeast: 1 });
      await km.tell(i === 0 ? "km-b" : "km-a");
    }
    const { links, pairs } = await two.status();
    t.is(links[0]?.ends.length, 2);
    t.like(links[0], { state: "bad", reason: "alarm qber_high" });
    t.like(links[0]?.alarms[0], { name: "qber_high", by: "mqtt" });
    t.deepEqual(pairs[0]?.route, []);
  },
);
