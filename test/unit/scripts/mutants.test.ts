import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { equivalent } from "../../../scripts/mutants.d/equivalent.ts";
import { draw, mutantsOf } from "../../../scripts/mutants.d/mutate.ts";
import { rooms } from "../../../scripts/mutants.d/rooms.ts";
import { random } from "../../random.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("a mutant differs from its source in one line, which is code", (t) => {
  for (const room of rooms) {
    const drawn = draw(root, room, 30, random(1));
    t.true(drawn.length >= room.count, room.name);
    for (const { file, line, what, text } of drawn) {
      const source = readFileSync(join(root, file), "utf8").split("\n");
      const planted = text.split("\n");
      const other = source.flatMap((one, at) => (one === planted[at] ? [] : [at + 1]));
      t.deepEqual(other, [line], what);
      t.notRegex(source[line - 1] as string, /^\s*(\*|\/\/|import)/);
    }
  }
});

test("a seed draws the same mutants, and another seed others", (t) => {
  const [room] = rooms;
  if (room === undefined) return t.fail();
  const named = (seed: number) => draw(root, room, 24, random(seed)).map(({ what }) => what);
  t.deepEqual(named(1), named(1));
  t.notDeepEqual(named(1), named(2));
  t.true(rooms.reduce((sum, { count }) => sum + count, 0) >= 60);
});

test("each mutant that is said to change nothing could be planted still", (t) => {
  const all = rooms.flatMap((room) => mutantsOf(root, room));
  for (const { file, what } of equivalent) {
    t.true(
      all.some((one) => one.file.endsWith(file) && one.what === what),
      what,
    );
  }
});
