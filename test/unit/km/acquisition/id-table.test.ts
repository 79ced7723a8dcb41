import { randomBytes } from "node:crypto";
import test from "ava";
import { IdMemory } from "../../../../src/km/acquisition/id-memory.ts";
import { IdTable } from "../../../../src/km/keys/id-table.ts";
import { IdMask, idWords } from "../../../../src/km/keys/masked-ids.ts";
import { random as seeded } from "../../../random.ts";
import { noRecord } from "../../../rig/kq1-intake.ts";

const mask = new IdMask(Buffer.alloc(16, 3));

/** IDs that differ in their last bytes only, as a node that counts would draw them. */
function counted(from: number, count: number): Buffer {
  const ids = Buffer.alloc(count * 16, 0x5a);
  for (let i = 0; i < count; i++) ids.writeUInt32BE(from + i, i * 16 + 12);
  return ids;
}

test("a table of IDs is a map: set, replaced, deleted, in any order, grown and shrunk", (t) => {
  const random = seeded(1);
  const words = mask.of(counted(0, 3_000));
  const table = new IdTable();
  const map = new Map<number, number>();
  for (let i = 0; i < 40_000; i++) {
    // Waves, so that it grows and shrinks.
    const grows = Math.floor(i / 8_000) % 2 === 0;
    const which = Math.floor(random() * 3_000);
    if (random() < (grows ? 0.7 : 0.2)) {
      table.set(words, which, i);
      map.set(which, i);
    } else {
      table.delete(words, which);
      map.delete(which);
    }
    const other = Math.floor(random() * 3_000);
    if (table.get(words, other) !== map.get(other)) t.fail(`step ${i}`);
  }
  t.is(table.size, map.size);
  for (let i = 0; i < 3_000; i++) t.is(table.get(words, i), map.get(i));
});

test("a table of IDs is compact, and gives memory back", (t) => {
  const table = new IdTable();
  const words = mask.of(counted(0, 100_000));
  for (let i = 0; i < 100_000; i++) table.set(words, i, i);
  t.true(table.bytes <= 100_000 * 64, `${table.bytes} bytes`);
  for (let i = 0; i < 100_000; i++) table.delete(words, i);
  t.is(table.size, 0);
  // What a wave of keys has room in stays for the next.
  t.true(table.bytes <= 400_000, `${table.bytes} bytes`);
});

test("masked IDs are as different as IDs, of another key others, and the same again", (t) => {
  const ids = counted(7, 1_000);
  const words = mask.of(ids);
  const texts = new Set(
    Array.from({ length: 1_000 }, (_, i) => words.slice(i * idWords, (i + 1) * idWords).join()),
  );
  t.is(texts.size, 1_000);
  t.deepEqual(new IdMask(Buffer.alloc(16, 3)).of(ids), words);
  t.deepEqual(mask.of(ids.subarray(16, 32)), words.slice(4, 8));
  t.notDeepEqual(new IdMask(Buffer.alloc(16, 4)).of(ids), words);
  t.notDeepEqual(new IdMask(Buffer.alloc(16, 4)).check, mask.check);
  t.is(mask.of(Buffer.alloc(0)).length, 0);
});

test("so many IDs are remembered, exactly, and the oldest are forgotten first", (t) => {
  for (const most of [1, 2, 3, 64, 100, 1_000]) {
    const memory = new IdMemory(noRecord, most);
    const words = mask.of(counted(0, most * 3 + 5));
    const one = (i: number) => words.subarray(i * idWords, (i + 1) * idWords);
    for (let i = 0; i < most * 3 + 5; i++) {
      t.false(memory.remembers(words, i));
      memory.remember(one(i));
      t.true(memory.remembers(words, i));
      t.is(memory.size, Math.min(most, i + 1));
      for (const back of [1, most - 1, most, most + 1]) {
        if (i - back >= 0) t.is(memory.remembers(words, i - back), back < most, `${most}, ${back}`);
      }
    }
  }
});

test("an ID that is remembered again is written down once", (t) => {
  const appended: number[] = [];
  const record = {
    append: (digests: Uint8Array) => void appended.push(digests.length / 8),
    settled: (done: () => void) => done(),
  };
  const memory = new IdMemory(record, 100);
  const words = mask.of(counted(0, 10));
  memory.remember(words.subarray(0, 5 * idWords));
  memory.remember(words);
  memory.remember(words);
  t.deepEqual(appended, [5, 5]);
});

test("what a record had is remembered, of more than fit the newest", (t) => {
  const kept: Buffer[] = [];
  const record = {
    append: (digests: Uint8Array) => void kept.push(Buffer.from(digests)),
    settled: (done: () => void) => done(),
  };
  const words = mask.of(randomBytes(16 * 50));
  new IdMemory(record, 100).remember(words);
  const memory = new IdMemory(noRecord, 20);
  memory.load(Buffer.concat(kept));
  for (let i = 0; i < 50; i++) t.is(memory.remembers(words, i), i >= 30);
});
