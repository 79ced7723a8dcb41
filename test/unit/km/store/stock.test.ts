import test from "ava";
import { split } from "../../../../src/km/store/regions.ts";
import { Stock } from "../../../../src/km/store/stock.ts";

test("a gift beside bytes whose use this end has not heard of stays free when it hears", (t) => {
  const stock = new Stock(0, []);
  const facts = { modules: ["a", "b"] as const, keys: 1, unit: 32, at: 0 };
  const digest = Buffer.alloc(32);
  stock.add({
    number: 1,
    length: 256,
    digest,
    facts,
    regions: split(256, 128),
    open: false,
    used: 0,
    uses: 0,
  });
  stock.openExtent(1);
  const [gift] = stock.give(128);
  t.deepEqual(gift, { extent: 1, start: 0, end: 128, version: 1 });
  if (gift !== undefined) stock.given(gift);
  t.is(stock.free(1), 256);
  // The other KM had used its own half before the gift came, and only now says so.
  stock.markUsed([{ extent: 1, start: 128, end: 256 }]);
  t.is(stock.free(1), 128);
});

test("bytes that wait are somewhere until they are free: what opens is counted, whatever becomes of it", (t) => {
  const stock = new Stock(0, []);
  const modules = ["relay aes", "relay aes"] as const;
  const one = { length: 256, digest: Buffer.alloc(32), open: false, used: 0, uses: 0 };
  const facts = { modules, keys: 1, unit: 32, at: 0 };
  for (const number of [1, 2]) {
    stock.add({ number, facts, regions: split(256, 128), ...one });
  }
  t.deepEqual([stock.opening, stock.free(0) + stock.free(1), stock.isAllOtp], [512, 0, false]);
  stock.openExtent(1);
  stock.openExtent(1);
  t.deepEqual([stock.opening, stock.free(0) + stock.free(1)], [256, 256]);
  // The other KM does not have it: it is gone before it is durable.
  stock.voidExtent(2);
  stock.changes();
  t.deepEqual([stock.opening, stock.isAllOtp], [0, false]);
  stock.voidExtent(1);
  stock.changes();
  t.deepEqual([stock.opening, stock.isAllOtp], [0, true]);
});
