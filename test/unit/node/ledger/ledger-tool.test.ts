import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import { recordLength } from "../../../../src/node/ledger/ledger-record.ts";
import { checkLedger, repairLedger } from "../../../../src/node/ledger/ledger-tool.ts";
import { Disk } from "../../../faults/disk.ts";

const epoch = "00112233aabbccdd";
const ref = (number: number) => ({ epoch, number });
const path = "/ledger";

async function made(): Promise<Disk> {
  const disk = new Disk();
  const ledger = await LedgerFile.open(disk, path, silentLog, { reserveBytes: 640 });
  for (let number = 1; number <= 9; number++) {
    ledger.append({ kind: number % 3 === 0 ? "withheld" : "complete", ref: ref(number) });
    // A group each: damage in the middle is none of a torn tail.
    await new Promise<void>((resolve) => ledger.whenDurable(resolve));
  }
  await ledger.close();
  return disk;
}

/** Of the record of a block: the header comes first, and before each group its seal. */
const positionOf = (number: number) => 2 * number * recordLength;

function damage(disk: Disk, at: number): void {
  const bytes = Buffer.from(disk.read(path) as Buffer);
  bytes[at] = (bytes[at] as number) ^ 1;
  disk.put(path, bytes);
}

test("a good ledger is said to be good, and repair leaves it alone", async (t) => {
  const disk = await made();
  const before = disk.read(path);
  t.deepEqual(await checkLedger(disk, path), {
    file: path,
    condition: "good",
    records: 9,
    damaged_at: [],
    blocks: 9,
    complete: 6,
    withheld: 3,
    quarantined: 0,
  });
  t.is(await repairLedger(disk, path, false), undefined);
  t.deepEqual(disk.read(path), before);
});

test("a damaged record is found; repair keeps all others and withholds what it may have said", async (t) => {
  const disk = await made();
  const whole = disk.read(path) as Buffer;
  damage(disk, positionOf(4) + 20);
  const damaged = disk.read(path) as Buffer;
  t.like(await checkLedger(disk, path), {
    condition: "damaged",
    records: 8,
    damaged_at: [positionOf(4)],
  });
  await t.throwsAsync(LedgerFile.open(disk, path, silentLog), { instanceOf: Fault });

  const repair = await repairLedger(disk, path, false);
  t.is(repair?.kept, `${path}.damaged.1`);
  t.deepEqual(disk.read(`${path}.damaged.1`), damaged);
  const ledger = await LedgerFile.open(disk, path, silentLog);
  t.is([...ledger.blocks()].length, 8);
  t.is(ledger.get(`${epoch}/5`)?.state, "complete");
  t.is(ledger.get(`${epoch}/6`)?.state, "withheld");
  t.is(ledger.get(`${epoch}/4`), undefined);
  t.deepEqual([...(repair?.doubtful ?? [])], [[epoch, 9]]);
  t.true(ledger.isRepaired);
  for (const number of [4, 10, 1e9]) t.true(ledger.isDoubtful(ref(number)));
  t.true(ledger.isDoubtful({ epoch: "f".repeat(16), number: 0 }), "also if nothing is left of it");
  await ledger.close();
  t.like(await checkLedger(disk, path), { condition: "good" });
  t.true(whole.length > 0);
});

test("a header that is damaged, or a file of something else, is a damaged ledger", async (t) => {
  const disk = await made();
  damage(disk, 3);
  t.like(await checkLedger(disk, path), { condition: "damaged", records: 9 });
  await repairLedger(disk, path, true);
  const ledger = await LedgerFile.open(disk, path, silentLog);
  t.is([...ledger.blocks()].length, 9);
  t.false(ledger.isDoubtful(ref(1)), "trusted");
  await ledger.close();
  for (const content of [Buffer.alloc(0), Buffer.alloc(1_000), Buffer.from("null")]) {
    disk.put(path, content);
    t.like(await checkLedger(disk, path), { condition: "damaged", records: 0 });
  }
});

test("a ledger that is gone is made anew only by somebody who says what that means", async (t) => {
  const disk = await made();
  disk.put(path, undefined);
  t.like(await checkLedger(disk, path), { condition: "missing" });
  await t.throwsAsync(repairLedger(disk, path, false), { message: /zeroize the module first/ });
  await repairLedger(disk, path, true);
  t.like(await checkLedger(disk, path), { condition: "good", records: 0 });
});

test("a repair that is cut anywhere can be repeated, and loses nothing", async (t) => {
  const measure = await made();
  damage(measure, 4 * recordLength + 20);
  const begun = measure.operations;
  await repairLedger(measure, path, false);
  const total = measure.operations - begun;
  for (let at = 1; at <= total; at++) {
    const disk = await made();
    damage(disk, 4 * recordLength + 20);
    const from = disk.operations;
    disk.trouble = (operation) =>
      operation === from + at ? Object.assign(new Error("cut"), { code: "EIO" }) : undefined;
    await t.throwsAsync(repairLedger(disk, path, false));
    const after = disk.afterPowerCut(() => 0.3);
    await repairLedger(after, path, false);
    const ledger = await LedgerFile.open(after, path, silentLog);
    t.is([...ledger.blocks()].length, 8);
    await ledger.close();
  }
});

test("a file of any length, however short, is looked at and repaired", async (t) => {
  const whole = (await made()).read(path) as Buffer;
  for (let length = 0; length <= 2 * recordLength; length++) {
    const disk = new Disk();
    disk.put(path, Buffer.from(whole.subarray(0, length)));
    const { condition } = await checkLedger(disk, path);
    await repairLedger(disk, path, false);
    const ledger = await LedgerFile.open(disk, path, silentLog);
    t.is(ledger.wasRepaired, condition === "damaged", `${length} bytes`);
    await ledger.close();
  }
});
