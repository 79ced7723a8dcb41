import test from "ava";
import { areRun, togetherOf } from "../../../../src/km/store/run-rows.ts";
import type { Use } from "../../../../src/km/store/shapes.ts";
import { decodeUses, encodeUses } from "../../../../src/km/store/use-rows.ts";
import { faultOf } from "../../../fault-of.ts";

const use: Use = {
  id: "1d".repeat(16),
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

const together: Use = {
  ...{ id: "1d1d1d1d1d1d4d1d9d1d1d1d1d1dffff", offer: "0f".repeat(24), owner: false, state: "B" },
  ...{
    fate: undefined,
    had: 0,
    request: `["app-a","app-b"]`,
    assigned: false,
    number: 0,
    pickUp: 60,
  },
  ranges: [{ extent: 3, start: 64, end: 96 }],
};
/** Asked for together, of two extents; IDs count over their end. */
const run: readonly Use[] = [
  together,
  {
    ...together,
    id: together.id.replace(/ffff$/, "0000"),
    ranges: [
      { extent: 3, start: 96, end: 100 },
      { extent: 4, start: 0, end: 28 },
    ],
  },
  {
    ...together,
    id: together.id.replace(/ffff$/, "0001"),
    ranges: [{ extent: 4, start: 28, end: 60 }],
  },
];

/** As they are made: they know of each other. */
function begun(keys: readonly Use[]): Use[] {
  const known = togetherOf(keys);
  return keys.map((key) => ({ ...key, together: known }));
}

test("keys that were asked for together are a short row, and come back as they were", (t) => {
  t.true(areRun(begun(run)));
  t.deepEqual(decodeUses(encodeUses(begun(run))), run);
  const free = run.map((one) => ({ ...one, request: undefined }));
  t.deepEqual(decodeUses(encodeUses(begun(free))), free);
  const many = Array.from({ length: 1_024 }, (_, i): Use => {
    const id = together.id.slice(0, 28) + i.toString(16).padStart(4, "0");
    return { ...together, id, ranges: [{ extent: 2 ** 40, start: 32 * i, end: 32 * i + 32 }] };
  });
  t.true(encodeUses(begun(many)).length < 128);
  t.deepEqual(decodeUses(encodeUses(begun(many))), many);
});

test("keys that have parted, or never were alike, are each told for itself", (t) => {
  const changes: Partial<Use>[] = [
    { state: "T", number: 1 },
    { fate: "X" },
    { had: 1 },
    { request: undefined },
    { assigned: true },
    { pickUp: 61 },
    { number: 7 },
    { together: { keys: 3 } },
  ];
  const [first, second, third] = begun(run) as [Use, Use, Use];
  for (const change of changes) t.false(areRun([first, { ...second, ...change }, third]));
  t.false(areRun([first, third]));
  const [one, two, three] = run as [Use, Use, Use];
  const parted: Use = { ...two, state: "T", number: 1 };
  t.deepEqual(decodeUses(encodeUses([one, parted, three])), [one, parted, three]);
  for (const other of [
    { ...two, ranges: [{ extent: 4, start: 0, end: 33 }] },
    { ...two, id: together.id.replace(/ffff$/, "0002") },
    { ...two, id: together.id.replace(/^1d/, "2d") },
  ]) {
    t.is(togetherOf([one, other, three]), undefined);
  }
  t.is(togetherOf([one]), undefined);
  t.is(togetherOf(run.map((key) => ({ ...key, ranges: [] }))), undefined);
});

test("a row as the version before wrote it is read", (t) => {
  const before = [
    "010f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f000001000200115b226170702d61222c226170702d6222",
    "5d1d1d1d1d1d1d4d1d9d1d1d1d1d1dffff03000000010000000000000000003c00000001000000000003000000400000",
    "00601d1d1d1d1d1d4d1d9d1d1d1d1d1d000003000000010000000000000000003c000000020000000000030000006000",
    "000064000000000004000000000000001c",
  ];
  t.deepEqual(decodeUses(Buffer.from(before.join(""), "hex")), run.slice(0, 2));
});

test("a row of keys together that is damaged is found to be", (t) => {
  const row = encodeUses(begun(run));
  const isCorrupt = (wrong: Buffer) =>
    faultOf(() => decodeUses(wrong))?.code === "km_store.corrupt";
  for (let length = 0; length < row.length; length++) t.true(isCorrupt(row.subarray(0, length)));
  t.true(isCorrupt(Buffer.concat([row, row])));
  // State and fate behind form, offer and owner; the number of keys and their length behind the first ID.
  const keys = row.indexOf(Buffer.from(together.id, "hex")) + 16;
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
