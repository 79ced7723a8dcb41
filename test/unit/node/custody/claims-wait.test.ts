/** What must be on disk before a key leaves, and what a process may say of blocks at its end. */
import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { Formatter } from "../../../../src/node/custody/formatter.ts";
import { kmNames, Owners } from "../../../../src/node/custody/owners.ts";
import { claimantOfKm } from "../../../../src/node/keys/key-id.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import { KeyBlock, keyMemory } from "../../../../src/port/key.ts";
import { Disk } from "../../../faults/disk.ts";

const epoch = "00112233aabbccdd";
const ref = (number: number) => ({ epoch, number });
const open = (disk = new Disk()) => LedgerFile.open(disk, "/ledger", silentLog);
const onDisk = (ledger: LedgerFile) => new Promise<void>((resolve) => ledger.whenDurable(resolve));

test("a stretch is not taken for claimed before that is on disk", async (t) => {
  const ledger = await open();
  const owners = new Owners(kmNames(["main"]), ledger);
  t.false(owners.isClaimed(ref(3), "main"), "nothing is recorded");
  let isTold = false;
  owners.claim(ref(3), "main", () => {
    isTold = true;
  });
  t.is(ledger.claimantOf(ref(3)), claimantOfKm("main"));
  t.false(owners.isClaimed(ref(3), "main"), "recorded, and not on disk");
  t.false(isTold);
  await onDisk(ledger);
  t.true(owners.isClaimed(ref(3), "main"));
  t.true(isTold);
  t.true(owners.isClaimed(ref(255), "main"), "the whole stretch is");
  t.false(owners.isClaimed(ref(256), "main"));
  t.false(owners.isClaimed(ref(3), "other"));
  await ledger.close();
});

test("a process takes back a claim only behind blocks that it or one before took up", async (t) => {
  const disk = new Disk();
  const first = await open(disk);
  const before = new Owners(kmNames(["main"]), first);
  for (const number of [0, 9]) {
    before.came(ref(number));
    before.claim(ref(number), "main", () => {});
  }
  // It dies: what it did not say is not known.
  await onDisk(first);
  await first.close();
  const second = await open(disk);
  const owners = new Owners(kmNames(["main"]), second);
  owners.came(ref(5));
  owners.close();
  t.is(second.claimEnd(epoch), 255, "blocks behind the fifth may have been taken up before");
  await second.close();
  const third = await open(new Disk());
  const alone = new Owners(kmNames(["main"]), third);
  alone.came(ref(5));
  alone.claim(ref(5), "main", () => {});
  alone.close();
  t.is(third.claimEnd(epoch), 5, "this one knows what it took up");
  await third.close();
});

test("a block whose epoch's pair is not on disk waits, although its format is", async (t) => {
  const ledger = await open();
  const format = { keyBits: 256, onRequest: false, claimant: undefined };
  // So it is after a repair that found the format and not the names.
  ledger.append({ kind: "cut", ref: ref(1_000), ...format });
  await onDisk(ledger);
  const pair = { moduleId: "QKD-A", matchingModuleId: "QKD-B" };
  const formatter = new Formatter(format, () => pair, ledger);
  const taken: number[] = [];
  for (const number of [1, 2]) {
    const block = new KeyBlock({ ref: ref(number), bits: 256 }, keyMemory(32));
    formatter.take(block, () => taken.push(number));
  }
  t.deepEqual(taken, []);
  await onDisk(ledger);
  t.deepEqual(taken, [1, 2], "in the order of the blocks");
  const wiped = new KeyBlock(
    { ref: { epoch: "8899aabbccddeeff", number: 1 }, bits: 256 },
    keyMemory(32),
  );
  formatter.take(wiped, () => taken.push(3));
  formatter.wipe();
  await onDisk(ledger);
  t.true(wiped.wiped);
  t.deepEqual(taken, [1, 2]);
  await ledger.close();
});
