import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { ManualClock } from "../../../clock.ts";
import { replaySource } from "../../../emulator/source/replay.ts";
import { seedSource } from "../../../emulator/source/seed.ts";
import { type BlockSource, chain, type DistilledBlock } from "../../../emulator/source/source.ts";

const recordings = fileURLToPath(new URL("../../../fixtures/qcrypto/", import.meta.url));

function all(source: BlockSource): DistilledBlock[] {
  const blocks: DistilledBlock[] = [];
  for (let block = source.next(); block !== undefined; block = source.next()) blocks.push(block);
  return blocks;
}

/** Bit `n` of key bytes, counted from the most significant bit of the first byte. */
function bit(bytes: Buffer, n: number): number {
  return ((bytes[n >> 3] as number) >> (7 - (n & 7))) & 1;
}

/** Bit `n` of the key in a final-key file: little-endian words, most significant bit first. */
function recordedBit(file: Buffer, n: number): number {
  return (file.readUInt32LE(16 + 4 * (n >> 5)) >>> (31 - (n & 31))) & 1;
}

const expected = [
  { name: "qber-1.5pct", bits: [36_266, 36_206, 36_213], qber: [0.0146, 0.0147, 0.0147] },
  {
    name: "qber-3pct",
    bits: [11_530, 12_134, 11_436, 11_790],
    qber: [0.0316, 0.0286, 0.0312, 0.0307],
  },
  { name: "qber-7.5pct", bits: [8_021, 8_155], qber: [0.0747, 0.0738] },
  { name: "qber-12.5pct-no-key", bits: [0, 0], qber: [0.1257, 0.1215] },
];

for (const { name, bits, qber } of expected) {
  test(`the recording ${name} yields the blocks that were recorded, alike at both ends`, (t) => {
    const source = replaySource([join(recordings, name)]);
    t.is(source.total, bits.length);
    const blocks = all(source);
    t.deepEqual(
      blocks.map(({ facts }) => facts.bits),
      bits,
    );
    t.deepEqual(
      blocks.map(({ facts }) => facts.qber),
      qber,
    );
    for (const { facts, alice, bob } of blocks) {
      t.is(alice.length, Math.ceil(facts.bits / 8));
      t.true(alice.equals(bob));
      alice.fill(0);
      t.is(
        facts.bits > 0,
        bob.some((byte) => byte !== 0),
        "each end has bytes of its own",
      );
    }
    t.is(new Set(blocks.map(({ facts }) => facts.ref.number)).size, bits.length);
  });
}

test("the first bit of a key is the most significant bit of the file's first word", (t) => {
  for (const { facts, bob } of all(replaySource([join(recordings, "qber-3pct")]))) {
    const epoch = facts.ref.number.toString(16).padStart(8, "0");
    const file = readFileSync(join(recordings, "qber-3pct", "bob", "final", epoch));
    const wrong = Array.from({ length: facts.bits }, (_, n) => n).filter(
      (n) => bit(bob, n) !== recordedBit(file, n),
    );
    t.deepEqual(wrong, []);
    for (let n = facts.bits; n < bob.length * 8; n++) t.is(bit(bob, n), 0, "spare bits");
  }
});

test("two folders may be named instead of the one that holds them", (t) => {
  const folder = join(recordings, "qber-7.5pct");
  const one = all(replaySource([folder]));
  t.deepEqual(all(replaySource([join(folder, "alice"), join(folder, "bob")])), one);
});

test("a recording that is not whole is refused, by the name of the file", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-replay-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const notify = join(folder, "alice", "notify");
  const final = join(folder, "alice", "final", "b8b5c005");
  const overwrite = (at: number, value: number) => () => {
    const file = readFileSync(final);
    file.writeUInt32LE(value, at);
    writeFileSync(final, file);
  };
  const damages: readonly [damage: () => void, file: string, message: RegExp][] = [
    [() => rmSync(notify), notify, /cannot be read: ENOENT/],
    [() => rmSync(final), final, /cannot be read: ENOENT/],
    [() => writeFileSync(final, readFileSync(final).subarray(0, -1)), final, /should have/],
    [() => appendFileSync(final, Buffer.alloc(4)), final, /should have/],
    [() => writeFileSync(final, Buffer.alloc(0)), final, /should have/],
    [overwrite(0, 6), final, /not a final-key file/],
    [overwrite(4, 0xb8b5c006), final, /another epoch/],
    [overwrite(12, 12_133), final, /key length differs/],
    [() => appendFileSync(notify, "b8b5c010 1 1 0.03\n"), notify, /not a notification/],
    [() => appendFileSync(notify, "b8b5c010 1 1 much 5\n"), notify, /not a notification/],
    [() => appendFileSync(notify, "../../../x 1 1 0.03 5\n"), notify, /not a notification/],
    [
      () => writeFileSync(notify, "b8b5c000 20000 11530 0.0316 5\n"),
      join(folder, "bob"),
      /different numbers of blocks/,
    ],
    [() => rmSync(join(folder, "alice"), { recursive: true }), join(folder, "alice"), /no such/],
  ];
  for (const [damage, file, message] of damages) {
    cpSync(join(recordings, "qber-3pct"), folder, { recursive: true });
    damage();
    const fault = t.throws(() => replaySource([folder]), { instanceOf: Fault, message });
    t.is(fault?.code, "key.invalid");
    t.is(fault?.facts.file, file);
    rmSync(join(folder, "alice"), { recursive: true, force: true });
  }
});

test("a seed gives the same blocks each time, and another seed others", (t) => {
  const blocks = (seed: number, first = 0) =>
    all(seedSource({ seed, first, blockBits: 1_001, blocks: 5, clock: new ManualClock() }));
  t.deepEqual(blocks(7), blocks(7));
  const [a, b] = [blocks(7), blocks(8)];
  t.not(a[0]?.facts.ref.epoch, b[0]?.facts.ref.epoch);
  t.false(a[0]?.alice.equals(b[0]?.alice as Buffer));
  t.deepEqual(blocks(7, 3).slice(0, 2), a.slice(3));
  for (const { facts, alice, bob } of a) {
    t.is(alice.length, 126);
    t.true(alice.equals(bob));
    t.is((alice.at(-1) as number) & 0x7f, 0, "bits after the last are 0");
    t.true((facts.qber as number) >= 0.02 && (facts.qber as number) <= 0.04);
  }
});

test("one source after the other is one source", (t) => {
  const part = (seed: number, blocks?: number) =>
    seedSource({ seed, blocks, blockBits: 8, clock: new ManualClock() });
  const both = chain("both", [part(1, 2), part(2, 1)]);
  t.is(both.total, 3);
  t.deepEqual(all(both), [...all(part(1, 2)), ...all(part(2, 1))]);
  t.is(chain("endless", [part(1, 2), part(2)]).total, undefined);
});
