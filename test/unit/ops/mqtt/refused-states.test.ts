/** Retained states that a broker refuses for now are told again, and never one that is out of date. */
import test from "ava";
import { createLog } from "../../../../src/base/log.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { manager, moduleView, never } from "../../../rig/manager-bench.ts";
import { puback, ScriptedBroker } from "../../../rig/scripted-broker.ts";

interface Published {
  readonly topic: string;
  readonly payload: Buffer;
}

async function bench() {
  const broker = await new ScriptedBroker(5).listen();
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "warn");
  const { manager: node, outbox } = await manager(broker.url, { clock, log });
  let reason = "one";
  const state = () => ({
    module: "DOWN" as const,
    link: "OFF" as const,
    km: "DOWN" as const,
    reason,
    since: 0,
  });
  node.show({ modules: [{ ...moduleView, state }] });
  return {
    broker,
    clock,
    lines,
    node,
    become(what: string) {
      reason = what;
      node.stateChanged("alice");
    },
    /** All that the broker has answered so far has come. */
    async answered() {
      node.event({ type: "test", at: 0, facts: {} });
      await eventually("events that wait", () => outbox.length, { is: 0 });
    },
  };
}

const reasons = (published: readonly Published[]) =>
  published
    .filter(({ topic }) => topic.endsWith("/state"))
    .map(({ payload }) => JSON.parse(payload.toString()).reason as string);

const retained = (published: readonly Published[]) =>
  published.map(({ topic }) => topic.split("/").at(-1)).sort();

test("each state that was refused is offered again after 30 s, as it was, and told once", async (t) => {
  const { broker, clock, lines, node, answered } = await bench();
  let quota = true;
  broker.onPacket = (packet, client) => {
    if (packet.cmd !== "publish" || !packet.retain || !quota) return false;
    client.send(puback(packet.messageId, 0x97));
    return true;
  };
  const session = await node.connect(never);
  await eventually("refusals", () => lines.length, { is: 3 });
  t.regex(lines[0] ?? "", /refuses a state: it waits.*\/status why="quota.*retry_ms=30000/);
  const states = () => broker.published.filter(({ retain }) => retain);
  for (let n = 0; n < 2; n++) {
    await answered();
    broker.published.length = 0;
    await clock.advance(29_999);
    t.deepEqual(states(), []);
    quota = n === 0;
    await clock.advance(1);
    await eventually("offered again", () => states().length, { is: 3 });
    t.deepEqual(retained(states()), ["inventory", "state", "status"]);
  }
  await answered();
  broker.published.length = 0;
  await clock.advance(120_000);
  await answered();
  t.deepEqual(states(), [], "the broker has them");
  t.is(lines.length, 3, "the same is not told every half minute");
  node.stop();
  await session.close();
  await broker.close();
});

test("a refused state does not come back once there is a newer one", async (t) => {
  const { broker, clock, node, become, answered } = await bench();
  let held: (() => void) | undefined;
  let refuse = true;
  broker.onPacket = (packet, client) => {
    if (packet.cmd !== "publish" || !packet.topic.endsWith("/state") || !refuse) return false;
    refuse = false;
    // Its refusal comes when the next was acknowledged.
    held = () => client.send(puback(packet.messageId, 0x97));
    return true;
  };
  const session = await node.connect(never);
  await eventually("the first", () => reasons(broker.published), { is: ["one"] });
  become("two");
  await eventually("the second", () => reasons(broker.published), { is: ["one", "two"] });
  await answered();
  held?.();
  refuse = true;
  become("three");
  await eventually("the third", () => reasons(broker.published), { is: ["one", "two", "three"] });
  held?.();
  await answered();
  become("four");
  await eventually("the fourth", () => reasons(broker.published).at(-1), { is: "four" });
  await answered();
  await clock.advance(60_000);
  become("five");
  await eventually("the fifth", () => reasons(broker.published).at(-1), { is: "five" });
  t.deepEqual(reasons(broker.published), ["one", "two", "three", "four", "five"]);
  node.stop();
  await session.close();
  await broker.close();
});

test("a broker that refuses the goodbye is left the will", async (t) => {
  const { broker, clock, node, answered } = await bench();
  let said = false;
  broker.onPacket = (packet, client) => {
    if (packet.cmd === "disconnect") said = true;
    const isGoodbye = packet.cmd === "publish" && packet.payload.includes("stopped");
    if (!isGoodbye) return false;
    client.send(puback(packet.messageId, 0x97));
    return true;
  };
  const session = await node.connect(never);
  await eventually("published", () => broker.published.length, { atLeast: 3 });
  const closed = session.close();
  await eventually("goodbye", () => broker.published.at(-1)?.payload.includes("stopped"));
  // The refusal has come.
  await answered();
  for (let n = 0; n < 4; n++) await clock.advance(500);
  await closed;
  t.false(said);
  await broker.close();
});
