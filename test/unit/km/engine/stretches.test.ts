import test from "ava";
import { Stretches } from "../../../../src/km/io/engine/stretches.ts";

const length = 16;
const filled = (byte: number) => Buffer.alloc(length, byte);

test("what is forgotten is wiped where it was opened, and only that", (t) => {
  const stretches = new Stretches();
  for (let i = 0; i < 3; i++) stretches.put("1 fibre", i, filled(i + 1));
  stretches.put("2 fibre", 1, filled(9));
  const before = stretches.changes;
  stretches.forget("1 fibre", 12, 36, length);
  t.is(stretches.changes, before + 1);
  t.deepEqual(stretches.get("1 fibre", 0), Buffer.concat([Buffer.alloc(12, 1), Buffer.alloc(4)]));
  t.deepEqual(stretches.get("1 fibre", 1), Buffer.alloc(length));
  t.deepEqual(stretches.get("1 fibre", 2), Buffer.concat([Buffer.alloc(4), Buffer.alloc(12, 3)]));
  t.deepEqual(stretches.get("2 fibre", 1), filled(9));
});

test("they are few: the oldest makes room, and is wiped", (t) => {
  const stretches = new Stretches();
  stretches.put("1 fibre", 0, filled(1));
  const first = stretches.get("1 fibre", 0) as Buffer;
  for (let i = 1; i <= 32; i++) stretches.put("1 fibre", i, filled(2));
  t.is(stretches.get("1 fibre", 0), undefined);
  t.true(first.every((byte) => byte === 0));
  const last = stretches.get("1 fibre", 32) as Buffer;
  stretches.clear();
  t.is(stretches.get("1 fibre", 32), undefined);
  t.true(last.every((byte) => byte === 0));
});
