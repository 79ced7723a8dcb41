/** What the node measured is there again after a restart: bounded, gentle to the disk, and never a key. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles, type FileSystem } from "../../../../src/host/disk/files.ts";
import { Recorder, recordedNames } from "../../../../src/node/history/recorder.ts";
import { dayStepMs, TelemetryHistory } from "../../../../src/ops/history/history.ts";
import { bytesADay, HistoryKeeper } from "../../../../src/ops/history/history-keeper.ts";
import {
  decodeSegment,
  encodeHead,
  encodeRecord,
  recordLength,
} from "../../../../src/ops/history/record.ts";
import { ManualClock } from "../../../clock.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Counts what is written, and fails when told to. */
class CountedFiles implements FileSystem {
  writes = 0;
  bytes = 0;
  full = false;
  readonly rename = diskFiles.rename;
  readonly remove = diskFiles.remove;
  readonly list = diskFiles.list;
  readonly makeFolder = diskFiles.makeFolder;
  readonly syncFolder = diskFiles.syncFolder;

  async open(path: string, flags: string, mode: number) {
    const file = await diskFiles.open(path, flags, mode);
    return {
      read: file.read.bind(file),
      datasync: () => {
        throw new Error("nothing waits for the disk");
      },
      truncate: file.truncate.bind(file),
      stat: file.stat.bind(file),
      close: file.close.bind(file),
      write: async (source: Buffer, offset: number, length: number, position: number) => {
        if (this.full) {
          // A part of it, as a disk that fills up does.
          await file.write(source, offset, Math.min(7, length), position);
          throw Object.assign(new Error("full"), { code: "ENOSPC" });
        }
        this.writes++;
        this.bytes += length;
        return file.write(source, offset, length, position);
      },
    };
  }
}

interface Life {
  readonly clock: ManualClock;
  readonly recorder: Recorder;
  readonly keeper: HistoryKeeper;
  /** Reports once a second for so long. */
  report(qber: number, ms: number, stepMs?: number): Promise<void>;
  /** Mean QBER over a window, where there was any. */
  means(windowMs: number, stepMs: number): number[];
}

/** One process: its monotonic clock begins anew, the wall clock goes on. */
function life(folder: string, files: FileSystem, wall: number): Life {
  const clock = new ManualClock();
  clock.offset = wall;
  const recorder = new Recorder(["alice"], clock);
  const keeper = new HistoryKeeper({
    files,
    folder,
    subjects: ["alice"],
    recorder,
    clock,
    log: silentLog,
  });
  keeper.start();
  return {
    clock,
    recorder,
    keeper,
    async report(qber, ms, stepMs = 1_000) {
      for (const end = clock.now() + ms; clock.now() < end; ) {
        recorder.telemetry("alice", { values: { qber } });
        await clock.advance(stepMs);
        await keeper.settled();
      }
    },
    means(windowMs, stepMs) {
      const part = recorder.history("alice")?.query(["qber"], clock.now(), windowMs, stepMs);
      return [...(part?.curves.qber.mean ?? [])].filter((mean) => !Number.isNaN(mean));
    },
  };
}

function bench(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-history-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return { folder, files: new CountedFiles() };
}

const begun = Date.parse("2026-11-28T00:00:00Z");

test("after a restart the plots go on, the last hour in steps of half a minute", async (t) => {
  const { folder, files } = bench(t);
  const before = life(folder, files, begun);
  await before.report(0.02, 2 * hour, 10_000);
  await before.report(0.05, 10 * minute);
  await before.keeper.stop();
  const stopped = before.clock.wall();

  const after = life(folder, files, stopped + 5 * minute);
  await after.keeper.settled();
  await after.keeper.stop();
  for (const window of [6 * hour, 24 * hour]) {
    const means = after.means(window, 30_000);
    t.true(means.length >= 259 && means.length <= 262, `${means.length} buckets`);
    t.is(means.filter((mean) => mean > 0.045).length >= 19, true);
  }
  // 15 minutes, in seconds: ten of them had the higher QBER, five had nothing.
  const recent = after.means(15 * minute, 1_000);
  t.true(recent.length >= 540 && recent.length <= 630, `${recent.length} points`);
  t.true(recent.every((mean) => mean > 0.019 && mean < 0.051));
});

test("a day costs 144 writes and half a megabyte, and two files of a day are all there is", async (t) => {
  const { folder, files } = bench(t);
  const one = life(folder, files, begun);
  await one.report(0.02, 24 * hour, 15_000);
  t.true(files.writes <= 144 && files.writes >= 140, `${files.writes} writes`);
  t.true(files.bytes <= bytesADay(recordedNames.length) + 1_000, `${files.bytes} bytes`);
  t.true(bytesADay(recordedNames.length) < 600_000);
  await one.report(0.03, 72 * hour, 15_000);
  await one.keeper.stop();
  t.deepEqual(readdirSync(folder).toSorted(), ["history-alice.0", "history-alice.1"]);
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  t.true(
    sizes.every((size) => size < 600_000),
    `${sizes}`,
  );
  t.true(
    readdirSync(folder).every((name) => (statSync(join(folder, name)).mode & 0o777) === 0o600),
  );
  const after = life(folder, files, one.clock.wall());
  await after.keeper.settled();
  await after.keeper.stop();
  t.true(after.means(24 * hour, 60_000).length >= 1_435);
});

