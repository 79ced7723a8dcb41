import test from "ava";
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
