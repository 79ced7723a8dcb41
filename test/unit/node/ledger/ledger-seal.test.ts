import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import type { FileSystem } from "../../../../src/host/disk/files.ts";
import type { LedgerEntry } from "../../../../src/node/keys/ports.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import {
  encodeEntry,
  fileHeader,
  recordLength,
} from "../../../../src/node/ledger/ledger-record.ts";
import { checkLedger, repairLedger } from "../../../../src/node/ledger/ledger-tool.ts";
import { Disk, systemError } from "../../../faults/disk.ts";

const path = "/ledger";
const epoch = "00112233aabbccdd";
const complete = (number: number): LedgerEntry => ({ kind: "complete", ref: { epoch, number } });
const sector = 512;

const open = (disk: Disk, reserveBytes = 640) =>
  LedgerFile.open(disk, path, silentLog, { reserveBytes });

function durable(ledger: LedgerFile): Promise<void> {
  return new Promise((resolve) => ledger.whenDurable(resolve));
}

/** Numbers of the blocks that a ledger knows. */
function numbers(ledger: Pick<LedgerFile, "blocks">): number[] {
  return [...ledger.blocks()].map(({ ref }) => ref.number);
}

/** A ledger of groups of so many records; it is still open. */
async function grown(groups: readonly number[]): Promise<{ disk: Disk; ledger: LedgerFile }> {
  const disk = new Disk();
  const ledger = await open(disk);
  let number = 0;
  for (const records of groups) {
    for (let i = 0; i < records; i++) ledger.append(complete(number++));
    await durable(ledger);
  }
  return { disk, ledger };
}

const count = (length: number) => Array.from({ length }, (_, i) => i);
const content = (disk: Disk) => Buffer.from(disk.read(path) as Buffer);

function diskWith(bytes: Buffer): Disk {
  const disk = new Disk();
  disk.put(path, bytes);
  return disk;
}

