import test from "ava";
import { Twins } from "../../../src/controller/core/twins.ts";

test("connections of one identity that take each other's place four times in five minutes are told, once", (t) => {
  const twins = new Twins();
  for (let n = 0; n < 4; n++) twins.attached("km-a", n * 60_000);
  t.deepEqual(twins.take(), []);
  twins.attached("km-a", 240_000);
  twins.attached("km-a", 241_000);
  t.deepEqual(twins.take(), ["km-a"]);
  t.deepEqual(twins.take(), []);
});

test("a key manager that comes and goes, or seldom comes before it was missed, is one", (t) => {
  const twins = new Twins();
  for (let n = 0; n < 20; n++) {
    twins.attached("km-a", n * 1_000);
    twins.detached("km-a");
    twins.attached("km-b", n * 100_000);
  }
  t.deepEqual(twins.take(), []);
});
