import { randomBytes } from "node:crypto";
import test from "ava";
import { HeldReads } from "../../../../src/km/io/engine/held-reads.ts";

const kibi = 1_024;
const range = (extent: number, start: number, end: number) => ({ extent, start, end });
const bytesOf = (length: number) => {
  const bytes = Buffer.allocUnsafeSlow(length);
  bytes.fill(7);
  return bytes;
};
/** Memory of some length is given back with that. */
const isWiped = (bytes: Buffer) => bytes.length === 0 || bytes.every((byte) => byte === 0);

test("what was read for its hash is had once, by who reads exactly that", (t) => {
  const held = new HeldReads();
  const ranges = [range(1, 10, 40_010), range(2, 0, 10_000)];
  const bytes = bytesOf(50_000);
  held.begin("ab", ranges)(bytes);
  t.is(held.take("bc", ranges), undefined);
  t.is(held.take("ab", ranges.slice(0, 1)), undefined);
  t.is(held.take("ab", [range(1, 10, 40_009), range(2, 0, 10_001)]), undefined);
  t.is(held.take("ab", ranges), bytes);
  t.false(isWiped(bytes));
  t.is(held.take("ab", ranges), undefined);
});

test("what is short, or damaged, is not kept", (t) => {
  const held = new HeldReads();
  const short = bytesOf(96);
  held.begin("ab", [range(1, 0, 96)])(short);
  t.true(isWiped(short));
  held.begin("ab", [range(1, 0, 50_000)])(undefined);
  t.is(held.take("ab", [range(1, 0, 50_000)]), undefined);
});

test("what is forgotten is wiped, while it is read and after", (t) => {
  const held = new HeldReads();
  for (const [forgotten, stays] of [
    [range(1, 0, 10), true],
    [range(1, 60_000, 70_000), true],
    [range(2, 10, 60_000), true],
    [range(1, 59_999, 60_001), false],
    [range(1, 0, 11), false],
    [range(1, 500, 501), false],
  ] as const) {
    for (const isLate of [false, true]) {
      const bytes = bytesOf(59_990);
      const done = held.begin("ab", [range(1, 10, 60_000)]);
      if (!isLate) held.forget("ab", [forgotten]);
      done(bytes);
      held.forget("bc", [range(1, 10, 60_000)]);
      if (isLate) held.forget("ab", [forgotten]);
      const text = `${JSON.stringify(forgotten)} ${isLate ? "after" : "while it is read"}`;
      t.is(isWiped(bytes), !stays, text);
      t.is(held.take("ab", [range(1, 10, 60_000)]) === bytes, stays, text);
    }
  }
});

test("8 MiB are kept, those that were read last; at the end nothing is", (t) => {
  const held = new HeldReads();
  const all = Array.from({ length: 10 }, () => bytesOf(1_024 * kibi));
  const rangesOf = (extent: number) => [range(extent, 0, 1_024 * kibi)];
  for (const [i, bytes] of all.entries()) held.begin("ab", rangesOf(i))(bytes);
  // Memory of that length is given back when it is wiped.
  t.deepEqual(
    all.map(({ length }) => length > 0),
    all.map((_, i) => i >= 2),
  );
  t.is(held.take("ab", rangesOf(2)), all[2]);
  held.clear();
  t.deepEqual(
    all.map(({ length }) => length > 0),
    all.map((_, i) => i === 2),
  );
  const other = randomBytes(64 * kibi);
  held.begin("ab", rangesOf(3))(other);
  held.begin("ab", rangesOf(3))(Buffer.from(other));
  t.is(held.take("ab", rangesOf(3)), other);
});
