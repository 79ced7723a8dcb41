import test from "ava";
import { level } from "../../../../src/ops/manager/topics.ts";

test("a name of any characters is one level of a topic that a broker takes, and another for each name", (t) => {
  const names = ["a.b", "a:b", "a/b", "a+b", "a#b", "a%3Ab", "a%b", "\u0007", "a\ufdd0", "a\ud800"];
  const levels = names.map(level);
  t.is(new Set(levels).size, names.length);
  for (const one of levels) t.notRegex(one, /[/+#.\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u);
});

test("what was a level before is the same one", (t) => {
  t.is(level("qber_high.alice-1"), "qber_high:alice-1");
  t.is(level("km-zürich ☃--km_b"), "km-zürich ☃--km_b");
  t.is(level("km#1"), "km%231");
});