/** What a start on these bytes finds: the blocks, or the code of an error. */
async function start(bytes: Buffer): Promise<number[] | string> {
  try {
    const ledger = await open(diskWith(bytes));
    const found = numbers(ledger);
    await ledger.close();
    return found;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function flipped(bytes: Buffer, at: number, bit = 0): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ (1 << bit);
  return copy;
}

test("a flipped bit in what was synced last is damage, whether the node ended in order or was killed", async (t) => {
  for (const ends of ["closed", "killed"]) {
    const { disk, ledger } = await grown([3, 4]);
    if (ends === "closed") await ledger.close();
    const bytes = content(disk);
    t.deepEqual(await start(bytes), [0, 1, 2, 3, 4, 5, 6], ends);
    // Header, seal, three records, seal: the last group's first record.
    const at = 6 * recordLength;
    t.is(await start(flipped(bytes, at + 30)), "ledger.corrupt", ends);
    t.like(await checkLedger(diskWith(flipped(bytes, at + 30)), path), {
      condition: "damaged",
      records: 6,
      damaged_at: [at],
    });
    await ledger.close();
  }
});

test("whichever byte of a sealed ledger is changed, it never opens with less than it had", async (t) => {
  const { disk, ledger } = await grown([3, 1, 5]);
  await ledger.close();
  const bytes = content(disk);
  const all = await start(bytes);
  let opened = 0;
  for (let at = 0; at < bytes.length; at++) {
    const found = await start(flipped(bytes, at, at % 8));
    if (found === "ledger.corrupt") continue;
    opened++;
    t.deepEqual(found, all, `byte ${at}`);
  }
  // The seal behind all, and room that was never used.
  const used = (1 + 3 * 1 + 9) * recordLength;
  t.is(opened, bytes.length - used);
});

test("a record or a sector that is missing before a seal is damage", async (t) => {
  const { disk, ledger } = await grown([9, 9]);
  await ledger.close();
  const bytes = content(disk);
  // Header, two seals, 18 records: the last seal is the third record of the third sector.
  for (const size of [recordLength, sector]) {
    for (let at = recordLength; at < 21 * recordLength; at += recordLength) {
      if (at % size !== 0 || at + size > 21 * recordLength) continue;
      const copy = Buffer.from(bytes);
      copy.fill(0, at, at + size);
      t.is(await start(copy), "ledger.corrupt", `${size} bytes at ${at}`);
    }
  }
});

test("after an orderly end a lost block is damage, also if the last seal was in it", async (t) => {
  const disk = new Disk();
  const ledger = await open(disk, 20_000);
  for (let number = 0; number < 100; number++) {
    ledger.append(complete(number));
    if (number % 10 === 9) await durable(ledger);
  }
  await ledger.close();
  const bytes = content(disk);
  t.is((await start(bytes)).length, 100);
  t.like(await checkLedger(disk, path), { condition: "good", records: 100, damaged_at: [] });
  // Header, ten groups of a seal and ten records: they end in the second block of 4,096 bytes.
  for (const [from, to] of [
    [sector, 4_096],
    [4_096, 8_192],
    [109 * recordLength, 112 * recordLength],
    [110 * recordLength, 112 * recordLength],
    [sector, 8_192],
  ] as const) {
    for (const filling of [0, 0xff]) {
      const copy = Buffer.from(bytes);
      copy.fill(filling, from, to);
      t.is(await start(copy), "ledger.corrupt", `${from} to ${to}, ${filling}`);
      const report = await checkLedger(diskWith(copy), path);
      t.is(report.condition, "damaged");
      t.is(report.damaged_at[0], from);
    }
  }
  // A copy that is lost or changed is missed by nothing.
  const last = bytes.length - (bytes.length % recordLength) - recordLength;
  t.is((await start(flipped(bytes, last + 40))).length, 100);
});

test("records go over the copy of a seal that an orderly end has left", async (t) => {
  const disk = new Disk();
  let number = 0;
  for (let life = 0; life < 12; life++) {
    const ledger = await open(disk, 5_000);
    t.deepEqual(numbers(ledger), count(number));
    for (let group = 0; group < 7; group++) {
      for (let i = 0; i < 1 + ((life + group) % 5); i++) ledger.append(complete(number++));
      await durable(ledger);
      t.is((await start(content(disk))).length, number);
    }
    await ledger.close();
    t.like(await checkLedger(disk, path), { condition: "good", records: number, damaged_at: [] });
  }
});

test("a record in another's place, intact by itself, is damage", async (t) => {
  const { disk, ledger } = await grown([5]);
  await ledger.close();
  const bytes = content(disk);
  bytes.copy(bytes, 3 * recordLength, 2 * recordLength, 3 * recordLength);
  t.is(await start(bytes), "ledger.corrupt");
  t.like(await checkLedger(diskWith(bytes), path), { damaged_at: [7 * recordLength] });
});

test("a ledger that was made as a whole is never found shorter", async (t) => {
  const disk = new Disk();
  const options = { reserveBytes: 640, compactAbove: 20 };
  const ledger = await LedgerFile.open(disk, path, silentLog, options);
  for (let i = 0; i < 200; i++) ledger.append({ kind: "withheld", ref: { epoch, number: i % 8 } });
  await durable(ledger);
  await ledger.close();
  const bytes = content(disk);
  t.deepEqual(await start(bytes), [0, 1, 2, 3, 4, 5, 6, 7]);
  for (let records = 1; records <= 8; records++) {
    t.is(await start(bytes.subarray(0, records * recordLength)), "ledger.corrupt");
    t.is(
      await start(Buffer.concat([bytes.subarray(0, records * recordLength), Buffer.alloc(9_000)])),
      "ledger.corrupt",
    );
  }
});

test("whichever sectors of a group arrive, and its seal before it or not, that is a torn write", async (t) => {
  // The second group's seal ends a sector, begins one, or stands in the middle; the group has three or four sectors.
  for (const first of [3, 5, 6]) {
    const { disk, ledger } = await grown([first]);
    const sealed = content(disk);
    const sealAt = (2 + first) * recordLength;
    const unsealed = Buffer.from(sealed);
    unsealed.fill(0, sealAt, sealAt + recordLength);
    for (let i = 0; i < 22; i++) ledger.append(complete(first + i));
    await durable(ledger);
    const whole = content(disk);
    const end = sealAt + 23 * recordLength;
    // As it was when power failed: the seal behind the group was not yet written.
    whole.fill(0, end, end + recordLength);
    await ledger.close();
    const borders = [sealAt];
    for (let at = sealAt - (sealAt % sector) + sector; at < end; at += sector) borders.push(at);
    borders.push(end);
    for (const before of [sealed, unsealed]) {
      for (let arrived = 0; arrived < 2 ** (borders.length - 1); arrived++) {
        const bytes = Buffer.alloc(whole.length);
        before.copy(bytes);
        let next = first;
        let intact = true;
        for (let i = 0; i + 1 < borders.length; i++) {
          const [from, to] = [borders[i] as number, borders[i + 1] as number];
          if ((arrived & (1 << i)) !== 0) whole.copy(bytes, from, from, to);
          if (!bytes.subarray(from, to).equals(whole.subarray(from, to))) intact = false;
          if (intact) next = (to - sealAt) / recordLength - 1 + first;
        }
        // Nothing of the first group is lost, and of the second what stands before the first gap.
        t.deepEqual(
          await start(bytes),
          count(next),
          `${first} records, sectors ${arrived.toString(2)}`,
        );
      }
    }
  }
});

test("records behind the seal of an orderly end are the next process's, torn or not", async (t) => {
  const { disk, ledger } = await grown([2]);
  await ledger.close();
  const again = await open(disk);
  const before = content(disk).length;
  again.append(complete(2));
  again.append(complete(3));
  await durable(again);
  const bytes = content(disk);
  await again.close();
  t.is(bytes.length, before, "the same seal, and no second one");
  const at = 4 * recordLength;
  t.deepEqual(await start(bytes), [0, 1, 2, 3]);
  bytes.fill(0, 7 * recordLength);
  t.deepEqual(await start(bytes), [0, 1, 2, 3], "the last seal is lost");
  t.deepEqual(await start(flipped(bytes, at + recordLength)), [0, 1], "the first record is torn");
  t.deepEqual(await start(flipped(bytes, at + 2 * recordLength)), [0, 1, 2]);
  t.is(await start(flipped(bytes, at - recordLength)), "ledger.corrupt");
});

/** As earlier versions wrote it: no seals. */
function earlier(groups: readonly number[], reserve: number): Buffer {
  const total = groups.reduce((sum, records) => sum + records, 0);
  const bytes = Buffer.alloc((1 + total) * recordLength + reserve);
  fileHeader(0).copy(bytes);
  let number = 0;
  for (const [group, records] of groups.entries()) {
    for (let i = 0; i < records; i++, number++) {
      encodeEntry(complete(number), group + 1, bytes, (1 + number) * recordLength);
    }
  }
  return bytes;
}

test("a ledger of an earlier version opens as it did, and has seals from then on", async (t) => {
  for (const reserve of [0, 640]) {
    const bytes = earlier([2, 3], reserve);
    const disk = diskWith(bytes);
    t.like(await checkLedger(disk, path), { condition: "good", records: 5, damaged_at: [] });
    const ledger = await open(disk);
    t.deepEqual(numbers(ledger), [0, 1, 2, 3, 4]);
    await ledger.close();
    const now = content(disk);
    t.deepEqual(now.subarray(0, 18), Buffer.from("qkd-node ledger 1\n"));
    t.is(await start(flipped(now, 5 * recordLength)), "ledger.corrupt");
    t.like(await checkLedger(disk, path), { condition: "good", records: 5, damaged_at: [] });
    t.deepEqual(await start(flipped(bytes, 5 * recordLength)), [0, 1, 2, 3], "a torn tail");
    t.is(await start(flipped(bytes, recordLength)), "ledger.corrupt");
  }
});

test("a repaired ledger is good, and opens", async (t) => {
  const { disk, ledger } = await grown([2, 3]);
  await ledger.close();
  const damaged = diskWith(flipped(content(disk), 5 * recordLength + 1));
  t.like(await checkLedger(damaged, path), { condition: "damaged" });
  await repairLedger(damaged, path, true);
  t.like(await checkLedger(damaged, path), { condition: "good" });
  const repaired = await open(damaged);
  t.deepEqual(numbers(repaired), [0, 1, 3, 4]);
  await repaired.close();
});

test("a seal that can't be written, nor synced, fails nothing", async (t) => {
  const disk = new Disk();
  const ledger = await open(disk);
  // Each group is a write and a sync; the third operation is the seal.
  const from = disk.operations;
  disk.trouble = (operation) => ((operation - from) % 3 === 0 ? systemError("EIO") : undefined);
  for (let i = 0; i < 5; i++) {
    ledger.append(complete(i));
    await durable(ledger);
  }
  t.is(disk.troubles, 5);
  t.is(ledger.failure, undefined);
  disk.trouble = () => systemError("EIO");
  await ledger.close();
  disk.trouble = () => undefined;
  t.deepEqual(await start(content(disk)), [0, 1, 2, 3, 4]);
});

test("writes that stop short go on where they stopped", async (t) => {
  const disk = new Disk();
  const short: FileSystem = {
    list: (name) => disk.list(name),
    makeFolder: () => disk.makeFolder(),
    async open(name, flags) {
      const file = await disk.open(name, flags);
      const write: typeof file.write = (source, offset, length, position) =>
        file.write(source, offset, Math.min(length, 50), position);
      return { ...file, write };
    },
    rename: (from, to) => disk.rename(from, to),
    remove: (name) => disk.remove(name),
    syncFolder: () => disk.syncFolder(),
  };
  const ledger = await LedgerFile.open(short, path, silentLog, {
    reserveBytes: 0,
    compactAbove: 5,
  });
  for (let i = 0; i < 40; i++) ledger.append({ kind: "withheld", ref: { epoch, number: i % 7 } });
  await ledger.close();
  t.deepEqual(await start(content(disk)), [0, 1, 2, 3, 4, 5, 6]);
});

test("a ledger that can't be read says so, and is not taken for an empty one", async (t) => {
  const { disk, ledger } = await grown([2]);
  await ledger.close();
  const bytes = content(disk);
  // Open, stat, read, close; the name is synced; open.
  for (let at = 1; at <= 6; at++) {
    const failing = diskWith(bytes);
    failing.trouble = (operation) => (operation === at ? systemError("EIO") : undefined);
    await t.throwsAsync(open(failing), { code: "ledger.io" }, `operation ${at}`);
    t.deepEqual(failing.read(path), bytes);
  }
});
