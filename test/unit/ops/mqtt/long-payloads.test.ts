/** What is too long for any broker is not sent, and the log says of which topic it is. */
import test from "ava";
import { createLog } from "../../../../src/base/log.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { manager, moduleView, never } from "../../../rig/manager-bench.ts";
import { ScriptedBroker } from "../../../rig/scripted-broker.ts";

test("an inventory of too many modules is named with its length and the limit, and all else is told", async (t) => {
  const broker = await new ScriptedBroker(5).listen();
  t.teardown(() => broker.close());
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "warn");
  const { manager: node } = await manager(broker.url, { clock: new ManualClock(), log });
  const names = Array.from({ length: 200 }, (_, i) => `module-${i}-${"x".repeat(50)}`);
  const modules = names.map((name) => {
    return { ...moduleView, name, describe: () => ({ ...moduleView.describe(), name }) };
  });
  node.show({ modules });
  await node.connect(never);
  t.teardown(() => node.stop());
  const told = () => broker.published.map(({ topic }) => topic);
  const states = () => told().filter((topic) => topic.endsWith("/state")).length;
  await eventually("the states of all modules", states, { is: names.length });
  t.false(told().includes("qkdn/v1/node-a/inventory"));
  const [line = ""] = lines.filter((one) => one.includes("too long"));
  t.regex(line, /topic=qkdn\/v1\/node-a\/inventory bytes=\d{5} limit=16384/);
});
