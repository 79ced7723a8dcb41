/** Tests that need a program which is not part of the project, or more time than `npm test` has. */
import test, { type ExecutionContext } from "ava";
import { find } from "./find.ts";
import { isShort, wholeRun } from "./whole-run.ts";

export { find };

type Body = (t: ExecutionContext, path: string) => Promise<void> | void;

/**
 * Registers a test that runs a program. Without it the test fails in CI, which installs it, and is
 * skipped, visibly and counted, elsewhere.
 */
export function testWith(program: string, title: string, body: Body): void {
  const path = find(program);
  if (path !== undefined) {
    test.serial(title, (t) => body(t, path));
  } else if (process.env.CI === "true") {
    test.serial(title, (t) => t.fail(`${program} is not installed; .ci/run should have done that`));
  } else {
    test.skip(`${title} (skipped, because ${program} is not installed)`, () => {});
  }
}

type Declare = (title: string, body: (t: ExecutionContext) => Promise<void> | void) => void;

const leftOut: Declare = (title) =>
  test.skip(`${title} (skipped, because it is of the whole run: ${wholeRun})`, () => {});

/** Registers a test of the whole run, which is skipped, visibly and counted, by `npm test`. */
export const testWhole: Declare & { readonly serial: Declare } = isShort
  ? Object.assign(leftOut, { serial: leftOut })
  : test;

/** {@link testWith}, of the whole run. */
export const testWholeWith: typeof testWith = isShort
  ? (_, title) => leftOut(title, () => {})
  : testWith;
