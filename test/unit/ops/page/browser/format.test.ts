/** Figures as the pages write them. */
import test from "ava";
import { scaled } from "../../../../../src/ops/page/browser/format.js";

test("what a link makes in years is of three places, with its prefix", (t) => {
  t.deepEqual(scaled(0, "bit"), ["0", "bit"]);
  t.deepEqual(scaled(999, "bit"), ["999", "bit"]);
  t.deepEqual(scaled(1_234, "bit/s"), ["1.23", "kbit/s"]);
  // The best link ever built, ten years long.
  const years = 10 * 365.25 * 86_400;
  t.deepEqual(scaled(115.8e6 * years, "bit"), ["36.5", "Pbit"]);
});
