import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { QkdKey } from "../../../../src/port/key.ts";
import { Outstanding } from "../../../../src/wire/kq1/outstanding.ts";
import { random } from "../../../random.ts";

const facts = { ref: { epoch: "00112233aabbccdd", number: 1 }, bits: 256 };
const key = () => new QkdKey("", facts, Buffer.alloc(32), 256);

test("MessageIDs count up, and pass by keys that are answered late", (t) => {
  const outstanding = new Outstanding(4);
  const late = key();
  outstanding.add(late, 1);
  for (let n = 1; n < 100; n++) {
    t.not(outstanding.nextId, 0);
    const id = outstanding.nextId;
    outstanding.add(key(), 2);
    outstanding.delete(id);
    t.is(outstanding.get(id), undefined);
  }
  t.is(outstanding.size, 1);
  t.is(outstanding.get(0), late);
  t.deepEqual(outstanding.oldest, { id: 0, at: 1 });
  t.is(outstanding.get(8), undefined, "same slot, another message");
  outstanding.delete(8);
  t.is(outstanding.get(0), late);
  outstanding.clear();
  t.is(outstanding.size, 0);
  t.is(outstanding.oldest, undefined);
});

test("of keys that were supplied at one time the oldest is the one that was first", (t) => {
  const outstanding = new Outstanding(8);
  for (let n = 0; n < 8; n++) outstanding.add(key(), 5);
  for (let n = 0; n < 8; n++) {
    t.is(outstanding.oldest?.id, n);
    outstanding.delete(n);
    outstanding.add(key(), 5);
  }
});

test("it is a map of MessageIDs, in whatever order answers come", (t) => {
  const draw = random(7);
  const outstanding = new Outstanding(100);
  const model = new Map<number, { readonly key: QkdKey; readonly at: number }>();
  for (let step = 0; step < 20_000; step++) {
    if (model.size < 100 && draw() < 0.55) {
      const id = outstanding.nextId;
      t.false(model.has(id));
      const one = key();
      outstanding.add(one, step);
      model.set(id, { key: one, at: step });
    } else {
      const ids = [...model.keys()];
      const id = ids[Math.floor(draw() * ids.length)];
      if (id === undefined) continue;
      if (outstanding.get(id) !== model.get(id)?.key) t.fail(`message ${id}`);
      outstanding.delete(id);
      model.delete(id);
    }
    if (outstanding.size !== model.size) t.fail(`size at ${step}`);
  }
  const [oldest] = [...model].sort(([, a], [, b]) => a.at - b.at);
  t.deepEqual(outstanding.oldest, oldest && { id: oldest[0], at: oldest[1].at });
});

test("no more keys are outstanding than the window has room for", (t) => {
  const outstanding = new Outstanding(2);
  outstanding.add(key(), 1);
  outstanding.add(key(), 1);
  t.is(t.throws(() => outstanding.add(key(), 1), { instanceOf: Fault })?.code, "invariant");
  t.is(outstanding.size, 2);
  outstanding.delete(0);
  outstanding.add(key(), 1);
  t.is(outstanding.size, 2);
});
