import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import type { Outbox } from "../../../../src/ops/outbox/outbox.ts";
import { decodeRecord, encodeRecord } from "../../../../src/ops/outbox/outbox-record.ts";
import { rounds } from "../../../campaign-scale.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { Disk } from "../../../faults/disk.ts";
import { random } from "../../../random.ts";
import { openOutbox, outboxPath } from "../../../rig/outbox.ts";

const event = (n: number) => Buffer.from(JSON.stringify({ event_id: `node-a-1-${n}` }));
const number = (payload: Buffer) => Number(/(\d+)"}$/.exec(payload.toString())?.[1]);

function push(outbox: Outbox, from: number, to: number, kept = true): void {
  for (let n = from; n <= to; n++) outbox.push(n, event(n), kept);
}

/** What a broker that acknowledges everything would get. */
async function drain(outbox: Outbox, most = Number.POSITIVE_INFINITY): Promise<number[]> {
  const got: number[] = [];
  await outbox.durable();
  while (got.length < most) {
    const item = outbox.next();
    if (item === undefined) {
      // What was asked of the disk comes in its own time.
      await outbox.durable();
      const again = outbox.next();
      if (again === undefined) break;
      got.push(number(again.payload));
      outbox.done(again);
      continue;
    }
    got.push(number(item.payload));
    outbox.done(item);
  }
  return got;
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

test("an event is given to the broker only once it is on disk", async (t) => {
  const disk = new Disk();
  const outbox = await openOutbox(disk);
  push(outbox, 1, 1);
  t.is(outbox.next(), undefined);
  await outbox.durable();
  t.is(number(outbox.next()?.payload as Buffer), 1);
  t.deepEqual(await drain(await openOutbox(disk.afterPowerCut(random(1)))), [1]);
});

test("what was not acknowledged is there after a restart, in order; what was, is not", async (t) => {
  const disk = new Disk();
  const outbox = await openOutbox(disk);
  push(outbox, 1, 100);
  t.deepEqual(await drain(outbox, 40), range(1, 40));
  await outbox.close();
  const next = await openOutbox(disk);
  t.is(next.length, 60);
  t.deepEqual(await drain(next), range(41, 100));
});

test("a connection that ends is given again what it did not acknowledge, in order", async (t) => {
  const outbox = await openOutbox(new Disk());
  push(outbox, 1, 5);
  await outbox.durable();
  const [one, two] = [outbox.next(), outbox.next()];
  outbox.done(two as NonNullable<typeof two>);
  outbox.rewind();
  t.deepEqual(await drain(outbox), [1, 3, 4, 5]);
  outbox.done(one as NonNullable<typeof one>);
  t.is(outbox.length, 0);
});

test("a backlog longer than memory holds comes back from disk in order", async (t) => {
  const outbox = await openOutbox(new Disk());
  for (let n = 1; n <= 2_000; n += 100) {
    push(outbox, n, n + 99);
    await outbox.durable();
  }
  t.deepEqual(await drain(outbox), range(1, 2_000));
  t.is(outbox.dropped, 0);
});

test("a full outbox gives up routine events first, the oldest, and counts them", async (t) => {
  const outbox = await openOutbox(new Disk(), { limits: { items: 10, routine: 4 } });
  push(outbox, 1, 6, false);
  t.is(outbox.dropped, 2);
  push(outbox, 7, 14);
  t.is(outbox.dropped, 4);
  push(outbox, 15, 16);
  t.deepEqual(await drain(outbox), range(7, 16));
  push(outbox, 17, 28);
  t.deepEqual(await drain(outbox), range(19, 28));
  t.is(outbox.dropped, 8);
});

test("the file stays small however many events pass through", async (t) => {
  const disk = new Disk();
  const outbox = await openOutbox(disk);
  let most = 0;
  for (let round = 0; round < 200; round++) {
    push(outbox, round * 200 + 1, round * 200 + 200);
    t.is((await drain(outbox)).length, 200);
    most = Math.max(most, disk.read(outboxPath)?.length ?? 0);
  }
  await outbox.close();
  t.true(most < 1_300_000, `${most} bytes`);
  t.is((await openOutbox(disk)).length, 0);
});

test("a torn tail is cut at every byte, and nothing before it is lost", async (t) => {
  const disk = new Disk();
  const outbox = await openOutbox(disk);
  push(outbox, 1, 3);
  await outbox.durable();
  const whole = disk.read(outboxPath) as Buffer;
  const one = encodeRecord("kept", 1, event(1)).length;
  for (let length = 2 * one; length < whole.length; length++) {
    const torn = disk.afterPowerCut(random(0));
    torn.put(outboxPath, whole.subarray(0, length));
    const found = await openOutbox(torn);
    t.is(found.trouble, undefined, "a torn tail is no damage");
    push(found, 4, 4);
    t.deepEqual(await drain(found), [1, 2, 4]);
  }
});

test("a file that has no record, nor the begin of one, is damage", async (t) => {
  const disk = new Disk();
  const outbox = await openOutbox(disk);
  push(outbox, 1, 1);
  await outbox.durable();
  const first = disk.read(outboxPath) as Buffer;
  for (const [bytes, code] of [
    [Buffer.from("what another program wrote\n"), "state.corrupt"],
    [Buffer.alloc(100_000, 0x41), "state.corrupt"],
    [first.subarray(0, 3), undefined],
    [first.subarray(0, first.length - 1), undefined],
    [Buffer.alloc(512), undefined],
    [Buffer.alloc(0), undefined],
  ] as const) {
    const found = disk.afterPowerCut(random(0));
    found.put(outboxPath, bytes);
    const opened = await openOutbox(found);
    t.is(opened.trouble?.code, code);
    push(opened, 2, 2);
    t.deepEqual(await drain(opened), [2]);
  }
});

test("a damaged byte anywhere loses at most its own event, and is told", async (t) => {
  const disk = new Disk();
  const outbox = await openOutbox(disk);
  push(outbox, 1, 4);
  await outbox.durable();
  const whole = disk.read(outboxPath) as Buffer;
  const one = whole.length / 4;
  for (let at = 0; at < whole.length; at++) {
    const damaged = disk.afterPowerCut(random(0));
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 0x41;
    damaged.put(outboxPath, bytes);
    const found = await openOutbox(damaged);
    const lost = Math.floor(at / one) + 1;
    t.deepEqual(
      await drain(found),
      [1, 2, 3, 4].filter((n) => n !== lost),
      `byte ${at}`,
    );
    if (lost < 4) t.is(found.trouble?.code, "state.corrupt");
  }
});

test("a file that is no outbox is left behind, and the outbox works", async (t) => {
  const next = random(9);
  for (const length of [1, 19, 300, 400_000]) {
    const disk = new Disk();
    disk.put(outboxPath, Buffer.from(Array.from({ length }, () => next() * 256)));
    const outbox = await openOutbox(disk);
    push(outbox, 1, 3);
    t.deepEqual(await drain(outbox), [1, 2, 3]);
  }
});

test("power cuts at any operation: nothing that was durable is lost, order is kept", async (t) => {
  const next = random(11);
  let disk = new Disk();
  let pushed = 0;
  const acknowledged = new Set<number>();
  const durable = new Set<number>();
  let repeats = 0;
  for (let cut = 0; cut < rounds(1_000); cut++) {
    const outbox = await openOutbox(disk);
    // A broker that is there most of the time.
    if (cut % 4 > 0) for (const n of await drain(outbox)) acknowledged.add(n);
    const first = pushed + 1;
    disk.failFrom(disk.operations + 2 + Math.floor(next() * 30));
    for (let step = 0; step < 6; step++) {
      const from = pushed + 1;
      pushed += 1 + Math.floor(next() * 4);
      push(outbox, from, pushed);
      await outbox.durable();
      if (outbox.failure === undefined) for (const n of range(first, pushed)) durable.add(n);
      let last = 0;
      for (let i = 0; i < 3; i++) {
        const item = outbox.next();
        if (item === undefined) break;
        const n = number(item.payload);
        if (!(n > last)) t.fail(`${n} after ${last}`);
        last = n;
        if (acknowledged.has(n)) repeats++;
        acknowledged.add(n);
        outbox.done(item);
      }
    }
    disk.failFrom(Number.POSITIVE_INFINITY);
    const found = await drain(await openOutbox(disk.afterPowerCut(random(cut))));
    const there = new Set([...acknowledged, ...found]);
    const missing = [...durable].filter((n) => !there.has(n));
    t.deepEqual(missing, [], `cut ${cut}`);
    t.deepEqual(
      found,
      [...found].sort((a, b) => a - b),
    );
    // As it was found, before that outbox was read.
    disk = disk.afterPowerCut(random(cut));
  }
  t.true(durable.size > rounds(2_000), `${durable.size} events were durable`);
  t.log(`${pushed} events, ${durable.size} durable, ${repeats} given twice`);
});

test("a disk that fails does not silence the node: events go out from memory, the newest of them", async (t) => {
  const disk = new Disk();
  const clock = new ManualClock();
  const outbox = await openOutbox(disk, { clock });
  push(outbox, 1, 10);
  await outbox.durable();
  disk.failFrom(0, "ENOSPC");
  push(outbox, 11, 1_500);
  await outbox.durable();
  t.is(outbox.trouble?.facts.code, "ENOSPC");
  const first = outbox.next();
  t.is(number(first?.payload as Buffer), 1);
  outbox.done(first as NonNullable<typeof first>);
  t.is(outbox.dropped, 490, "memory is bounded");
  disk.failFrom(Number.POSITIVE_INFINITY);
  await clock.advance(31_000);
  await outbox.durable();
  t.is(outbox.trouble, undefined);
  t.deepEqual(await drain(await openOutbox(disk.afterPowerCut(random(1)))), [
    ...range(2, 10),
    ...range(501, 1_500),
  ]);
});

test("a disk that can't be opened at the start is tried again, and what it has comes first", async (t) => {
  const disk = new Disk();
  const before = await openOutbox(disk);
  push(before, 1, 3);
  await before.close();
  disk.failFrom(0);
  const clock = new ManualClock();
  const outbox = await openOutbox(disk, { clock });
  t.is(outbox.failure?.code, "state.io");
  push(outbox, 4, 6);
  await outbox.durable();
  disk.failFrom(Number.POSITIVE_INFINITY);
  await clock.advance(31_000);
  await settle();
  t.is(outbox.failure, undefined);
  t.deepEqual(await drain(outbox), range(1, 6));
});

test("routine events are gathered before they are written: flash wears", async (t) => {
  const disk = new Disk();
  const clock = new ManualClock();
  const outbox = await openOutbox(disk, { clock, log: silentLog });
  const before = disk.operations;
  for (let n = 1; n <= 20; n++) {
    push(outbox, n, n, false);
    await clock.advance(100);
  }
  t.true(disk.operations - before <= 6, `${disk.operations - before} operations in two seconds`);
  push(outbox, 21, 21);
  await outbox.durable();
  t.deepEqual(await drain(outbox), range(1, 21), "an alarm does not overtake them");
});

test("records: what is not one, or is cut, is seen; a payload of 16 KiB fits", (t) => {
  const record = encodeRecord("routine", 2 ** 40 + 1, Buffer.alloc(16_384, "x"));
  t.deepEqual(decodeRecord(record, 0), { kind: "routine", id: 2 ** 40 + 1, at: 0, length: 16_404 });
  t.is(decodeRecord(record.subarray(0, 16_403), 0), "more");
  t.is(decodeRecord(record, 1), undefined);
});

test("an outbox that was there and is gone is told; one that is new is not", async (t) => {
  const disk = new Disk();
  t.is((await openOutbox(disk, { expected: false })).trouble, undefined);
  t.is((await openOutbox(disk, { expected: true })).trouble, undefined);
  disk.put(outboxPath, undefined);
  const found = await openOutbox(disk, { expected: true });
  t.is(found.trouble?.code, "state.corrupt");
  push(found, 1, 2);
  await found.durable();
  t.deepEqual(await drain(found), [1, 2]);
});
