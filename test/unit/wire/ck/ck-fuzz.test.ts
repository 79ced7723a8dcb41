import test from "ava";
import { fuzzCk } from "../../../campaign/ck-fuzz.ts";
import { rounds } from "../../../campaign-scale.ts";

test("whatever comes over Ck, it is a message or a typed error, over both bindings", async (t) => {
  const inputs = rounds(30_000);
  const result = await fuzzCk(inputs, 41);
  t.deepEqual([...result.wrong], []);
  // It is no fuzz if nothing is right, or nothing is wrong.
  t.true(result.read > inputs / 10, `${result.read}`);
  t.true(result.read < inputs * 0.9, `${result.read}`);
  // Buffers of some sessions are under way.
  t.true(result.growth < 50_000_000, `${result.growth} bytes`);
});
