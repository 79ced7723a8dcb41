/** Two nodes with one identifier at a broker that does not say so. */

import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { reconnecting } from "../../../../src/host/life/reconnecting.ts";
import { managerKinds } from "../../../../src/ops/alarms/manager-alarms.ts";
import { Takeovers } from "../../../../src/ops/mqtt/takeover.ts";
import { Broker } from "../../../emulator/broker.ts";
import { eventually } from "../../../eventually.ts";
import { manager, moduleView } from "../../../rig/manager-bench.ts";

test("two nodes with one identifier: each notices that the other is there", async (t) => {
  const broker = new Broker();
  await broker.listen();
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const kept = [];
  try {
    const told = [new Set<string>(), new Set<string>()];
    for (const [i, boot] of [3, 40].entries()) {
      const { manager: node } = await manager(url, { protocol: 4, boot });
      node.show({ modules: [moduleView] });
      kept.push(
        reconnecting({
          name: "broker",
          connect: (signal) => node.connect(signal),
          onDown: () => node.takenOver && told[i]?.add("broker_takeover"),
          // In place of seconds: the order of things is the same.
          schedule: () => [5, 5, 5, 5, 5, 5, 5, 5].values(),
          settledAfterMs: 0,
          clock: systemClock,
          log: silentLog,
        }),
      );
    }
    await eventually("both are told", () => told.every((names) => names.has("broker_takeover")));
    t.pass();
  } finally {
    await Promise.all(kept.map((one) => one.stop()));
    await broker.close();
  }
});

const closed = new Fault("mqtt.closed", "connection to the broker ended", { why: "closed" });

test("a broker that restarts, refuses or is slow is not taken for another node", (t) => {
  const ended = { error: closed, worked: true, livedMs: 1_000 };
  const restarts = new Takeovers();
  for (let i = 0; i < 20; i++) {
    restarts.ended(ended);
    restarts.failed();
    t.false(restarts.takenOver);
  }
  const refuses = new Takeovers();
  for (let i = 0; i < 20; i++) refuses.ended({ ...ended, worked: false });
  t.false(refuses.takenOver, "nothing was ever acknowledged: rights are missing");
  const daily = new Takeovers();
  for (let i = 0; i < 20; i++) daily.ended({ ...ended, livedMs: 86_400_000 });
  t.false(daily.takenOver);
  const timeouts = new Takeovers();
  const error = new Fault("mqtt.closed", "ended", { why: "no acknowledgement within 10000 ms" });
  for (let i = 0; i < 20; i++) timeouts.ended({ ...ended, error });
  t.false(timeouts.takenOver);
  const other = new Takeovers();
  for (let i = 0; i < 3; i++) other.ended(ended);
  t.true(other.takenOver);
  other.failed();
  t.false(other.takenOver, "what is told of one connection is not told of the next attempt");
});

test("whose identifier it is may be a program of another kind: the advice says so", (t) => {
  for (const [called, id] of [
    ["node", "node.id"],
    ["key manager", "km.id"],
    ["controller", "controller.id"],
  ] as const) {
    const { action } = managerKinds(called, id).broker_takeover;
    for (const kind of [id, "node", "key manager", "controller"]) t.true(action.includes(kind));
  }
});
