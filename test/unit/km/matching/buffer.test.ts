import { randomBytes } from "node:crypto";
import test from "ava";
import { LinkBuffer } from "../../../../src/km/matching/buffer.ts";
import { KeyQueue } from "../../../../src/km/matching/queue.ts";
import type { BufferedKeys } from "../../../../src/km/store/buffered.ts";
import { random as seeded } from "../../../random.ts";

let nextHandle = 1;

function cameKeys(count: number, module = "m", bits = 256): BufferedKeys {
  const first = nextHandle;
  nextHandle += count;
  return {
    module,
    at: 1_000,
    handles: Float64Array.from({ length: count }, (_, i) => first + i),
    ids: randomBytes(count * 16),
    bits: new Uint32Array(count).fill(bits),
    generatedAt: new Float64Array(count).fill(Number.NaN),
    qber: new Float64Array(count).fill(0.03),
  };
}

const hex = (id: Uint8Array) => Buffer.from(id).toString("hex");

test("a buffer has its keys in the order in which they came, whatever leaves it and comes meanwhile", (t) => {
  const random = seeded(5);
  const told: string[] = [];
  const buffer = new LinkBuffer(randomBytes(16), (pair, ids) => {
    for (let at = 0; at < ids.length; at += 16)
      told.push(`${pair} ${hex(ids.subarray(at, at + 16))}`);
  });
  const expected = new Map<string, number>();
  const gone: string[] = [];
  for (let round = 0; round < 300; round++) {
    // Waves: pages come and go.
    const grows = Math.floor(round / 50) % 2 === 0;
    const pair = round % 2;
    const keys = cameKeys(Math.floor(random() * (grows ? 120 : 20)));
    buffer.add(keys, pair, round);
    for (let i = 0; i < keys.handles.length; i++)
      expected.set(hex(keys.ids.subarray(i * 16, i * 16 + 16)), pair);
    const leaving = [...buffer.all()].filter(() => random() < (grows ? 0.1 : 0.5));
    buffer.remove(buffer.batchOf(leaving.map(({ slot }) => slot)));
    for (const { id } of leaving) {
      gone.push(`${expected.get(hex(id))} ${hex(id)}`);
      expected.delete(hex(id));
    }
  }
  t.deepEqual(
    Array.from(buffer.all(), ({ id }) => hex(id)),
    [...expected.keys()],
  );
  t.is(buffer.keys, expected.size);
  t.is(buffer.bytes, expected.size * 32);
  t.deepEqual(told.toSorted(), gone.toSorted());
  const [some = ""] = expected.keys();
  t.is(hex(buffer.get(Buffer.from(some, "hex"))?.id ?? Buffer.alloc(0)), some);
  t.is(buffer.get(randomBytes(16)), undefined);
});

test("where a key came from is told of each, and those that came alike share it", (t) => {
  const buffer = new LinkBuffer(randomBytes(16), () => {});
  const first = buffer.add(cameKeys(3), 0, 0).batch;
  const other = buffer.add(cameKeys(2, "m", 264), 0, 0).batch;
  const all = buffer.batchOf([...first.slots, ...other.slots]);
  const origin = { module: "m", at: 1_000, qber: 0.03 };
  t.deepEqual(buffer.runsOf(all), [
    { count: 3, origin: { ...origin, bits: 256 } },
    { count: 2, origin: { ...origin, bits: 264 } },
  ]);
  t.is(buffer.bytesOf(all), 3 * 32 + 2 * 33);
});

test("the oldest keys expire, but for those that a batch has", (t) => {
  const buffer = new LinkBuffer(randomBytes(16), () => {});
  const old = buffer.add(cameKeys(10), 0, 5).batch;
  buffer.add(cameKeys(10), 0, 20);
  buffer.setBatch(buffer.batchOf(old.slots.subarray(0, 4)), 7);
  t.is(buffer.oldest, 5);
  t.deepEqual([...buffer.olderThan(10, 100).slots], [...old.slots.subarray(4)]);
  t.is(buffer.olderThan(10, 3).slots.length, 3);
});

test("a slot that is taken again is not taken for the key that had it before", (t) => {
  const buffer = new LinkBuffer(randomBytes(16), () => {});
  const queue = new KeyQueue(buffer);
  const { batch } = buffer.add(cameKeys(4), 0, 0);
  queue.push(batch);
  buffer.remove(buffer.batchOf(batch.slots));
  const next = buffer.add(cameKeys(4), 0, 0).batch;
  t.deepEqual([...next.slots].toSorted(), [...batch.slots].toSorted());
  t.is(queue.first(), undefined);
  queue.push(next);
  t.deepEqual([...queue.take(100, 1e9).handles], [...next.handles]);
});

test("a queue gives keys in their order, and first what came back; keys and bytes are bounded", (t) => {
  const buffer = new LinkBuffer(randomBytes(16), () => {});
  const queue = new KeyQueue(buffer);
  const { batch } = buffer.add(cameKeys(2_000), 0, 0);
  queue.push(batch);
  t.is(queue.length, 2_000);
  const first = queue.take(600, 1e9);
  t.deepEqual([...first.handles], [...batch.handles.subarray(0, 600)]);
  t.is(queue.take(1_000, 100).slots.length, 3);
  t.is(queue.take(1_000, 1).slots.length, 1);
  queue.unshift(first);
  t.deepEqual([...queue.take(601, 1e9).handles], [...first.handles, batch.handles[604]]);
  // A key that a batch has is passed over.
  buffer.setBatch(buffer.batchOf([queue.first() ?? -1]), 3);
  t.is(queue.take(1, 1e9).handles[0], batch.handles[606]);
});
