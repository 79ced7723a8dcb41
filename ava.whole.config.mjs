/** The whole run: as in package.json, but most of the unit tests share a few processes. */
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { groups, root, testsOf } from "./test/together/groups.ts";

const { ava } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

/** What takes longest begins first: those that mostly wait beside those that mostly compute. */
const waiting = ["canary", "km-rekey", "panel", "page", "km-restore", "fault-table", "faults"];
const first = waiting.flatMap((name, index) => [
  `test/e2e/${name}.test.ts`,
  ...groups.slice(index, index + 1).map((group) => `test/together/${group}.test.ts`),
]);
/** @param {string} file its path */
function place(file) {
  const at = first.indexOf(relative(root, file));
  return at < 0 ? first.length : at;
}

export default {
  ...ava,
  files: [
    "test/together/*.test.ts",
    ...testsOf(undefined).map((file) => relative(root, file)),
    "test/conformance/**/*.test.ts",
    "test/e2e/**/*.test.ts",
  ],
  sortTestFiles: (a, b) => place(a) - place(b) || a.localeCompare(b),
  // Two processors: some wait while others compute.
  concurrency: 4,
};
