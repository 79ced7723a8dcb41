import test from "ava";
import type { Assignment } from "../../../../src/node/keys/ports.ts";
import { placesOf } from "../../../../src/node/on-request/unit-pieces.ts";

const record = (...places: (readonly [offset: number, length: number])[]) => ({
  assigned: new Map(
    places.map(([offset, length], i) => {
      return [`${i}`, { offset, length, claimant: "c" } as Assignment];
    }),
  ),
});
const of = (bits: number, unit: number, ...places: (readonly [number, number])[]) =>
  placesOf(bits, unit, record(...places)).map(({ offset, length, begun }) => {
    return `${offset}+${length}${begun ? " begun" : ""}`;
  });

test("a block is cut into units, and one that was begun into pieces of its size", (t) => {
  t.deepEqual(of(600, 256), ["0+256", "256+256"]);
  t.deepEqual(of(512, 256, [128, 128]), ["0+128 begun", "128+128 begun", "256+256"]);
  t.deepEqual(of(256, 256, [0, 256]), ["0+256 begun"]);
  t.deepEqual(of(100, 256), []);
});

test("a key on record that fits no unit keeps its bounds, and no bit of it is in another", (t) => {
  t.deepEqual(of(1_024, 128, [0, 1_024]), ["0+1024 begun"]);
  t.deepEqual(of(512, 128, [128, 192]), ["0+128", "128+192 begun", "384+128"]);
  t.deepEqual(of(512, 128, [0, 96], [96, 32]), [
    "0+96 begun",
    "96+32 begun",
    "128+128",
    "256+128",
    "384+128",
  ]);
  // Longer than all whole units.
  t.deepEqual(of(1_000, 128, [0, 1_000]), ["0+1000 begun"]);
});
