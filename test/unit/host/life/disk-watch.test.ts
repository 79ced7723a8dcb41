import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { DiskWatch } from "../../../../src/host/life/disk-watch.ts";
import { NodeRules } from "../../../../src/node/alarms/node-rules.ts";
import { settle } from "../../../clock.ts";
import { AlarmBench } from "../../../rig/alarm-bench.ts";

function watching(free: () => Promise<number>) {
  const bench = new AlarmBench();
  const rules = new NodeRules({ certificateDays: 30, storageFree: 0.1 }, bench.book);
  const clock = {
    now: () => bench.now,
    wall: () => bench.moment.wall,
    after: () => ({ cancel: () => {} }),
  };
  const disk = new DiskWatch({ clock, log: silentLog, free }, rules);
  const run = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      bench.run(1, () => void disk.look());
      await settle();
    }
  };
  return { bench, disk, run };
}

test("a disk that fills up is told within six seconds, whenever it does", async (t) => {
  let free = 0.5;
  const { bench, run } = watching(async () => free);
  await run(61);
  free = 0;
  await run(6);
  t.deepEqual(bench.take(), ["67 storage_full.node raised critical"]);
});

test("no room for a file of the state is a full disk, also where a quota leaves some", async (t) => {
  const { bench, disk, run } = watching(async () => 0.6);
  const full = new Fault("ledger.io", "cannot write", { code: "EDQUOT" });
  await run(1);
  disk.wrote("ledger.alice", full);
  await run(6);
  t.regex(bench.take().join(), /storage_full\.node raised critical/);
  disk.wrote("outbox", undefined);
  await run(60);
  t.deepEqual(bench.take(), [], "another file says nothing about this one");
  disk.wrote("ledger.alice", undefined);
  await run(40);
  t.regex(bench.take().join(), /storage_full\.node cleared/);
});

test("a disk that hangs is asked once", async (t) => {
  let asked = 0;
  const { run } = watching(() => {
    asked++;
    return new Promise(() => {});
  });
  await run(30);
  t.is(asked, 1);
});
