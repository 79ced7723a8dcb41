import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles, type FileSystem } from "../../../../src/host/disk/files.ts";
import { type LedgerEntry, unclaimed } from "../../../../src/node/keys/ports.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import { recordLength } from "../../../../src/node/ledger/ledger-record.ts";
import { scan } from "../../../../src/node/ledger/ledger-scan.ts";
import { blockName } from "../../../../src/port/key.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";

const keyId = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
const ref = (number: number) => ({ epoch: "00112233aabbccdd", number });

async function withFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-ledger-"));
  try {
    await body(join(folder, "ledger"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const open = (path: string, files: FileSystem = diskFiles) =>
  LedgerFile.open(files, path, silentLog, { reserveBytes: 0, compactAbove: 4_096 });

function durable(ledger: LedgerFile): Promise<void> {
  return new Promise((resolve) => ledger.whenDurable(resolve));
}

async function written(path: string, entries: readonly LedgerEntry[]): Promise<void> {
  const ledger = await open(path);
  for (const entry of entries) ledger.append(entry);
  await ledger.close();
}

const story: readonly LedgerEntry[] = [
  { kind: "complete", ref: ref(1) },
  { kind: "delivered", ref: ref(2), keyId },
  { kind: "quarantined", ref: ref(2), keyId: keyId.replace("84", "85"), reason: "unknown_module" },
  { kind: "withheld", ref: ref(3) },
  { kind: "damaged", ref: ref(4) },
  { kind: "complete", ref: ref(2 ** 52) },
  { kind: "released", ref: ref(1) },
];

function tell(ledger: LedgerFile) {
  return [...ledger.blocks()].map((block) => ({
    number: block.ref.number,
    state: block.state,
    delivered: [...block.delivered],
    quarantined: [...block.quarantined].map((pair) => [...pair]),
  }));
}

test("what was recorded is there after a restart, and what was released is gone", async (t) => {
  await withFolder(async (path) => {
    await written(path, story);
    const ledger = await open(path);
    t.is(ledger.get("00112233aabbccdd/1"), undefined);
    t.deepEqual([...(ledger.get("00112233aabbccdd/2")?.delivered ?? [])], [keyId]);
    const refused = [[keyId.replace("84", "85"), "unknown_module"]];
    t.deepEqual(tell(ledger), [
      { number: 2, state: "offered", delivered: [keyId], quarantined: refused },
      { number: 3, state: "withheld", delivered: [], quarantined: [] },
      { number: 4, state: "damaged", delivered: [], quarantined: [] },
      { number: 2 ** 52, state: "complete", delivered: [], quarantined: [] },
    ]);
    t.is(statSync(path).mode & 0o777, 0o600);
    await ledger.close();
  });
});

test("a tail that was torn anywhere is cut, and nothing before it is lost", async (t) => {
  await withFolder(async (path) => {
    await written(path, story);
    const whole = readFileSync(path);
    // Behind the last record there is the seal of an orderly end: with it nothing would be torn.
    const lastAt = whole.length - 2 * recordLength;
    for (let cut = lastAt; cut < lastAt + recordLength; cut++) {
      writeFileSync(path, whole.subarray(0, cut));
      const ledger = await open(path);
      t.is(ledger.get("00112233aabbccdd/1")?.state, "complete", "the release was torn off");
      ledger.append({ kind: "withheld", ref: ref(9) });
      await ledger.close();
      const again = await open(path);
      t.is(again.get("00112233aabbccdd/9")?.state, "withheld");
      await again.close();
    }
  });
});

test("a damaged record before intact ones is not passed over", async (t) => {
  await withFolder(async (path) => {
    // In two groups: what is behind the damage was written after it was synced.
    await written(path, story.slice(0, 3));
    await written(path, story.slice(3));
    const bytes = readFileSync(path);
    bytes[2 * recordLength + 5] = (bytes[2 * recordLength + 5] as number) ^ 1;
    writeFileSync(path, bytes);
    await t.throwsAsync(open(path), { instanceOf: Fault, message: /damaged record/ });
  });
});

test("a group whose sectors arrived out of order is a torn tail, and nothing before it is lost", async (t) => {
  await withFolder(async (path) => {
    await written(path, story.slice(0, 2));
    await written(path, story.slice(2));
    // The seal of the orderly end came after all that.
    const whole = readFileSync(path).subarray(0, -recordLength);
    const last = whole.length / recordLength - 1;
    // Header, seal, two records; and the second group, which begins with a seal.
    for (let missing = 4; missing <= last; missing++) {
      const bytes = Buffer.from(whole);
      bytes.fill(0, missing * recordLength, (missing + 1) * recordLength);
      writeFileSync(path, bytes);
      const ledger = await open(path);
      t.deepEqual([...(ledger.get("00112233aabbccdd/2")?.delivered ?? [])], [keyId]);
      ledger.append({ kind: "withheld", ref: ref(9) });
      await ledger.close();
      const again = await open(path);
      t.is(again.get("00112233aabbccdd/9")?.state, "withheld");
      await again.close();
    }
  });
});

test("a ledger goes on where it failed once the disk takes writes again", async (t) => {
  for (const code of ["ENOSPC", "EIO", "EROFS", "EMFILE"]) {
    // A group is a write and a sync; recovering begins with opening and reading.
    for (const operation of [1, 2]) {
      const disk = new Disk();
      const ledger = await LedgerFile.open(disk, "/ledger", silentLog);
      const last = disk.operations + operation - 1;
      disk.trouble = (n) => (n > last ? systemError(code) : undefined);
      let told = false;
      ledger.append({ kind: "complete", ref: ref(1) });
      ledger.whenDurable(() => {
        told = true;
      });
      await settle();
      await ledger.recover();
      t.like(ledger.failure, { code: "ledger.io", facts: { code } });
      t.false(told);
      ledger.append({ kind: "complete", ref: ref(2) });
      disk.trouble = () => undefined;
      await ledger.recover();
      t.is(ledger.failure, undefined);
      t.true(told);
      const again = await LedgerFile.open(
        disk.afterPowerCut(() => 0),
        "/ledger",
        silentLog,
      );
      t.deepEqual(
        tell(again).map(({ number, state }) => [number, state]),
        [
          [1, "complete"],
          [2, "complete"],
        ],
      );
    }
  }
});

test("a file that is no ledger is not taken for an empty one", async (t) => {
  await withFolder(async (path) => {
    for (const content of ["", "null", "\0".repeat(640)]) {
      writeFileSync(path, content);
      await t.throwsAsync(open(path), { instanceOf: Fault, message: /not a ledger/ });
    }
  });
});

test("an entry counts only once the disk has it, and a group shares one sync", async (t) => {
  await withFolder(async (path) => {
    await written(path, []);
    let syncs = 0;
    const gate = Promise.withResolvers<void>();
    const files: FileSystem = {
      ...diskFiles,
      async open(name, flags, mode) {
        const file = await diskFiles.open(name, flags, mode);
        const datasync = file.datasync.bind(file);
        return Object.assign(file, {
          async datasync() {
            syncs++;
            await gate.promise;
            await datasync();
          },
        });
      },
    };
    const ledger = await open(path, files);
    let told = 0;
    for (let i = 0; i < 100; i++) {
      ledger.append({ kind: "complete", ref: ref(i) });
      ledger.whenDurable(() => told++);
    }
    await new Promise((resolve) => setImmediate(resolve));
    t.is(told, 0);
    gate.resolve();
    await durable(ledger);
    t.is(told, 100);
    t.is(syncs, 1);
    await ledger.close();
  });
});

test("when the disk fails nothing is called durable any more", async (t) => {
  await withFolder(async (path) => {
    await written(path, []);
    const files: FileSystem = {
      ...diskFiles,
      async open(name, flags, mode) {
        const file = await diskFiles.open(name, flags, mode);
        return Object.assign(file, {
          datasync: () => Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" })),
        });
      },
    };
    const ledger = await open(path, files);
    ledger.append({ kind: "complete", ref: ref(1) });
    ledger.whenDurable(() => t.fail("told durable"));
    await ledger.close();
    t.true(ledger.failure instanceof Fault);
    ledger.whenDurable(() => t.fail("told durable"));
    t.pass();
  });
});

test("how blocks are cut, and an operator's word, outlive restarts and compaction", async (t) => {
  await withFolder(async (path) => {
    const [one, other] = ["1".repeat(32), "2".repeat(32)];
    const ledger = await open(path);
    const whole = { keyBits: undefined, onRequest: false, claimant: one };
    ledger.append({ kind: "cut", ref: ref(255), ...whole });
    const later = { keyBits: 4_096, onRequest: true, claimant: undefined };
    ledger.append({ kind: "cut", ref: ref(2 ** 52 - 1), ...later });
    for (const [number, claimant] of [
      [1, one],
      [2, other],
    ] as const) {
      const place = { keyId, offset: 0, length: 8, claimant };
      ledger.append({ kind: "assigned", ref: ref(number), ...place });
    }
    ledger.append({ kind: "freed", claimant: one });
    for (const bits of [256, 4_294_967_288, 512]) {
      ledger.append({ kind: "delivered_to", ref: ref(4), bits });
    }
    ledger.append({ kind: "delivered_to", ref: ref(5), bits: 8 });
    ledger.append({ kind: "complete", ref: ref(5) });
    for (let i = 0; i < 10_000; i++) ledger.append({ kind: "withheld", ref: ref(3) });
    await durable(ledger);
    await ledger.close();
    t.true(statSync(path).size < 4_096 * recordLength, "compacted");
    const again = await open(path);
    t.deepEqual(again.keyFormatOf(ref(200)), { keyBits: undefined, onRequest: false });
    t.is(again.claimantOf(ref(200)), undefined, "freed");
    t.deepEqual(again.keyFormatOf(ref(256)), { keyBits: 4_096, onRequest: true });
    t.is(again.keyFormatOf(ref(2 ** 52)), undefined);
    t.is(again.get(blockName(ref(4)))?.deliveredBits, 4_294_967_288, "it never goes back");
    t.is(again.get(blockName(ref(5)))?.deliveredBits, 0, "all of it is with the KM");
    const assigned = [...again.blocks()].flatMap((block) => [...block.assigned.values()]);
    // Where they were cut stays known: the ID of a piece follows from it.
    t.deepEqual(assigned.map(({ claimant }) => claimant).sort(), [unclaimed, other]);
    await again.close();
  });
});

test("room is made before it is needed: a disk that fills up takes what still fits", async (t) => {
  const disk = new Disk();
  const ledger = await LedgerFile.open(disk, "/ledger", silentLog, { reserveBytes: 640 });
  ledger.append({ kind: "complete", ref: ref(1) });
  await durable(ledger);
  const { length } = disk.read("/ledger") as Buffer;
  // Header, a seal and the record, the seal behind it.
  t.is(length, 4 * recordLength + 640);
  const before = disk.operations;
  for (let i = 2; i <= 10; i++) ledger.append({ kind: "complete", ref: ref(i) });
  await durable(ledger);
  t.is(disk.operations - before, 3, "one write and one sync, and a seal that is not waited for");
  t.is(disk.read("/ledger")?.length, length, "within the room that was there");
  await ledger.close();
  // What is behind the records is no torn tail, and is used again.
  const warned: string[] = [];
  const log = { ...silentLog, warn: (text: string) => warned.push(text) };
  const again = await LedgerFile.open(disk, "/ledger", log, { reserveBytes: 640 });
  t.is([...again.blocks()].length, 10);
  t.deepEqual(warned, []);
  await again.close();
});

test("groups are bounded, and nobody is told before what he waits for is on disk", async (t) => {
  const disk = new Disk();
  const options = { reserveBytes: 0, groupRecords: 10 };
  const ledger = await LedgerFile.open(disk, "/ledger", silentLog, options);
  const told: string[] = [];
  for (let i = 0; i < 35; i++) {
    ledger.append({ kind: "complete", ref: ref(i) });
    ledger.whenDurable(() => {
      const bytes = disk.read("/ledger") as Buffer;
      const records = [...scan(bytes, "/ledger").index.blocks()].length;
      told.push(`${i} ${records > i} ${records % 10 === 0 || records === 35}`);
    });
  }
  await durable(ledger);
  t.deepEqual(
    told,
    Array.from({ length: 35 }, (_, i) => `${i} true true`),
  );
  await ledger.close();
});

test("a group may wait for more, as long as configured, on the clock that it is given", async (t) => {
  const disk = new Disk();
  const clock = new ManualClock();
  const options = { groupDelay: ms(50), clock };
  const ledger = await LedgerFile.open(disk, "/ledger", silentLog, options);
  let told = 0;
  const before = disk.operations;
  for (let i = 0; i < 5; i++) {
    ledger.append({ kind: "complete", ref: ref(i) });
    ledger.whenDurable(() => told++);
    await clock.advance(8);
  }
  t.deepEqual([told, disk.operations], [0, before]);
  await clock.advance(20);
  await settle();
  t.is(told, 5);
  t.is(disk.operations, before + 3, "a write, a sync, a seal");
  await ledger.close();
});

test("what a key or an operator waits for hurries the group that was waiting", async (t) => {
  const disk = new Disk();
  const clock = new ManualClock();
  const options = { groupDelay: ms(50), clock };
  const ledger = await LedgerFile.open(disk, "/ledger", silentLog, options);
  const told: string[] = [];
  const append = (entry: LedgerEntry) => {
    ledger.append(entry);
    ledger.whenDurable(() => told.push(entry.kind));
  };
  append({ kind: "complete", ref: ref(1) });
  await settle();
  t.deepEqual(told, []);
  append({ kind: "withheld", ref: ref(2) });
  await settle();
  t.deepEqual(told, ["complete", "withheld"]);
  append({ kind: "released", ref: ref(1) });
  await settle();
  t.deepEqual(told, ["complete", "withheld"]);
  await ledger.close();
  t.deepEqual(told, ["complete", "withheld", "released"]);
});

test("compaction keeps what is alive and bounds the file", async (t) => {
  await withFolder(async (path) => {
    const ledger = await open(path);
    ledger.append({ kind: "withheld", ref: ref(1_000_000) });
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 1_000; i++) {
        ledger.append({ kind: "complete", ref: ref(i) });
        ledger.append({ kind: "released", ref: ref(i) });
      }
      await durable(ledger);
    }
    await ledger.close();
    t.true(statSync(path).size < 8_192 * recordLength);
    const again = await open(path);
    t.deepEqual(
      tell(again).map((block) => block.number),
      [1_000_000],
    );
    await again.close();
  });
});
