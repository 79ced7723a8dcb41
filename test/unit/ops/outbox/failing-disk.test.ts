import test from "ava";
import type { OpenFile } from "../../../../src/host/disk/files.ts";
import type { Outbox } from "../../../../src/ops/outbox/outbox.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";
import { openOutbox } from "../../../rig/outbox.ts";

/** A disk that is full, or that the system has made read-only. */
class FullDisk extends Disk {
  full = false;

  override async open(path: string, flags: string): Promise<OpenFile> {
    const file = await super.open(path, flags);
    const write: OpenFile["write"] = async (...all) => {
      if (this.full) throw systemError("ENOSPC");
      return file.write(...all);
    };
    return { ...file, write };
  }
}

/** Many more than are kept in memory beside the disk. */
const onDisk = 200;

async function push(outbox: Outbox, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) outbox.push(n, Buffer.from(String(n)), true);
  await outbox.durable();
}

/** What a broker gets that acknowledges all. */
async function given(outbox: Outbox): Promise<number[]> {
  const got: number[] = [];
  for (;;) {
    const item = outbox.next();
    if (item !== undefined) {
      got.push(Number(item.payload));
      outbox.done(item);
      continue;
    }
    // What is asked of the disk comes in its own time.
    const before = outbox.length;
    await outbox.durable();
    const later = outbox.next();
    if (later === undefined) {
      if (outbox.length === before) return got;
      continue;
    }
    got.push(Number(later.payload));
    outbox.done(later);
  }
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

test("a broker that comes back while the disk is full gets all that waits, in order", async (t) => {
  const disk = new FullDisk();
  const outbox = await openOutbox(disk);
  await push(outbox, 1, onDisk);
  disk.full = true;
  await push(outbox, onDisk + 1, onDisk + 10);
  t.is(outbox.failure?.facts.code, "ENOSPC");
  t.deepEqual(await given(outbox), range(1, onDisk + 10));
  t.is(outbox.dropped, 0);
});

test("what can't be read holds up no newer ones, and comes when the disk is there again", async (t) => {
  const disk = new Disk();
  const clock = new ManualClock();
  const outbox = await openOutbox(disk, { clock });
  await push(outbox, 1, onDisk);
  disk.failFrom(0);
  await push(outbox, onDisk + 1, onDisk + 10);
  t.is(outbox.failure?.facts.code, "EIO");
  t.deepEqual(await given(outbox), range(onDisk + 1, onDisk + 10));
  t.is(outbox.length, onDisk);
  disk.failFrom(Number.POSITIVE_INFINITY);
  await clock.advance(31_000);
  await outbox.durable();
  t.is(outbox.failure, undefined);
  t.deepEqual(await given(outbox), range(1, onDisk));
  t.is(outbox.dropped, 0);
});
