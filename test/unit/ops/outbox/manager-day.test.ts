import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { Outbox } from "../../../../src/ops/outbox/outbox.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { manager, moduleView, never } from "../../../rig/manager-bench.ts";
import { resident } from "../../../rig/memory.ts";
import { ScriptedBroker } from "../../../rig/scripted-broker.ts";

test("a broker that is gone for a day: memory stays, no transition is lost, order is kept", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-day-"));
  const clock = new ManualClock();
  const path = join(folder, "outbox");
  const outbox = await Outbox.open({ files: diskFiles, path, clock, log: silentLog });
  const broker = new ScriptedBroker(5);
  await broker.listen();
  const { manager: node } = await manager(broker.url, {
    clock,
    outbox,
    // Telemetry and counters of one module: two messages a second.
    telemetryInterval: ms(1_000),
  });
  node.show({ modules: [moduleView] });
  let raised = 0;
  const minute = async () => {
    for (let half = 0; half < 2; half++) {
      const facts = { alarm: "no_key.alice", n: ++raised, text: "x".repeat(500) };
      node.event({ type: "alarm_raised", at: 0, facts });
    }
    for (let n = 0; n < 20; n++) {
      node.event({ type: "block_empty", at: 0, facts: { n }, routine: true });
    }
    await clock.advance(60_000);
    await outbox.durable();
  };
  // The runtime takes its own memory first: two hours of the same.
  for (let n = 0; n < 2 * 60; n++) await minute();
  const before = resident();
  let highest = before;
  for (let n = 0; n < 24 * 60; n++) {
    await minute();
    if (n % 60 === 0) highest = Math.max(highest, resident());
  }
  const grown = (highest - before) / 2 ** 20;
  const onDisk = statSync(path).size / 2 ** 20;
  t.is(node.droppedTelemetry, 2 * 26 * 3_600);
  t.is(outbox.length, raised + 5_000, "routine events are bounded");
  t.is(outbox.dropped, 26 * 60 * 20 - 5_000, "and those given up are counted");

  const session = await node.connect(never);
  await eventually("messages in the outbox", () => outbox.length, { is: 0, deadlineMs: 50_000 });
  const alarms = broker.published.flatMap(({ topic, payload }) => {
    if (!topic.endsWith("/event")) return [];
    const { type, facts } = JSON.parse(payload.toString());
    return type === "alarm_raised" ? [facts.n] : [];
  });
  t.deepEqual(
    alarms,
    Array.from({ length: raised }, (_, i) => i + 1),
  );
  t.log(
    `RSS grew by ${grown.toFixed(1)} MiB, ${raised} transitions, outbox ${onDisk.toFixed(1)} MiB`,
  );
  node.stop();
  await session.close();
  await outbox.close();
  await broker.close();
  rmSync(folder, { recursive: true });
  t.true(grown <= 20, `${grown} MiB`);
});
