/** Tests that need a program which is not part of the project. */
import test, { type ExecutionContext } from "ava";
import { find } from "./find.ts";

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
