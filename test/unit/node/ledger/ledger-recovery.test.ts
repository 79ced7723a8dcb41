import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import type { LedgerEntry } from "../../../../src/node/keys/ports.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import { recordLength } from "../../../../src/node/ledger/ledger-record.ts";
import { checkLedger, repairLedger } from "../../../../src/node/ledger/ledger-tool.ts";
import { settle } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";

const path = "/ledger";
const epoch = "00112233aabbccdd";
const ref = (number: number) => ({ epoch, number });
const withheld = (number: number): LedgerEntry => ({ kind: "withheld", ref: ref(number) });
const claimant = "1".repeat(32);

const open = (disk: Disk, compactAbove = 4_096) =>
  LedgerFile.open(disk, path, silentLog, { reserveBytes: 640, compactAbove, groupRecords: 30 });

const numbers = (ledger: LedgerFile) => [...ledger.blocks()].map((block) => block.ref.number);
const text = (disk: Disk) => disk.read(path)?.toString("latin1", 0, 18);
const count = (length: number) => Array.from({ length }, (_, i) => i);

function durable(ledger: LedgerFile): Promise<void> {
  return new Promise((resolve) => ledger.whenDurable(resolve));
}

/** A disk that forgets all that it could not sync. */
function forgetful(): Disk {
  const disk = new Disk();
  disk.forgets = () => 0;
  return disk;
}

/** The disk as it would be found after a power cut now: what only the cache has is lost. */
function withoutPower(disk: Disk): Disk {
  const found = disk.afterPowerCut(() => 0);
  disk.dead = false;
  return found;
}

/** Entries 0 to 2 are on disk; the sync of entry 3 fails. */
async function failed(disk: Disk): Promise<LedgerFile> {
  const ledger = await open(disk);
  for (const number of [0, 1, 2]) {
    ledger.append(withheld(number));
    await durable(ledger);
  }
  const sync = disk.operations + 2;
  disk.trouble = (operation) => (operation === sync ? systemError("EIO") : undefined);
  ledger.append(withheld(3));
  await settle();
  return ledger;
}

test("the disk of these tests forgets what it could not sync, and shows it until power fails", async (t) => {
  const disk = forgetful();
  const ledger = await failed(disk);
  t.like(ledger.failure, { code: "ledger.io" });
  t.deepEqual(numbers(await open(withoutPower(disk))), [0, 1, 2], "it is not on the disk");
});

test("after a failed sync and a recovery nothing is lost in a power cut, and the ledger opens", async (t) => {
  for (const before of [0, 3]) {
    const disk = forgetful();
    const ledger = before === 3 ? await failed(disk) : await open(disk);
    if (before === 0) {
      disk.trouble = () => systemError("EIO");
      for (const number of count(4)) ledger.append(withheld(number));
      await settle();
      disk.trouble = () => undefined;
    }
    let told = 0;
    ledger.whenDurable(() => told++);
    await ledger.recover();
    t.is(ledger.failure, undefined);
    t.is(told, 1);
    t.deepEqual(numbers(await open(withoutPower(disk))), [0, 1, 2, 3], "at once");
  }
  const disk = forgetful();
  const ledger = await failed(disk);
  await ledger.recover();
  for (const number of [4, 5, 6]) {
    ledger.append(withheld(number));
    await durable(ledger);
  }
  t.deepEqual(numbers(await open(withoutPower(disk))), count(7), "and later");
});

test("a process that starts after a failed sync does not take the cache for the disk either", async (t) => {
  const disk = forgetful();
  await (await failed(disk)).close();
  const again = await open(disk);
  t.deepEqual(numbers(again), [0, 1, 2, 3], "it can be read");
  t.deepEqual(numbers(await open(withoutPower(disk))), [0, 1, 2, 3], "and is on the disk by then");
});

test("a file made after a failure leaves free what was in doubt, until it is compacted", async (t) => {
  const disk = forgetful();
  const ledger = await failed(disk);
  // Header, and three groups of a seal and a record; the failed group is behind them.
  const [from, to] = [7 * recordLength, 9 * recordLength];
  await ledger.recover();
  ledger.append(withheld(4));
  await durable(ledger);
  const bytes = disk.read(path) as Buffer;
  t.true(bytes.subarray(recordLength, to).equals(Buffer.alloc(to - recordLength)));
  t.is(text(disk), "qkd-node ledger 2\n");
  // Whatever is done to that range later means nothing.
  const touched = Buffer.from(bytes);
  touched.fill(7, from, to);
  const other = new Disk();
  other.put(path, touched);
  t.like(await checkLedger(other, path), { condition: "good", records: 5, damaged_at: [] });
  t.is(await repairLedger(other, path, false), undefined);
  t.deepEqual(numbers(await open(other)), count(5));

  // What is damaged behind it is found, and can be repaired, also without the header.
  for (const at of [0, to + recordLength]) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] as number) ^ 1;
    other.put(path, damaged);
    t.like(await checkLedger(other, path), {
      condition: "damaged",
      damaged_at: at === 0 ? [] : [at],
    });
    await repairLedger(other, path, true);
    t.like(await checkLedger(other, path), { condition: "good", records: at === 0 ? 5 : 4 });
    t.is(text(other), "qkd-node ledger 1\n");
  }
  other.put(path, bytes.subarray(0, recordLength));
  await t.throwsAsync(open(other), { code: "ledger.corrupt" }, "cut off behind its header");

  await ledger.close();
  const again = await open(disk, 10);
  for (let i = 0; i < 60; i++) again.append(withheld(i % 5));
  await durable(again);
  t.is(text(disk), "qkd-node ledger 1\n");
  t.is(disk.read(path)?.[recordLength], 4, "the first record is behind the header");
  await again.close();
});

