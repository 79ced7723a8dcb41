/** What `npm test` leaves out is there, and so is what it has in place of it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { filesOfWholeRun } from "../../whole-run.ts";

const tests = join(import.meta.dirname, "../..");
const isFile = (name: string) => existsSync(join(tests, `${name}.test.ts`));

test("each file that only the whole run has is there, and names what the short one has", (t) => {
  for (const [name, instead] of Object.entries(filesOfWholeRun)) {
    t.true(isFile(name), name);
    const named = instead.match(/\b(?:unit|e2e|conformance)\/[\w/-]+/g) ?? [];
    t.true(named.length > 0, `${name} names none`);
    for (const one of named) {
      t.true(isFile(one) || existsSync(join(tests, one)), `${name}: ${one}`);
      t.false(Object.hasOwn(filesOfWholeRun, one), `${name}: ${one} is left out too`);
    }
  }
});
