/** No payload is too long for a broker: the inventory says what it has no room for, and the log what was not sent. */
import test from "ava";
import { createLog } from "../../../../src/base/log.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { Contract } from "../../../rig/contract.ts";
import { manager, moduleView, never } from "../../../rig/manager-bench.ts";
import { ScriptedBroker } from "../../../rig/scripted-broker.ts";

/** Two KMs: their names in one text. */
const described = { driver: "qmlp", where: "/dev/tty-é", km: "one, two" };

for (const count of [2, 200]) {
  test(`of ${count} modules the inventory has those that there is room for, and all are told`, async (t) => {
    const broker = await new ScriptedBroker(5).listen();
    t.teardown(() => broker.close());
    const { manager: node } = await manager(broker.url, { clock: new ManualClock() });
    const names = Array.from({ length: count }, (_, i) => `module-${i}-${"x".repeat(50)}`);
    const modules = names.map((name) => {
      return { ...moduleView, name, describe: () => ({ ...described, name }) };
    });
    node.show({ modules });
    await node.connect(never);
    t.teardown(() => node.stop());
    const told = (end: string) => broker.published.filter(({ topic }) => topic.endsWith(end));
    await eventually("the states of all modules", () => told("/state").length, { is: count });
    const [message] = told("/inventory");
    if (message === undefined) return t.fail("no inventory");
    t.deepEqual(Contract.load().check({ ...message, qos: 1, retain: true }).problems, []);
    const { modules: shown, modules_left_out: left } = JSON.parse(message.payload.toString());
    t.deepEqual(
      shown,
      names.slice(0, shown.length).map((name) => ({ name, ...described })),
    );
    t.is(left, count === 2 ? undefined : count - shown.length);
    // One more would not have fitted.
    if (left !== undefined) t.true(message.payload.length > 16_384 - 256);
  });
}

test("what is too long all the same is not sent, and the log names its topic, its length and the limit", async (t) => {
  const broker = await new ScriptedBroker(5).listen();
  t.teardown(() => broker.close());
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "warn");
  const { manager: node } = await manager(broker.url, { clock: new ManualClock(), log });
  const long = { ...moduleView.state(), reason: "x".repeat(20_000) };
  node.show({ modules: [{ ...moduleView, state: () => long }] });
  await node.connect(never);
  t.teardown(() => node.stop());
  const isTold = () => broker.published.some(({ topic }) => topic.endsWith("/inventory"));
  await eventually("the inventory", isTold);
  t.false(broker.published.some(({ topic }) => topic.endsWith("/state")));
  const [line = ""] = lines.filter((one) => one.includes("too long"));
  t.regex(line, /topic=qkdn\/v1\/node-a\/module\/alice\/state bytes=\d{5} limit=16384/);
});
