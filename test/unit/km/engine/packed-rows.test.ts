/** Rows of the books on their way to the thread that writes them. */
import test from "ava";
import { packRows, unpackRows } from "../../../../src/km/io/engine/packed-rows.ts";

test("rows come out as they went in: with a value, with an empty one, and without one", (t) => {
  const rows = [
    { kind: 4, link: "fibre", key: "00".repeat(24), value: Buffer.from([1, 2, 3]) },
    { kind: 1, link: "Žižkov ↔ Brno", key: "books", value: Buffer.alloc(0) },
    { kind: 0, link: "", key: "", value: undefined },
    { kind: 3, link: "fibre", key: "17", value: Buffer.alloc(262_144, 7) },
  ];
  const packed = packRows(rows);
  t.is(packed.byteLength, packed.buffer.byteLength);
  t.deepEqual([...unpackRows(packed)], rows);
  // As it arrives in the other thread.
  t.deepEqual([...unpackRows(structuredClone(packed))], rows);
  t.deepEqual([...unpackRows(packRows([]))], []);
});
