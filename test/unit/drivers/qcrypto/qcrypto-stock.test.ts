/** Which blocks of a folder are looked at, while many of them stay. */
import test from "ava";
import { Stock, Told } from "../../../../drivers/qcrypto/stock.ts";
import { eventually } from "../../../eventually.ts";
import { block, withStack } from "../../../rig/qcrypto-bench.ts";

/** So many blocks may wait to be offered. */
const waiting = 4_096;

function epochs(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

test("blocks that were offered and stay take no place of those that are to come", (t) => {
  const stock = new Stock({ notificationWait: 0, incompleteWait: 0 }, new Told());
  for (let many = waiting; many <= 4 * waiting; many += waiting) {
    stock.scanned(epochs(many + 1), 0);
    t.is(stock.size, many, "the rest waits in the folder");
    for (let next = stock.next(0); next !== undefined; next = stock.next(0)) next.state = "offered";
  }
  stock.scanned(epochs(4 * waiting + 1), 0);
  t.is(stock.next(0)?.epoch, 4 * waiting);
});

test("so many blocks are known at the most", (t) => {
  const stock = new Stock({ notificationWait: 0, incompleteWait: 0 }, new Told());
  const all = epochs(70_000);
  for (let round = 0; round < 20; round++) {
    stock.scanned(all, 0);
    for (const epoch of all) {
      const known = stock.get(epoch);
      if (known !== undefined) known.state = "bad";
    }
  }
  t.is(stock.size, 65_536);
  stock.scanned(all.slice(1), 0);
  t.is(stock.next(0)?.epoch, 65_536, "one is gone, the next is looked at");
});

test("a link that was listened to for hours supplies again when it is quiet", async (t) => {
  await withStack(
    async (bench) => {
      for (let i = 0; i < waiting; i++) bench.stack.distil(block(i, 64, { qber: 0.3 }));
      const quiet = block(waiting, 64);
      bench.stack.distil(quiet);
      await bench.connect(bench.driver, 2 * waiting);
      const isThere = () => bench.blocks.some(({ ref }) => ref.number === quiet.epoch);
      await eventually("the block behind those that stay", isThere);
      t.is(bench.blocks.length, waiting + 1);
    },
    1,
    "file",
  );
});
