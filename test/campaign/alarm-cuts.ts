/**
 * The connection is cut at every byte of what the node says while alarms come and go. Nothing may be
 * lost, first arrivals are in order, a repeat has the same `event_id`, and in the end the broker's
 * retained alarms are those of the node.
 */

import { ms } from "../../src/base/duration.ts";
import type { AlarmRecord } from "../../src/ops/alarms/alarm.ts";
import type { Moment } from "../../src/ops/alarms/severity.ts";
import type { Outbox } from "../../src/ops/outbox/outbox.ts";
import { eventually } from "../eventually.ts";
import { random } from "../random.ts";
import { AlarmBench } from "../rig/alarm-bench.ts";
import { manager, never } from "../rig/manager-bench.ts";
import { puback, ScriptedBroker } from "../rig/scripted-broker.ts";

export interface CutResult {
  readonly cuts: number;
  readonly transitions: number;
  readonly repeats: number;
  readonly lost: number;
  /** A repeat under another event_id, or a first arrival before an earlier one. */
  readonly wrong: number;
  /** Retained alarms at the broker that are not the node's, and the other way round. */
  readonly stale: number;
}

const objects = ["a", "b", "c"] as const;

/** Resolves when the broker has every event. */
const emptied = (outbox: Outbox) =>
  eventually("messages in the outbox", () => outbox.length, { is: 0 });

export async function alarmCuts(cuts: number, seed: number): Promise<CutResult> {
  const next = random(seed);
  const broker = await new ScriptedBroker(5).listen();
  broker.onPacket = (packet, client) => {
    if (packet.cmd !== "publish" || packet.qos !== 1 || next() > 0.1) return false;
    // Sometimes the last thing that comes through is the answer.
    client.send(puback(packet.messageId));
    if (broker.cutAfter !== undefined) client.socket.destroySoon();
    return true;
  };
  const { manager: node, outbox } = await manager(broker.url);
  const told: number[] = [];
  const bench = new AlarmBench({ flap: { count: 1_000_000, window: ms(1), quiet: ms(1) } });
  const { book } = bench;
  node.show({
    modules: [],
    alarms: {
      records: () => book.records(),
      record: (id) => book.record(id),
      forget: (id) => book.forget(id),
    },
  });
  let at = 0;
  const change = (moment: Moment) => {
    const object = objects[Math.floor(next() * objects.length)] as string;
    const raised = book.record(`no_key.${object}`)?.active === true;
    const before = bench.transitions.length;
    book.signal("no_key", object, { level: raised ? "cleared" : "major", value: ++at }, moment);
    bench.run(31);
    for (const transition of bench.transitions.splice(before)) told.push(node.alarm(transition));
  };
  // How much there is to cut: a connection's greeting, three alarms and some events.
  const most = 4_500;
  for (let cut = 0; cut < cuts; cut++) {
    change(bench.moment);
    await outbox.durable();
    broker.cutAfter = Math.floor(((cut + next()) / cuts) * most);
    try {
      const session = await node.connect(never);
      change(bench.moment);
      await outbox.durable();
      await Promise.race([session.ended, emptied(outbox)]);
      await session.close();
    } catch {
      // Cut before the CONNACK.
    }
  }
  broker.cutAfter = undefined;
  const session = await node.connect(never);
  await outbox.durable();
  await emptied(outbox);
  // The retained topics of what was cleared last are removed after that.
  await eventually("every alarm is over", () =>
    book.records().every(({ severity }) => severity !== "cleared"),
  );
  await session.close();
  node.stop();
  await broker.close();
  return { cuts, ...judge(broker, told.length, book.records()) };
}

function judge(broker: ScriptedBroker, transitions: number, records: readonly AlarmRecord[]) {
  const seen = new Map<number, string>();
  const retained = new Map<string, string>();
  let [wrong, repeats, high] = [0, 0, 0];
  for (const { topic, payload } of broker.published) {
    if (topic.includes("/alarm/")) {
      if (payload.length === 0) retained.delete(topic);
      else retained.set(topic, JSON.parse(payload.toString()).severity);
    }
    if (!topic.endsWith("/event")) continue;
    const { event_id, sequence } = JSON.parse(payload.toString());
    const known = seen.get(sequence);
    if (known === undefined) {
      if (sequence !== ++high) wrong++;
    } else {
      repeats++;
      if (known !== event_id) wrong++;
    }
    seen.set(sequence, event_id);
  }
  const raised = records.filter(({ severity }) => severity !== "cleared");
  const shown = [...retained.values()].filter((severity) => severity !== "cleared");
  const stale = Math.abs(shown.length - raised.length) + (retained.size - shown.length);
  return { transitions, repeats, lost: transitions - seen.size, wrong, stale };
}
