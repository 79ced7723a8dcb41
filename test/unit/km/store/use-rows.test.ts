import test from "ava";
import { single } from "../../../../src/km/store/key-run.ts";
import { areRun } from "../../../../src/km/store/run-rows.ts";
import type { Use } from "../../../../src/km/store/shapes.ts";
import { decodeUses, encodeUses } from "../../../../src/km/store/use-rows.ts";
import { faultOf } from "../../../fault-of.ts";

const use: Use = {
  id: "1d".repeat(16),
  count: 1,
  offer: "0f".repeat(24),
  owner: true,
  ranges: [
    { extent: 2 ** 40, start: 0, end: 32 },
    { extent: 7, start: 2 ** 31 - 8, end: 2 ** 31 },
  ],
  state: "S",
  fate: "T",
  had: 3,
  request: `["app-a","app-b","app-ß"]`,
  assigned: true,
  number: 2 ** 47,
  pickUp: 31_622_400,
};
const uses: readonly Use[] = [
  use,
  { ...use, id: "2d".repeat(16), state: "P", fate: undefined, had: 0, request: undefined },
  { ...use, id: "3d".repeat(16), state: "V", ranges: [], request: `["app-b","app-a"]` },
];

test("keys of an offer are one row, and come back as they were", (t) => {
  t.deepEqual(decodeUses(encodeUses(uses)), uses);
  t.deepEqual(decodeUses(encodeUses([use])), [use]);
});

/** Asked for together, of two extents; IDs count over their end. */
const run: Use = {
  ...{ id: "1d1d1d1d1d1d4d1d9d1d1d1d1d1dffff", count: 3, offer: "0f".repeat(24), owner: false },
  ...{ state: "B", fate: undefined, had: 0, request: `["app-a","app-b"]`, assigned: false },
  ...{ number: 0, pickUp: 60 },
  ranges: [
    { extent: 3, start: 64, end: 100 },
    { extent: 4, start: 0, end: 60 },
  ],
};

test("keys that were asked for together are a short row, and come back as they were", (t) => {
  t.true(areRun([run]));
  t.deepEqual(decodeUses(encodeUses([run])), [run]);
  const free = { ...run, request: undefined };
  t.deepEqual(decodeUses(encodeUses([free])), [free]);
  const ranges = [{ extent: 2 ** 40, start: 0, end: 32_768 }];
  const many = { ...run, count: 1_024, ranges };
  t.true(encodeUses([many]).length < 128);
  t.deepEqual(decodeUses(encodeUses([many])), [many]);
  // Each for itself, and still alike.
  t.deepEqual(decodeUses(encodeUses(single({ ...run }))), [run]);
});

test("keys that have parted are each told for itself", (t) => {
  const changes: Partial<Use>[] = [
    { state: "T", number: 1 },
    { fate: "X" },
    { had: 1 },
    { request: undefined },
    { assigned: true },
    { pickUp: 61 },
    { number: 7 },
    { run: undefined },
  ];
  const [first, second, third] = single({ ...run }) as [Use, Use, Use];
  for (const change of changes) t.false(areRun([first, { ...second, ...change }, third]));
  t.false(areRun([first, third]));
  t.false(areRun([]));
  const parted = [first, { ...second, state: "T", number: 1 } as const, third];
  const alone = (use: Use) => {
    const { run: _, since: __, ...rest } = use;
    return rest;
  };
  t.deepEqual(decodeUses(encodeUses(parted)), parted.map(alone));
  // Alike, and had by one of two.
  const had = single({ ...run }).map((use) => ({ ...use, had: 1 }));
  t.true(areRun(had));
  t.deepEqual(decodeUses(encodeUses(had)).map(alone), had.map(alone));
  // Of a KM that offers several entries at once.
  const other = { ...run, id: run.id.replace(/^1d/, "2d") };
  t.deepEqual(
    decodeUses(encodeUses([{ ...run }, other])),
    [{ ...run }, other].flatMap(single).map(alone),
  );
});

test("a row as the version before wrote it is read", (t) => {
  const before = [
    "010f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f000001000200115b226170702d61222c226170702d6222",
    "5d1d1d1d1d1d1d4d1d9d1d1d1d1d1dffff03000000010000000000000000003c00000001000000000003000000400000",
    "00601d1d1d1d1d1d4d1d9d1d1d1d1d1d000003000000010000000000000000003c000000020000000000030000006000",
    "000064000000000004000000000000001c",
  ];
  t.deepEqual(
    decodeUses(Buffer.from(before.join(""), "hex")),
    single({ ...run })
      .slice(0, 2)
      .map(({ run: _, since: __, ...rest }) => rest),
  );
});

test("a row of keys together that is damaged is found to be", (t) => {
  const row = encodeUses([run]);
  const isCorrupt = (wrong: Buffer) =>
    faultOf(() => decodeUses(wrong))?.code === "km_store.corrupt";
  for (let length = 0; length < row.length; length++) t.true(isCorrupt(row.subarray(0, length)));
  t.true(isCorrupt(Buffer.concat([row, row])));
  // State and fate behind form, offer and owner; the number of keys and their length behind the first ID.
  const keys = row.indexOf(Buffer.from(run.id, "hex")) + 16;
  for (const at of [26, 27, keys, keys + 1, keys + 5]) {
    const wrong = Buffer.from(row);
    wrong[at] = 0xee;
    t.true(isCorrupt(wrong), `${at}`);
  }
});

test("a row that is cut short, goes on, or has a word that is not known, is damage", (t) => {
  const row = encodeUses(uses);
  for (let length = 0; length < row.length; length++) {
    t.is(faultOf(() => decodeUses(row.subarray(0, length)))?.code, "km_store.corrupt", `${length}`);
  }
  t.is(faultOf(() => decodeUses(Buffer.concat([row, row])))?.code, "km_store.corrupt");
  // Form; then state and fate of the first key, behind the texts.
  const first = row.indexOf(Buffer.from(use.id, "hex"));
  for (const at of [0, first + 16, first + 17]) {
    const wrong = Buffer.from(row);
    wrong[at] = 0xff;
    t.is(faultOf(() => decodeUses(wrong))?.code, "km_store.corrupt", `${at}`);
  }
});
