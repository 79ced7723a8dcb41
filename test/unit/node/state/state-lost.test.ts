import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { AlarmMonitor } from "../../../../src/node/monitor/alarm-monitor.ts";
import { openState } from "../../../../src/node/state/state.ts";
import { StateStore } from "../../../../src/node/state/store.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { Disk } from "../../../faults/disk.ts";

const id = "state_damaged.state";

/** A start on the disk, with nothing but the state and its alarms. */
async function start(disk: Disk) {
  const clock = new ManualClock();
  const state = new StateStore(await openState(disk, "/state"));
  const told: string[] = [];
  const watch = new AlarmMonitor(
    {
      flap: { count: 5, window: ms(600_000), quiet: ms(300_000) },
      node: { certificateDays: 30, storageFree: 0.1 },
      modules: [],
      certificates: new Map(),
      plain: new Map(),
    },
    {
      clock,
      log: silentLog,
      state,
      validity: () => undefined,
      free: async () => 1,
      usage: () => [],
      troubles: () => [],
      eventsLost: () => 0,
      onTransition: ({ change, record }) => {
        told.push(`${record.id} ${change}`);
        return told.length;
      },
      told: async () => {},
      unsaved: () => {},
    },
  );
  watch.start([], []);
  await settle();
  return { clock, state, watch, told };
}

function flipNewest(disk: Disk): void {
  const files = ["/state/state.0", "/state/state.1"];
  const number = (file: string) => Number(disk.read(file)?.toString().split(" ")[1]);
  const [newest] = files.sort((a, b) => number(b) - number(a)) as [string];
  const bytes = Buffer.from(disk.read(newest) as Buffer);
  bytes[bytes.length - 5] = (bytes.at(-5) as number) ^ 1;
  disk.put(newest, bytes);
}

test("a lost generation of the state is an alarm at every start, until it was acknowledged", async (t) => {
  const disk = new Disk();
  const first = await start(disk);
  t.is(first.watch.record(id), undefined);
  await first.watch.stop();
  flipNewest(disk);

  const second = await start(disk);
  t.deepEqual(second.told, [`${id} raised`]);
  t.like(second.watch.record(id), { severity: "critical", acknowledged: false });
  t.regex(second.watch.record(id)?.detail ?? "", /state\.\d was damaged.*may be older/);
  // The file can be written again: it stays all the same.
  await second.clock.advance(60_000);
  t.like(second.watch.record(id), { severity: "critical", active: false });
  await second.watch.stop();

  const third = await start(disk);
  t.like(third.watch.record(id), { severity: "critical", acknowledged: false });
  t.is(third.watch.acknowledge(id, "mgr"), undefined);
  await third.watch.stop();
  await third.state.settled();

  const fourth = await start(disk);
  t.is(fourth.state.data.lost, undefined);
  t.not(fourth.watch.record(id)?.severity, "critical");
  await fourth.watch.stop();
});

test("a node that dies before it told of the loss tells of it at the next start", async (t) => {
  const disk = new Disk();
  await (await start(disk)).watch.stop();
  flipNewest(disk);
  await openState(disk, "/state");
  const next = await start(disk);
  t.deepEqual(next.told, [`${id} raised`]);
  await next.watch.stop();
});
