/** What `npm start -- --json` tells of the logs of its programs. */
import test from "ava";
import { isError, Warnings } from "../../../scripts/demo/warnings.ts";

const refused = "level=warn msg=refused";

test("warnings of a start and of an end are of every run; those between, and errors, are told at once", (t) => {
  const told: string[] = [];
  const warnings = new Warnings((line) => told.push(line));
  warnings.hear("km-a", refused);
  warnings.hear("km-a", "level=info msg=running");
  t.deepEqual(told, []);
  warnings.hear("km-a", "level=error msg=broken");
  t.deepEqual(told.splice(0), ["km-a: level=error msg=broken"]);
  warnings.up();
  warnings.hear("node-a", "level=warn msg=qber");
  t.deepEqual(told.splice(0), ["node-a: level=warn msg=qber"]);
  warnings.down();
  warnings.hear("km-a", refused);
  t.deepEqual(told, []);
});

test("a start that fails tells its warnings: the last of them, once", (t) => {
  const told: string[] = [];
  const warnings = new Warnings((line) => told.push(line));
  for (let i = 0; i < 600; i++) warnings.hear("km-a", `${refused} attempts=${i}`);
  warnings.tell();
  warnings.tell();
  t.is(told.length, 500);
  t.is(told.at(-1), `km-a: ${refused} attempts=599`);
});

test("an error is one of a program, or of the bootstrap before it", (t) => {
  for (const line of ["km-a: ts=1 level=error msg=x", "bootstrap: x", "km-a: bootstrap: x"]) {
    t.true(isError(line), line);
  }
  t.false(isError("km-a: ts=1 level=warn msg=bootstrap"));
});
