/** Free bytes on their way to the other owner. */
import test from "ava";
import { split } from "../../../../src/km/store/regions.ts";
import { Stock } from "../../../../src/km/store/stock.ts";

test("gifts that lie beside each other arrive one by one, in any order", (t) => {
  for (const order of [
    [0, 1, 2],
    [2, 0, 1],
  ]) {
    const facts = { modules: ["A", "B"], keys: 1, unit: 32, at: 0 } as const;
    const extent = { number: 1, length: 1_000, digest: Buffer.alloc(32), facts, used: 0, uses: 0 };
    const stock = new Stock(0, [{ ...extent, regions: split(1_000, 1_000), open: true }]);
    const gifts = [192, 32, 64].flatMap((length) => stock.give(length));
    t.is(stock.free(0), 1_000 - 288);
    t.is(stock.free(1), 0);
    let given = 0;
    for (const i of order) {
      const gift = gifts[i] as (typeof gifts)[number];
      stock.given(gift);
      stock.given(gift);
      given += gift.end - gift.start;
      t.is(stock.free(1), given);
    }
    t.deepEqual(stock.gifts(), []);
    t.is(stock.free(0) + stock.free(1), 1_000);
  }
});
