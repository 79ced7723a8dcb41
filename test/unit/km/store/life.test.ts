/** The life of a key, and what its documentation says of it. */
import { readFileSync } from "node:fs";
import test from "ava";
import { isFinal, next, steps } from "../../../../src/km/store/life.ts";

const readme = readFileSync(new URL("../../../../src/km/README.md", import.meta.url), "utf8");

test("the README's table has every step of a key's life, and no other", (t) => {
  const rows = readme.matchAll(
    /^\| (?:owner|peer) \| (\w) [\w-]+ \| `(\w+)`: .* \| (\w) [\w-]+ \|$/gm,
  );
  const told = [...rows].map(([, from, entry, to]) => `${from} ${entry} ${to}`);
  t.deepEqual(
    told.sort(),
    steps()
      .map((step) => step.join(" "))
      .sort(),
  );
});

test("the states that the README calls final are, and no step leads back", (t) => {
  const final = /^((?:\w, )+\w) and (\w) are final/m.exec(readme);
  t.deepEqual([...`${final?.[1]}, ${final?.[2]}`.split(", ")], ["S", "T", "X", "V"]);
  for (const state of ["S", "T", "X", "V"] as const) t.true(isFinal(state), state);
  t.throws(() => next("V", "supply"), { message: /that is V has the step supply/ });
});

test("the README has each rule and chapter that the code refers to", (t) => {
  for (const words of ["**S1**", "\n## Books are compared\n", "\n### The witness\n"]) {
    t.true(readme.includes(words), words);
  }
});
