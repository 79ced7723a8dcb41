import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { eventually } from "../../eventually.ts";
import { Patience, patience } from "../../patience.ts";

test("time that is counted is no more than what has gone by, and no less than a quarter", async (t) => {
  const begun = performance.now();
  const counted = new Patience();
  await eventually("a while", () => counted.gone(), { atLeast: 50 });
  const gone = counted.gone();
  const real = performance.now() - begun;
  t.true(gone <= real && gone >= real / 4 - 1, `${gone} of ${real} ms`);
});

test("a deadline ends what waits, with its reason", async (t) => {
  await t.throwsAsync(sleep(60_000, undefined, { signal: patience(0) }), { name: "AbortError" });
  const signal = patience(0);
  await eventually("its end", () => signal.aborted);
  t.is((signal.reason as DOMException).name, "TimeoutError");
});
