/** Who gets an answer: a manager always, and a flood of what no known key has signed takes none from it. */
import test from "ava";
import { eventually } from "../../../eventually.ts";
import { CommandBench } from "../../../rig/command-bench.ts";
import { manager, never } from "../../../rig/manager-bench.ts";
import { ScriptedBroker } from "../../../rig/scripted-broker.ts";

test("a manager is answered and told of while a stranger floods the topic", async (t) => {
  const bench = new CommandBench();
  const command = bench.sign();
  t.like(await bench.submit(command), { status: "done" });
  for (let n = 0; n < 10_000; n++) await bench.submit("rubbish", `x${n}`);
  t.is(bench.replies.length, 21, "the flood gets no more answers than it is told of");
  for (let n = 0; n < 3; n++) {
    const reply = await bench.submit(command);
    t.like(reply, { reason: "already_executed", earlier: "done" });
  }
  const late = bench.sign({ issued: bench.clock.wall() - 100_000, lifeMs: 50_000 });
  t.like(await bench.submit(late), { reason: "expired" });
  t.like(bench.events.at(-1)?.facts, { reason: "expired", key: "noc" });
  await bench.clock.advance(10_000);
  await bench.submit("rubbish");
  t.is(bench.events.at(-1)?.facts.unsaid, 9_980, "what was not told is counted");
});

test("a signed command that comes again by the thousand is answered, and told 20 times", async (t) => {
  const bench = new CommandBench();
  const command = bench.sign();
  await bench.submit(command);
  const events = bench.events.length;
  for (let n = 0; n < 1_000; n++) {
    t.like(await bench.submit(command), { reason: "already_executed" });
  }
  t.is(bench.events.length - events, 20);
  await bench.submit("rubbish");
  t.like(bench.events.at(-1)?.facts, { reason: "unsigned" }, "nor does that hide the others");
});

test("refusals leave room for the results of what was carried out", async (t) => {
  const broker = await new ScriptedBroker(5).listen();
  const { manager: node } = await manager(broker.url);
  let asked = 0;
  node.show({
    modules: [],
    commands: {
      available: ["start"],
      submit(_, reply) {
        for (let n = 0; n < 100; n++) reply({ status: "refused", n });
        reply({ status: "done" });
        asked++;
      },
    },
  });
  const waiting: (() => void)[] = [];
  broker.onPacket = (packet, client) => {
    if (packet.cmd !== "publish" || !packet.topic.endsWith("/result")) return false;
    const { messageId } = packet;
    waiting.push(() => client.send({ cmd: "puback", messageId: messageId as number }));
    return true;
  };
  const session = await node.connect(never);
  await eventually("inventory", () => broker.published.length, { atLeast: 2 });
  const topic = Buffer.from("qkdn/v1/node-a/cmd/start");
  broker.raw(
    Buffer.concat([
      Buffer.from([0x30, topic.length + 4, 0, topic.length]),
      topic,
      Buffer.from([0, 1]),
    ]),
  );
  await eventually("commands", () => asked, { is: 1 });
  const results = () => broker.published.filter((message) => message.topic.endsWith("/result"));
  await eventually("the last result", () => {
    for (const answer of waiting.splice(0)) answer();
    return results().at(-1)?.payload.includes("done");
  });
  t.is(results().length, 10 + 16 + 1, "in flight, waiting, and what was carried out");
  node.stop();
  await session.close();
  await broker.close();
});
