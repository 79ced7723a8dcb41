import test from "ava";
import { fuzzEtsi014 } from "../../../campaign/etsi014-fuzz.ts";
import { rounds } from "../../../campaign-scale.ts";

test("whatever an application sends, it is refused in words or within all limits", (t) => {
  const inputs = rounds(200_000);
  const result = fuzzEtsi014(inputs, 14);
  t.deepEqual([...result.wrong], []);
  // It is no fuzz if nothing is right, or nothing is wrong.
  t.true(result.refused > inputs / 4);
  t.true(result.refused < inputs * 1.2);
  t.true(result.growth < 20_000_000, `${result.growth} bytes`);
});