test("a recovery that fails leaves the old file as it was, and nothing beside it", async (t) => {
  const probe = forgetful();
  const measured = await failed(probe);
  const begun = probe.operations;
  await measured.recover();
  // Closing comes first; then remove, open, two writes, sync, close, rename.
  const renamed = 8;
  for (let at = 1; at <= probe.operations - begun; at++) {
    const disk = forgetful();
    const ledger = await failed(disk);
    const before = disk.read(path) as Buffer;
    const from = disk.operations;
    let told = false;
    ledger.whenDurable(() => {
      told = true;
    });
    disk.trouble = (operation) => (operation === from + at ? systemError("ENOSPC") : undefined);
    await ledger.recover();
    if (ledger.failure !== undefined) {
      t.false(told, `operation ${at}`);
      t.is(disk.read(`${path}.new`), undefined);
      if (at <= renamed) t.is(disk.read(path), before);
      const found = numbers(await open(withoutPower(disk)));
      t.true(found.length >= 3, `operation ${at}`);
    }
    disk.trouble = () => undefined;
    await ledger.recover();
    t.is(ledger.failure, undefined);
    t.true(told);
    t.deepEqual(numbers(await open(withoutPower(disk))), [0, 1, 2, 3], `operation ${at}`);
  }
});

test("what is appended while a recovery writes comes after it", async (t) => {
  const disk = forgetful();
  const ledger = await failed(disk);
  const recovering = ledger.recover();
  ledger.append({ kind: "released", ref: ref(3) });
  ledger.append(withheld(4));
  await recovering;
  await durable(ledger);
  const again = await open(withoutPower(disk));
  t.deepEqual(numbers(again), [0, 1, 2, 4]);
  t.true(again.isPast(ref(3)));
});

test("closing waits for a recovery that goes on", async (t) => {
  const disk = forgetful();
  const ledger = await failed(disk);
  const recovering = ledger.recover();
  await ledger.close();
  await recovering;
  t.deepEqual(numbers(await open(withoutPower(disk))), [0, 1, 2, 3]);
});

test("a compaction, or a recovery, does not apply what waits a second time", async (t) => {
  const cut = { keyBits: 256, onRequest: false, claimant };
  const waits: LedgerEntry[] = [
    { kind: "freed", claimant },
    { kind: "cut", ref: ref(255), ...cut },
  ];
  const disk = new Disk();
  const ledger = await open(disk, 20);
  // The first group makes the file long enough; the others wait while it is compacted.
  for (let i = 0; i < 30; i++) ledger.append(withheld(1));
  for (const entry of waits) ledger.append(entry);
  await durable(ledger);
  t.is(ledger.claimantOf(ref(9)), claimant);
  await ledger.close();
  t.is((await open(disk)).claimantOf(ref(9)), claimant);

  const failing = forgetful();
  const other = await failed(failing);
  for (const entry of waits) other.append(entry);
  await other.recover();
  t.is((await open(withoutPower(failing))).claimantOf(ref(9)), claimant);
});

test("a failure is told once, wherever the recovery from it fails again", async (t) => {
  let failed = 0;
  for (let at = 1; at <= 16; at++) {
    const disk = new Disk();
    const ledger = await open(disk);
    let told = 0;
    ledger.watch(() => told++);
    disk.failFrom(1);
    ledger.append(withheld(1));
    await settle();
    t.is(told, 1);
    const begun = disk.operations;
    disk.trouble = (operation) => {
      // What comes while the file is made anew is written behind it.
      if (operation === begun + 3) ledger.append(withheld(2));
      return operation >= begun + at ? systemError("EIO") : undefined;
    };
    await ledger.recover();
    if (ledger.failure !== undefined) failed++;
    t.is(told, 1, `operation ${at}`);
    disk.failFrom(Number.POSITIVE_INFINITY);
    await ledger.recover();
    await ledger.close();
    t.deepEqual(numbers(await open(disk)), at < 3 ? [1] : [1, 2]);
  }
  t.true(failed > 10, `${failed}`);
});
