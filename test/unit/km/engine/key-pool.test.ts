import test from "ava";
import {
  giveKeyMemory,
  releaseKeyMemory,
  takeKeyMemory,
} from "../../../../src/km/io/engine/key-pool.ts";
import { Scratch } from "../../../../src/km/io/engine/scratch.ts";
import { giveBackSpare } from "../../../../src/km/io/engine/spare-memory.ts";
import { ManualClock } from "../../../clock.ts";

test("memory that is given back is wiped, and had by one at a time", (t) => {
  // Other tests of this process have left some that would fit better.
  releaseKeyMemory();
  releaseKeyMemory();
  const first = takeKeyMemory(100_000);
  const { buffer } = first;
  t.is(first.length, 100_000);
  first.fill(7);
  giveKeyMemory(first);
  t.true(Buffer.from(buffer, 0, 100_000).every((byte) => byte === 0));
  const again = takeKeyMemory(70_000);
  t.is(again.buffer, buffer);
  t.not(takeKeyMemory(70_000).buffer, buffer);
  // Not to be had by what needs far less: it might wait for long.
  giveKeyMemory(again);
  t.not(takeKeyMemory(20_000).buffer, buffer);
});

test("what is kept for later is bounded: what was given back first goes, wiped", (t) => {
  const pieces = Array.from({ length: 20 }, () => takeKeyMemory(1_048_576));
  const buffers = pieces.map(({ buffer }) => buffer);
  for (const piece of pieces) giveKeyMemory(piece.fill(7));
  const kept = buffers.filter(({ byteLength }) => byteLength > 0);
  t.is(kept.length, 8);
  t.deepEqual(kept, buffers.slice(-8));
  t.true(kept.every((buffer) => Buffer.from(buffer).every((byte) => byte === 0)));
  const huge = takeKeyMemory(16_777_216);
  giveKeyMemory(huge);
  t.is(huge.length, 0);
});

test("what a burst took is given back when it was not needed since, and what is in use stays", (t) => {
  releaseKeyMemory();
  releaseKeyMemory();
  const pieces = Array.from({ length: 6 }, () => takeKeyMemory(1_048_576));
  const buffers = pieces.map(({ buffer }) => buffer);
  const there = () => buffers.filter(({ byteLength }) => byteLength > 0).length;
  for (const piece of pieces) giveKeyMemory(piece);
  // Free since a moment ago, all of it.
  releaseKeyMemory();
  t.is(there(), 6);
  // Two at a time are still needed.
  for (let i = 0; i < 10; i++) {
    const used = [takeKeyMemory(1_000_000), takeKeyMemory(1_000_000)];
    for (const piece of used) giveKeyMemory(piece);
  }
  releaseKeyMemory();
  t.is(there(), 2);
  releaseKeyMemory();
  t.is(there(), 0);
});

test("few bytes have memory of their own", (t) => {
  const few = takeKeyMemory(10);
  t.is(few.buffer.byteLength, 10);
  giveKeyMemory(few.fill(7));
  t.true(few.every((byte) => byte === 0));
});

test("pieces are put together in their order, however long it gets, and in memory that is used again", (t) => {
  const scratch = new Scratch();
  const piece = (byte: number) => Buffer.alloc(100_000, byte);
  for (const count of [3, 100, 2]) {
    scratch.begin();
    for (let i = 0; i < count; i++) scratch.add(piece(i));
    scratch.set(Buffer.from([200]), 5);
    const expected = Buffer.concat(Array.from({ length: count }, (_, i) => piece(i)));
    expected[5] = 200;
    t.true(scratch.bytes.equals(expected));
  }
  const { buffer } = scratch.bytes;
  scratch.begin();
  scratch.add(piece(1));
  t.is(scratch.bytes.buffer, buffer);
});

test("room that a burst made is given back once what is put together is far less, and never while it is in use", (t) => {
  const scratch = new Scratch();
  const use = (length: number) => {
    scratch.begin();
    scratch.add(Buffer.alloc(length, 1));
    return scratch.bytes.buffer;
  };
  const burst = use(1_000_000);
  scratch.release();
  t.is(scratch.length, 1_000_000);
  scratch.end();
  scratch.release();
  t.is(use(300_000), burst);
  scratch.end();
  scratch.release();
  t.is(use(10), burst);
  scratch.end();
  scratch.release();
  t.is(burst.byteLength, 0);
  t.true(use(10).byteLength < 100_000);
});

test("a store gives back what a burst needed within seconds, and looks no more once it is closed", async (t) => {
  const clock = new ManualClock();
  const scratch = new Scratch();
  const use = (length: number) => {
    scratch.begin();
    scratch.add(Buffer.alloc(length, 1));
    const { buffer } = scratch.bytes;
    scratch.end();
    return buffer;
  };
  const intake = { scratch: new Scratch() };
  const looking = giveBackSpare({ clock, intake, volumes: { scratch: { stock: scratch } } });
  const burst = use(4_000_000);
  const pool = takeKeyMemory(1_048_576);
  const { buffer } = pool;
  giveKeyMemory(pool);
  await clock.advance(4_000);
  t.is(burst.byteLength, 0);
  t.is(buffer.byteLength, 0);
  looking.cancel();
  const after = use(4_000_000);
  await clock.advance(60_000);
  t.true(after.byteLength > 0);
});
