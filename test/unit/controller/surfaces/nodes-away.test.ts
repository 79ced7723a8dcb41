/** What nodes told a controller before its connection to the broker broke, and what comes again on the next one. */
import test, { type ExecutionContext } from "ava";
import mqtt from "mqtt";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import type { HeardNode } from "../../../../src/controller/core/world.ts";
import { NodesListening } from "../../../../src/controller/manager/listening.ts";
import { ControllerManager } from "../../../../src/controller/manager/manager.ts";
import { NodesHeard } from "../../../../src/controller/manager/nodes.ts";
import { ManualClock } from "../../../clock.ts";
import { Broker } from "../../../emulator/broker.ts";
import { eventually } from "../../../eventually.ts";
import { never, noCredentials } from "../../../rig/manager-bench.ts";
import { memoryOutbox } from "../../../rig/outbox.ts";

const online = JSON.stringify({ status: "online" });
const alarm = (object: string) =>
  JSON.stringify({
    ...{ name: "qber_high", object, severity: "critical", active: true },
    raised: "2026-01-31T12:00:00Z",
  });
const retained = { retain: true, qos: 1 } as const;

/** A controller that reads along at a broker, on a clock that the test moves; and a client that is all nodes. */
async function bench(t: ExecutionContext) {
  const broker = new Broker();
  await broker.listen();
  t.teardown(() => broker.close());
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const nodes = await mqtt.connectAsync(url, { protocolVersion: 4 });
  t.teardown(() => nodes.endAsync(true));
  const clock = new ManualClock();
  const told: HeardNode[] = [];
  const listens = new NodesListening(new NodesHeard("q"), clock, (node) => void told.push(node));
  let subscribed = 0;
  const manager = new ControllerManager({
    url,
    base: "q",
    protocol: 4,
    username: undefined,
    credentials: () => noCredentials,
    telemetryInterval: ms(1_000),
    controllerId: "ctl",
    boot: 1,
    incarnation: "00112233aabbccdd",
    softwareVersion: "1",
    configurationDigest: "0",
    listens: {
      filters: listens.filters,
      onMessage: (...message) => listens.onMessage(...message),
      onConnected: () => listens.onConnected(),
      onSubscribed: () => {
        listens.onSubscribed();
        subscribed++;
      },
      onEnded: () => listens.onEnded(),
    },
    outbox: await memoryOutbox(),
    clock: systemClock,
    log: silentLog,
  });
  const connect = async () => {
    const before = subscribed;
    const session = await manager.connect(never);
    await eventually("it is subscribed", () => subscribed > before);
    return session;
  };
  /** Its alarms by module, as they were told last; undefined: it is no node. */
  const alarmsOf = (node: string) => {
    const last = told.findLast((one) => one.node === node);
    return last?.isGone ? undefined : last?.alarms.map(({ module }) => module);
  };
  return { clock, nodes, told, connect, alarmsOf };
}

test("an alarm that was cleared while the controller was away from the broker is over", async (t) => {
  const { clock, nodes, told, connect, alarmsOf } = await bench(t);
  const first = await connect();
  await nodes.publishAsync("q/a/status", online, retained);
  for (const module of ["to-b", "to-c"]) {
    await nodes.publishAsync(`q/a/alarm/qber_high:${module}`, alarm(module), retained);
  }
  await eventually("both are heard", () => alarmsOf("a"), { is: ["to-b", "to-c"] });

  await first.close();
  await nodes.publishAsync("q/a/alarm/qber_high:to-b", "", retained);
  await clock.advance(3_600_000);
  t.deepEqual(alarmsOf("a"), ["to-b", "to-c"], "without the broker all holds");
  const before = told.length;
  const second = await connect();
  t.teardown(() => second.close());
  await eventually("what the broker has is heard", () => told.length - before, { is: 2 });
  await clock.advance(9_000);
  t.deepEqual(alarmsOf("a"), ["to-b", "to-c"]);
  await clock.advance(2_000);
  t.deepEqual(alarmsOf("a"), ["to-c"]);
  t.is(clock.timers, 0, "nothing is waited for any more");
});

test("a broker that forgot all takes no alarm away before its node has had the time to tell it again", async (t) => {
  const { clock, nodes, told, connect, alarmsOf } = await bench(t);
  const first = await connect();
  for (const node of ["a", "b"]) {
    await nodes.publishAsync(`q/${node}/status`, online, retained);
    await nodes.publishAsync(`q/${node}/alarm/qber_high:m`, alarm("m"), retained);
    await eventually(`${node} is heard`, () => alarmsOf(node), { is: ["m"] });
  }
  await first.close();
  for (const node of ["a", "b"]) {
    for (const topic of ["status", "alarm/qber_high:m"]) {
      await nodes.publishAsync(`q/${node}/${topic}`, "", retained);
    }
  }
  const second = await connect();
  t.teardown(() => second.close());
  await clock.advance(60_000);
  t.deepEqual(alarmsOf("a"), ["m"]);
  // It connects again, and the alarm holds; the other one is gone for good.
  const before = told.length;
  await nodes.publishAsync("q/a/status", online, retained);
  await nodes.publishAsync("q/a/alarm/qber_high:m", alarm("m"), retained);
  await eventually("it is back", () => told.length - before, { is: 2 });
  await clock.advance(61_000);
  t.deepEqual(alarmsOf("a"), ["m"]);
  t.is(alarmsOf("b"), undefined);
});

test("a connection that ends early takes nothing away", async (t) => {
  const { clock, nodes, told, connect, alarmsOf } = await bench(t);
  const first = await connect();
  await nodes.publishAsync("q/a/status", online, retained);
  await nodes.publishAsync("q/a/alarm/qber_high:m", alarm("m"), retained);
  await eventually("it is heard", () => alarmsOf("a"), { is: ["m"] });
  await first.close();
  await nodes.publishAsync("q/a/alarm/qber_high:m", "", retained);
  const before = told.length;
  const second = await connect();
  await eventually("its status is heard", () => told.length - before, { is: 1 });
  await second.close();
  await eventually("nothing is waited for", () => clock.timers === 0);
  await clock.advance(3_600_000);
  t.deepEqual(alarmsOf("a"), ["m"]);
});
