import test from "ava";
import { idsOf, single } from "../../../../src/km/store/key-run.ts";
import type { Use } from "../../../../src/km/store/shapes.ts";
import { UnderWay } from "../../../../src/km/store/under-way.ts";
import { UseTable } from "../../../../src/km/store/use-table.ts";
import { drawKsaId } from "../../../../src/km/supply/ksa-id.ts";
import { random } from "../../../random.ts";

function useOf(id: string, more: Partial<Use> = {}): Use {
  return {
    id,
    count: 1,
    offer: "11".repeat(24),
    owner: true,
    ranges: [{ extent: 1, start: 0, end: 32 }],
    state: "S",
    fate: undefined,
    had: 0,
    request: "x",
    assigned: false,
    number: 0,
    pickUp: 1,
    ...more,
  };
}

/** Of keys that are asked for together. */
const drawRun = (random: (length: number) => Buffer, count: number) =>
  idsOf([{ id: drawKsaId(random), count }]);

test("IDs of a request are UUIDs of version 4 that count up, from the last two bytes' end to their beginning", (t) => {
  const ids = drawRun(() => Buffer.alloc(16, 0xff), 3);
  const stem = "ffffffffffff4fffbfffffffffff";
  t.deepEqual(ids, [`${stem}ffff`, `${stem}0000`, `${stem}0001`]);
  t.is(
    drawKsaId(() => Buffer.alloc(16)),
    "00000000000040008000000000000000",
  );
  const all = drawRun((length) => Buffer.alloc(length, 7), 65_536);
  t.is(new Set(all).size, 65_536);
});

test("a table of keys finds what a map finds, whatever form IDs have", (t) => {
  const next = random(5);
  const below = (most: number) => Math.floor(next() * most);
  const draw = (length: number) => Buffer.from(Array.from({ length }, () => below(256)));
  const table = new UseTable();
  const map = new Map<string, Use>();
  const known: string[] = [];
  for (let round = 0; round < 3_000; round++) {
    const what = next();
    if (what < 0.1) known.push(...drawRun(draw, 1 + below(40)));
    else if (what < 0.2) known.push(drawKsaId(draw));
    // By another KM: of one stem and far away, or by one before its first.
    else if (what < 0.3) {
      known.push("ab".repeat(14) + below(65_536).toString(16).padStart(4, "0"));
    }
    const id = known[below(known.length)] ?? drawKsaId(draw);
    if (next() < 0.6) {
      const use = useOf(id);
      t.is(table.add(use), !map.has(id));
      if (!map.has(id)) map.set(id, use);
    } else t.is(table.delete(id), map.delete(id));
    const asked = known[below(known.length)] ?? id;
    t.is(table.get(asked), map.get(asked));
    t.is(table.has(asked), map.has(asked));
    t.is(table.size, map.size);
  }
  const ids = (uses: Iterable<Use>) => Array.from(uses, ({ id }) => id).sort();
  t.deepEqual(ids(table.values()), ids(map.values()));
  for (const id of map.keys()) t.true(table.delete(id));
  t.deepEqual([...table.values()], []);
  t.is(table.size, 0);
});

test("keys of a request come in their order, and places of those that are gone are free again", (t) => {
  const table = new UseTable();
  const ids = drawRun((length) => Buffer.alloc(length, 0xff), 5);
  for (const id of ids) table.add(useOf(id));
  t.deepEqual(
    Array.from(table.values(), ({ id }) => id),
    ids,
  );
  for (const at of [0, 2, 4]) table.delete(ids[at] as string);
  t.true(table.add(useOf(ids[2] as string)));
  t.false(table.add(useOf(ids[3] as string)));
  t.deepEqual(
    Array.from(table.values(), ({ id }) => id),
    ids.slice(1, 4),
  );
});

test("several keys alike are one entry until one of them is asked for, beside others of their stem too", (t) => {
  const next = random(9);
  const below = (most: number) => Math.floor(next() * most);
  const parted: Use[] = [];
  const table = new UseTable((use) => void parted.push(use));
  const map = new Map<string, Use>();
  const stems = Array.from({ length: 40 }, (_, i) => (16 + i).toString(16).repeat(14));
  const drawId = () => {
    const suffix = below(64).toString(16).padStart(4, "0");
    return `${stems[below(40)]}${next() < 0.1 ? "fff0" : suffix}`;
  };
  for (let round = 0; round < 5_000; round++) {
    const count = next() < 0.5 ? 1 : 2 + below(24);
    const ranges = [{ extent: round, start: 0, end: 32 * count }];
    const use = useOf(drawId(), { count, ranges });
    const ids = idsOf([use]);
    const isNew = ids.every((id) => !map.has(id));
    t.is(table.hasAny(use), !isNew);
    if (next() < 0.3) {
      t.is(table.add(use), isNew);
      if (isNew) for (const key of single(use)) map.set(key.id, key);
    } else {
      const id = drawId();
      const found = next() < 0.5 ? table.get(id) : table.entry(id);
      t.is(found !== undefined, map.has(id));
      if (found?.count === 1) t.deepEqual(found.ranges, map.get(id)?.ranges);
      if (next() < 0.5) t.is(table.delete(id), map.delete(id));
    }
    t.is(table.size, map.size);
  }
  t.true(parted.length > 10);
  const ids = [...table.values()].flatMap((use) => idsOf([use]));
  t.deepEqual(ids.sort(), [...map.keys()].sort());
  for (const id of map.keys()) t.true(table.delete(id));
  t.deepEqual([...table.values()], []);
  t.is(table.size, 0);
});

test("a stem is forgotten with its last key, whichever came out of its order", (t) => {
  const table = new UseTable();
  const stem = "ab".repeat(14);
  for (const order of [
    ["0005", "0001", "0009"],
    ["0001", "0009", "0005"],
    ["0009", "0005", "0001"],
  ]) {
    for (const suffix of ["0005", "0001", "0009"]) t.true(table.add(useOf(stem + suffix)));
    for (const suffix of order) {
      t.true(table.has(stem + suffix));
      t.true(table.delete(stem + suffix));
    }
    t.is(table.size, 0);
    // As an entry of several it has the stem for itself only if nothing is left of it.
    const ranges = [{ extent: 1, start: 0, end: 384 }];
    const use = useOf(`${stem}0000`, { count: 12, ranges });
    t.true(table.add(use));
    t.is(use.parts, undefined);
    for (const id of idsOf([use])) t.true(table.delete(id));
  }
});

test("bytes on their way are of an application, or prepared for any", (t) => {
  const counts = new UnderWay();
  const free = { request: undefined };
  counts.count(useOf("1"), 1);
  counts.count(useOf("2", { ...free, state: "P" }), 1);
  counts.count(useOf("3", { ...free, state: "B", owner: false }), 1);
  counts.count(useOf("4", { state: "T", owner: false }), 1);
  t.deepEqual([counts.bound, counts.prepared, counts.keys(32)], [32, [32, 32], 1]);
  counts.count(useOf("2", { ...free, state: "P" }), -1);
  counts.count(useOf("1"), -1);
  t.deepEqual([counts.bound, counts.prepared, counts.keys(32)], [0, [0, 32], 0]);
});
