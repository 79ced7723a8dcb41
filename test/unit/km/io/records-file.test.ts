import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import { openRecordLog, type RecordLog } from "../../../../src/km/io/records-file.ts";
import type { LifeRecord } from "../../../../src/km/records/record.ts";
import { rounds } from "../../../campaign-scale.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk } from "../../../faults/disk.ts";
import { random } from "../../../random.ts";

interface Opened {
  readonly clock?: ManualClock;
  readonly limitBytes?: number;
  readonly failed?: Fault[];
}

function open(files: Disk, { clock, limitBytes, failed }: Opened = {}): Promise<RecordLog> {
  return openRecordLog({
    files,
    folder: "/km/records",
    limitBytes: limitBytes ?? 1_048_576,
    clock: clock ?? new ManualClock(),
    onFailure: (fault) => failed?.push(fault),
  });
}

/** A record that is known by its number. */
function record(number: number, keys = 1): LifeRecord {
  const ids = Buffer.alloc(16 * keys, number & 255);
  return { kind: "lost", at: number, ids, ranges: [], facts: { bytes: number } };
}

async function all(log: RecordLog): Promise<number[]> {
  const found: number[] = [];
  await log.scan((view) => {
    const { kind, facts } = view.decode();
    if (kind === "lost") found.push(facts.bytes ?? -1);
  });
  return found;
}

const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => from + i);

test("what was flushed is there again, in its order, over any number of starts", async (t) => {
  const disk = new Disk();
  let next = 1;
  for (let life = 0; life < 4; life++) {
    const log = await open(disk);
    t.deepEqual(await all(log), upTo(next - 1));
    for (let i = 0; i < 5; i++) log.append(record(next++));
    await log.flush();
    log.append(record(next++));
    await log.close();
  }
});

test("a record is durable within a second, without being asked for", async (t) => {
  const disk = new Disk();
  const clock = new ManualClock();
  const log = await open(disk, { clock });
  log.append(record(1));
  await clock.advance(1_000);
  const found = await open(disk.afterPowerCut(() => 0));
  t.deepEqual(await all(found), [1]);
});

test("files stay below their limit: the oldest goes, and what is left has no gap", async (t) => {
  const disk = new Disk();
  const limitBytes = 65_536;
  const log = await open(disk, { limitBytes });
  for (let n = 1; n <= 400; n++) {
    log.append(record(n, 40));
    await log.flush();
    t.true(log.bytes <= limitBytes, `${log.bytes} bytes`);
  }
  const found = await all(log);
  t.true(found.length > 50);
  t.deepEqual(found, upTo(400, found[0]));
  await log.close();
  t.deepEqual(await all(await open(disk, { limitBytes })), found);
});

test("after a power cut at any moment all that was flushed is there, and nothing is torn", async (t) => {
  for (let seed = 1; seed <= rounds(300); seed++) {
    const draw = random(seed);
    let disk = new Disk();
    let next = 1;
    let durable = 0;
    for (let life = 0; life < 3; life++) {
      const log = await open(disk, { limitBytes: 1e9 });
      const found = await all(log);
      t.deepEqual(found, upTo(found.length), `seed ${seed}`);
      t.true(found.length >= durable, `seed ${seed}`);
      next = found.length + 1;
      const last = 3 + Math.floor(draw() * 8);
      for (let i = 0; i < last; i++) {
        log.append(record(next++, 1 + Math.floor(draw() * 300)));
        if (draw() < 0.5) {
          await log.flush();
          durable = next - 1;
        }
      }
      // One more is on its way when the power fails.
      log.append(record(next++));
      const writing = log.flush();
      for (let turns = Math.floor(draw() * 6); turns > 0; turns--) await null;
      disk = disk.afterPowerCut(draw);
      await writing.catch(() => {});
    }
  }
});

test("a disk that does not write holds nothing up: it is told once, and what is missing is a record", async (t) => {
  const disk = new Disk();
  const failed: Fault[] = [];
  const log = await open(disk, { failed });
  log.append(record(1));
  await log.flush();
  disk.failFrom(disk.operations + 1, "ENOSPC");
  for (let n = 2; n <= 4; n++) {
    log.append(record(n));
    await t.throwsAsync(log.flush(), { code: "km_store.io" });
  }
  t.is(failed.length, 1);
  t.is(log.missing, 3);
  disk.failFrom(Number.POSITIVE_INFINITY);
  log.append(record(5));
  await log.flush();
  t.is(log.missing, 0);
  t.deepEqual(await all(log), [1, 5]);
  const missing: unknown[] = [];
  await log.scan((view) => view.kind === "missing" && missing.push(view.decode().facts.count));
  t.deepEqual(missing, [3]);
});

