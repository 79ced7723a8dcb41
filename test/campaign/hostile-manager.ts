/**
 * Hostile input from the manager's side: what anybody may publish to a node's command topic, and what
 * a broker that is none may send. Nothing is carried out, nothing thrown, and nothing grows.
 */

import { newKeyPair } from "../../scripts/manager.d/sign.ts";
import { eventually } from "../eventually.ts";
import type { Random } from "../random.ts";
import { random } from "../random.ts";
import { CommandBench } from "../rig/command-bench.ts";
import { manager, moduleView, never } from "../rig/manager-bench.ts";
import { inUse } from "../rig/memory.ts";
import { ScriptedBroker } from "../rig/scripted-broker.ts";

export interface HostileResult {
  readonly inputs: number;
  /** Commands that were carried out. Must be 0. */
  readonly executed: number;
  /** Thrown out of the node's code. Must be 0. */
  readonly thrown: number;
  /** Bytes in use more than after the first tenth of the run. */
  readonly growth: number;
}

const bytes = (length: number, next: Random) =>
  Buffer.from(Array.from({ length }, () => next() * 256));

/** Some bytes of a copy are others. */
function spoiled(good: Buffer, next: Random): Buffer {
  const copy = Buffer.from(good);
  for (let i = 0; i < 1 + next() * 3; i++) {
    copy[Math.floor(next() * copy.length)] = next() * 256;
  }
  return copy;
}

function hostileCommand(n: number, bench: CommandBench, good: Buffer, next: Random): Buffer {
  switch (n % 6) {
    case 0:
      return bytes(Math.floor(next() * 80), next);
    case 1:
      return spoiled(good, next);
    case 2: {
      const part = Buffer.from('{"alg":"EdDSA","kid":"noc"}').toString("base64url");
      return Buffer.from(Array.from({ length: Math.floor(next() * 5) }, () => part).join("."));
    }
    case 3:
      return good.subarray(0, Math.floor(next() * good.length));
    case 4:
      // Signed, but not what a command looks like: a key that was stolen can do no more than this.
      return Buffer.from(
        bench.sign({ args: { module: "alice", [`x${Math.floor(next() * 1e6)}`]: "y".repeat(20) } }),
      );
    default:
      return Buffer.alloc(Math.floor(next() * 20_000), "A.");
  }
}

/** @param rounds messages in all */
export async function hostileCommands(rounds: number, seed: number): Promise<HostileResult> {
  const bench = new CommandBench();
  const next = random(seed);
  const good = Buffer.from(bench.sign());
  const stranger = { id: "noc", key: newKeyPair().key };
  let thrown = 0;
  let settled = 0;
  for (let n = 0; n < rounds; n++) {
    const message =
      n % 100 === 99 ? Buffer.from(bench.sign({}, stranger)) : hostileCommand(n, bench, good, next);
    if (message.equals(good)) continue;
    try {
      const command = next() < 0.9 ? "start" : bytes(20, next).toString("latin1");
      bench.desk.submit({ command, payload: message, retained: next() < 0.1 }, () => {});
    } catch {
      thrown++;
    }
    bench.intruders.length = 0;
    bench.events.length = 0;
    // Time goes on: events about refusals are allowed again.
    if (n % 1_000 === 0) await bench.clock.advance(1_000);
    if (n === Math.floor(rounds / 10)) settled = inUse();
  }
  await bench.desk.settled();
  const growth = inUse() - settled;
  return { inputs: rounds, executed: bench.executed.length, thrown, growth };
}

const packets = [
  Buffer.from([0x20, 3, 0, 0, 0]),
  Buffer.from([0x40, 4, 0, 1, 0x97, 0]),
  Buffer.from([0x40, 2, 0, 1]),
  Buffer.from([0x90, 4, 0, 1, 0, 0x87]),
  Buffer.from([0x90, 3, 0, 1, 0x80]),
  Buffer.from([0xe0, 2, 0x8e, 0]),
  Buffer.from([0x32, 12, 0, 5, ...Buffer.from("a/cmd"), 0, 9, 0, 1, 2]),
  Buffer.from([0x30, 9, 0, 5, ...Buffer.from("a/cmd"), 1, 2]),
  Buffer.from([0x62, 2, 0, 1]),
  Buffer.from([0x70, 2, 0, 1]),
  Buffer.from([0xf0, 2, 0, 0]),
  Buffer.from([0xd0, 0]),
  Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]),
];
const eachConnection = 20;

/** @param rounds packets in all */
export async function hostilePackets(rounds: number, seed: number): Promise<HostileResult> {
  const next = random(seed);
  let executed = 0;
  let thrown = 0;
  let settled = 0;
  const uncaught = () => thrown++;
  process.on("uncaughtException", uncaught);
  process.on("unhandledRejection", uncaught);
  for (const protocol of [5, 4] as const) {
    const broker = await new ScriptedBroker(protocol).listen();
    const { manager: node, outbox } = await manager(broker.url, { protocol });
    node.show({
      modules: [moduleView],
      commands: { available: [], submit: () => executed++ },
    });
    node.event({ type: "test", at: 0, facts: {} });
    await outbox.durable();
    const connections = Math.ceil(rounds / 2 / eachConnection);
    for (let n = 0; n < connections; n++) {
      const session = await node.connect(never);
      for (let i = 1; i < eachConnection; i++) {
        broker.raw(spoiled(packets[Math.floor(next() * packets.length)] as Buffer, next));
      }
      broker.raw(bytes(40, next));
      broker.drop();
      await session.ended;
      broker.published.length = 0;
      if (settled === 0 && n >= connections / 10) settled = inUse();
    }
    // It is as good as new.
    const session = await node.connect(never);
    const item = node.event({ type: "test", at: 1, facts: {} });
    await outbox.durable();
    await eventually("messages in the outbox", () => outbox.length, { is: 0 });
    if (item === 0) thrown++;
    node.stop();
    await session.close();
    await broker.close();
  }
  process.off("uncaughtException", uncaught);
  process.off("unhandledRejection", uncaught);
  return { inputs: rounds, executed, thrown, growth: inUse() - settled };
}
