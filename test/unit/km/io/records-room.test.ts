import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import type { FileSystem } from "../../../../src/host/disk/files.ts";
import { Reserve } from "../../../../src/km/io/engine/reserve.ts";
import { openRecordLog, type RecordLog } from "../../../../src/km/io/records-file.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";

const reservePath = "/km/reserve";
const reserveBytes = 16_384;

/** A disk that others fill: there is room for no more than the reserve leaves, and only as much as that had. */
class FullDisk {
  readonly disk = new Disk();
  isFull = false;
  #room = reserveBytes;

  get files(): FileSystem {
    const open: FileSystem["open"] = async (path, flags) => {
      const file = await this.disk.open(path, flags);
      const write: typeof file.write = async (...all) => {
        const isRoom = this.disk.read(reservePath) === undefined && this.#room >= all[2];
        if (this.isFull && !isRoom) throw systemError("ENOSPC");
        if (this.isFull) this.#room -= all[2];
        return file.write(...all);
      };
      return { ...file, write };
    };
    const { disk } = this;
    return {
      open,
      remove: (path) => disk.remove(path),
      rename: (from, to) => disk.rename(from, to),
      list: (path) => disk.list(path),
      makeFolder: () => disk.makeFolder(),
      syncFolder: () => disk.syncFolder(),
    };
  }

  /** Bytes that the books would find. */
  get room(): number {
    return this.#room;
  }
}

async function bench() {
  const full = new FullDisk();
  const { files } = full;
  const clock = new ManualClock();
  const failed: Fault[] = [];
  const reserve = new Reserve(files, "/km", reserveBytes, clock);
  await reserve.make();
  const log = await openRecordLog({
    files,
    folder: "/km/records",
    limitBytes: 1_048_576,
    clock,
    onFailure: (fault) => failed.push(fault),
  });
  log.withRoom = (bytes, write) => reserve.useSome(bytes, write);
  return { full, clock, failed, reserve, log };
}

function append(log: RecordLog): void {
  log.append({ kind: "lost", at: 1, ids: Buffer.alloc(512), ranges: [], facts: { bytes: 1 } });
}

test("the reserve of the store makes way for records when other files fill the disk: also where a file begins", async (t) => {
  const { full, failed, reserve, log } = await bench();
  full.isFull = true;
  append(log);
  await log.flush();
  t.deepEqual(failed, []);
  t.is(log.missing, 0);
  t.false(reserve.isThere);
  await log.close();
});

test("records take no more than a part of that room: the rest is for the books; what is missing is told once there is room", async (t) => {
  const { full, clock, failed, reserve, log } = await bench();
  full.isFull = true;
  for (let i = 0; i < 20; i++) {
    append(log);
    await log.flush().catch(() => {});
  }
  t.true(full.room >= (reserveBytes * 3) / 4, `${full.room}`);
  t.is(failed.length, 1);
  t.is(failed[0]?.code, "km_store.io");
  t.like(failed[0]?.facts, {
    code: "km_store.full",
    why: "the disk is full: what room is left is for the books (limit_bytes=4096, file=/km/reserve)",
  });
  const { missing } = log;
  t.true(missing > 0 && missing < 20, `${missing}`);
  t.is((await full.disk.list("/km/records")).length, 1, "what was not written left no file");
  full.isFull = false;
  await clock.advance(60_000);
  append(log);
  await log.flush();
  t.true(reserve.isThere);
  t.is(log.missing, 0);
  const told: unknown[] = [];
  await log.scan((view) => {
    const { kind, facts } = view.decode();
    if (kind === "missing") told.push(facts.count);
  });
  t.deepEqual(told, [missing]);
  await log.close();
});
