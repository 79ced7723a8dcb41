/** What a controller's broker retains of links: those that there are, and no others. */
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { ControllerManager } from "../../../../src/controller/manager/manager.ts";
import type { LinkStatus } from "../../../../src/controller/model/status.ts";
import { level } from "../../../../src/ops/manager/topics.ts";
import { Broker } from "../../../emulator/broker.ts";
import { eventually } from "../../../eventually.ts";
import { link, network } from "../../../rig/controller-parts.ts";
import { never, noCredentials } from "../../../rig/manager-bench.ts";
import { memoryOutbox } from "../../../rig/outbox.ts";

async function bench() {
  const broker = new Broker(100_000);
  await broker.listen();
  const manager = new ControllerManager({
    url: `mqtt://127.0.0.1:${broker.port}`,
    base: "q",
    protocol: 4,
    username: undefined,
    credentials: () => noCredentials,
    telemetryInterval: ms(60_000),
    controllerId: "ctl",
    boot: 1,
    incarnation: "00112233aabbccdd",
    softwareVersion: "1",
    configurationDigest: "0",
    outbox: await memoryOutbox(),
    clock: systemClock,
    log: silentLog,
  });
  let links: readonly LinkStatus[] = [];
  manager.show({
    status: () => network({ links }),
    alarms: { records: () => [], record: () => undefined, forget: () => {} },
  });
  /** From now on there are these. */
  const have = (...ends: readonly string[]) => {
    links = ends.map((other) => link("km-a", other));
    manager.look(network({ links }));
  };
  const retained = () => {
    const last = new Map<string, string>();
    for (const { topic, payload, retain } of broker.messages) {
      if (retain && topic.includes("/link/")) last.set(topic, payload.toString());
    }
    return [...last].flatMap(([topic, text]) => (text === "" ? [] : [topic.split("/")[4]]));
  };
  return { broker, manager, have, retained };
}

test("a link that is gone is retained no more, also if it went while the broker was away", async (t) => {
  const { broker, manager, have, retained } = await bench();
  t.teardown(() => broker.close());
  have("km-b", "km-c", "km-d");
  const first = await manager.connect(never);
  await eventually("all are told", retained, { is: ["km-a--km-b", "km-a--km-c", "km-a--km-d"] });
  have("km-b", "km-d");
  await eventually("one is taken away", () => retained().length, { is: 2 });
  have("km-b", "km-c", "km-d");
  await eventually("it is back", () => retained().length, { is: 3 });

  await first.close();
  have("km-b");
  const second = await manager.connect(never);
  t.teardown(() => second.close());
  await eventually("all others are taken away", () => retained().length, { is: 1 });
  t.deepEqual(retained(), ["km-a--km-b"]);
  manager.stop();
});

test("links that come and go while the broker is away are bounded, and what comes after has room again", async (t) => {
  const { broker, manager, have, retained } = await bench();
  t.teardown(() => broker.close());
  have("km-b");
  for (let round = 0; round < 12; round++) {
    have("km-b", ...Array.from({ length: 1_000 }, (_, i) => `made-up-${round}-${i}`));
  }
  have("km-b", "km-c");
  const session = await manager.connect(never);
  t.teardown(() => session.close());
  const told = () => broker.messages.filter(({ topic }) => topic.includes("/link/")).length;
  await eventually("those that went are taken away", told, { atLeast: 9_999 });
  await eventually("room again", () => {
    have("km-b", "km-c");
    return retained().includes("km-a--km-c");
  });
  t.true(told() <= 10_010);
  manager.stop();
});

test("a link whose ID has what no topic can have is one level: a broker ends no connection for it", async (t) => {
  const { broker, manager, have, retained } = await bench();
  t.teardown(() => broker.close());
  have("km#1", "km/+", "km.1");
  const session = await manager.connect(never);
  await eventually("all are told", retained, {
    is: ["km#1--km-a", "km-a--km/+", "km-a--km.1"].map(level),
  });
  t.is(broker.messages.filter(({ topic }) => /[+#]/.test(topic)).length, 0);
  manager.stop();
  await session.close();
});