test("a crash costs ten minutes, and a record that it tore is left out", async (t) => {
  const { folder, files } = bench(t);
  const before = life(folder, files, begun);
  await before.report(0.02, 65 * minute, 5_000);
  // No stop.
  const [name] = readdirSync(folder);
  const path = join(folder, name as string);
  truncateSync(path, statSync(path).size - 11);
  const damaged = readFileSync(path);
  damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1;
  writeFileSync(path, damaged);
  const after = life(folder, files, before.clock.wall());
  await after.keeper.settled();
  await after.report(0.03, 20 * minute, 5_000);
  await after.keeper.stop();
  const third = life(folder, files, after.clock.wall());
  await third.keeper.settled();
  await third.keeper.stop();
  const means = third.means(6 * hour, 30_000);
  t.true(means.length >= 155 && means.length <= 163, `${means.length} buckets`);
  t.true(means.every((mean) => Math.abs(mean - 0.02) < 1e-6 || Math.abs(mean - 0.03) < 1e-6));
});

test("a full disk costs no more than the plot of that time, and is over when there is room", async (t) => {
  const { folder, files } = bench(t);
  const one = life(folder, files, begun);
  await one.report(0.02, 15 * minute, 5_000);
  files.full = true;
  await one.report(0.02, 25 * minute, 5_000);
  files.full = false;
  await one.report(0.02, 15 * minute, 5_000);
  await one.keeper.stop();
  const after = life(folder, files, one.clock.wall());
  await after.keeper.settled();
  await after.keeper.stop();
  t.true(after.means(6 * hour, 30_000).length >= 109, "what waited was written, too");
});

test("a clock that cannot be right saves and restores nothing, until it is right", async (t) => {
  const { folder, files } = bench(t);
  const before = life(folder, files, begun);
  await before.report(0.02, 30 * minute, 5_000);
  await before.keeper.stop();
  const writes = files.writes;
  const after = life(folder, files, 0);
  await after.report(0.03, 30 * minute, 5_000);
  t.is(files.writes, writes);
  t.true(after.means(6 * hour, 30_000).every((mean) => Math.abs(mean - 0.03) < 1e-6));
  after.clock.offset = before.clock.wall() + hour - after.clock.now();
  await after.report(0.03, 11 * minute, 5_000);
  await after.keeper.stop();
  const means = after.means(6 * hour, 30_000);
  t.true(
    means.some((mean) => Math.abs(mean - 0.02) < 1e-6),
    "what was is there again",
  );
  const third = life(folder, files, after.clock.wall());
  await third.keeper.settled();
  await third.keeper.stop();
  t.true(third.means(6 * hour, 30_000).length >= 138);
});

test("files of other figures, of nothing, and of the future do no harm", async (t) => {
  const { folder, files } = bench(t);
  const tally = { count: 3, mean: 0.04, min: 0.03, max: 0.05 };
  const old = [encodeHead(["gone", "qber"])];
  for (let i = 0; i < 10; i++) {
    old.push(encodeRecord({ at: begun - (i + 1) * dayStepMs, tallies: [undefined, tally] }));
  }
  old.push(encodeRecord({ at: begun + 400 * 24 * hour, tallies: [tally, tally] }));
  writeFileSync(join(folder, "history-alice.0"), Buffer.concat(old), { mode: 0o600 });
  writeFileSync(join(folder, "history-alice.1"), "nonsense\n", { mode: 0o600 });
  const one = life(folder, files, begun);
  await one.keeper.settled();
  await one.report(0.02, 11 * minute, 5_000);
  await one.keeper.stop();
  const means = one.means(6 * hour, 30_000);
  t.is(means.filter((mean) => Math.abs(mean - 0.04) < 1e-6).length, 10);
  t.true(means.length <= 34);
});

test("a record is what it was, and a bucket of now is not overwritten by one of before", (t) => {
  const tallies = [{ count: 70_000, mean: 0.5, min: 0.25, max: 0.75 }, undefined];
  const bytes = Buffer.concat([encodeHead(["a", "b"]), encodeRecord({ at: begun, tallies })]);
  const { buckets, usable } = decodeSegment(bytes, ["b", "a", "c"]);
  t.false(usable, "it has other figures");
  t.true(decodeSegment(bytes, ["a", "b"]).usable);
  t.deepEqual(buckets, [
    {
      at: begun,
      tallies: [undefined, { count: 65_535, mean: 0.5, min: 0.25, max: 0.75 }, undefined],
    },
  ]);
  t.is(bytes.length, encodeHead(["a", "b"]).length + recordLength(2));
  const history = new TelemetryHistory(["a"]);
  history.add({ a: 1 }, 100);
  history.restore({ at: 0, tallies: [{ count: 9, mean: 7, min: 7, max: 7 }] });
  history.restore({ at: -dayStepMs, tallies: [{ count: 9, mean: 7, min: 6, max: 8 }] });
  t.deepEqual(
    history.buckets(-hour, hour).map(({ at, tallies: [one] }) => [at, one?.mean]),
    [
      [-dayStepMs, 7],
      [0, 1],
    ],
  );
});