test("records that wait for the disk are bounded", async (t) => {
  const disk = new Disk();
  const log = await open(disk);
  // 1 MiB each, and the disk is never waited for.
  for (let n = 1; n <= 100; n++) log.append(record(n, 65_536));
  t.true(log.missing > 0);
  t.true(log.missing < 100);
  await log.close();
});

test("damage in one file leaves the others", async (t) => {
  const disk = new Disk();
  const limitBytes = 65_536;
  const log = await open(disk, { limitBytes });
  for (let n = 1; n <= 60; n++) {
    log.append(record(n, 40));
    await log.flush();
  }
  await log.close();
  const path = "/km/records/000000000003.records";
  const bytes = Buffer.from(disk.read(path) as Buffer);
  bytes[200] = (bytes[200] as number) ^ 1;
  disk.put(path, bytes);
  const found = await all(await open(disk, { limitBytes }));
  t.is(found[0], 1);
  t.is(found.at(-1), 60);
  t.true(found.length < 60);
});

test("records are passed on from a position, once each, in groups", async (t) => {
  const disk = new Disk();
  const log = await open(disk, { limitBytes: 65_536 });
  for (let n = 1; n <= 50; n++) {
    log.append(record(n, 40));
    await log.flush();
  }
  const seen: number[] = [];
  const numbers: number[] = [];
  let position: string | undefined;
  for (;;) {
    const next = await log.since(position, 2_000);
    if (next.records.length === 0) break;
    t.true(next.records.length <= 3);
    for (const { facts, number } of next.records) {
      seen.push(facts.bytes ?? -1);
      numbers.push(number);
    }
    t.true(position === undefined || (next.position ?? "") > position);
    position = next.position;
  }
  t.deepEqual(seen, upTo(50));
  t.deepEqual(numbers, upTo(50));
  log.append(record(51));
  await log.flush();
  t.deepEqual(
    (await log.since(position)).records.map(({ facts }) => facts.bytes),
    [51],
  );
  // Those behind a position that was dropped meanwhile are skipped.
  for (let n = 52; n <= 400; n++) {
    log.append(record(n, 40));
    await log.flush();
  }
  const { records } = await log.since("000000000001.000000000024.000000000001", 1e9);
  t.is(records.at(-1)?.facts.bytes, 400);
});

test("numbers of records rise over starts, and none is given twice whatever is damaged", async (t) => {
  for (let seed = 1; seed <= rounds(100); seed++) {
    const draw = random(seed);
    let disk = new Disk();
    // What somebody may have been told: number → record.
    const told = new Map<number, number>();
    let next = 1;
    for (let life = 0; life < 5; life++) {
      const log = await open(disk, { limitBytes: 32_768 });
      for (let i = Math.floor(draw() * 12); i >= 0; i--) {
        log.append(record(next++, 1 + Math.floor(draw() * 20)));
        if (draw() < 0.7) await log.flush();
      }
      await log.flush();
      let last = 0;
      for (const { number, facts } of (await log.since(undefined, 1e9)).records) {
        t.true(number > last, `seed ${seed}: ${number} after ${last}`);
        last = number;
        const known = told.get(number) ?? facts.bytes;
        t.is(known, facts.bytes, `seed ${seed}: number ${number}`);
        told.set(number, facts.bytes ?? -1);
      }
      await log.close();
      disk = disk.afterPowerCut(draw);
      const paths = [...disk.files("/km/records").keys()];
      const path = paths[Math.floor(draw() * paths.length)];
      const bytes = path === undefined ? undefined : disk.read(path);
      if (path === undefined || bytes === undefined || draw() < 0.4) continue;
      const broken = Buffer.from(bytes);
      const at = Math.floor(draw() * broken.length);
      broken[at] = (broken[at] ?? 0) ^ 1;
      disk.put(path, broken);
    }
  }
});
