/**
 * A run of all, whole or short: as in package.json, but most of the tests share a few processes, and a
 * short one leaves out what `test/whole-run.ts` lists.
 */
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { groups, root, testsOf } from "./test/together/groups.ts";

const { ava } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

/** What takes longest begins first: those that mostly wait beside those that mostly compute. */
const alone = ["km-rekey", "km-restore", "fault-table", "canary", "demo", "link"];
const shared = ["links", "key-managers", "pages", "commands", "controllers", "modules"];
const first = [
  ...shared.map((group) => `test/together/${group}.test.ts`),
  ...alone.map((name) => `test/e2e/${name}.test.ts`),
  ...groups
    .filter((group) => !shared.includes(group))
    .map((group) => `test/together/${group}.test.ts`),
];
/** @param {string} file its path */
function place(file) {
  const at = first.indexOf(relative(root, file));
  return at < 0 ? first.length : at;
}

export default {
  ...ava,
  files: ["test/together/*.test.ts", ...testsOf(undefined).map((file) => relative(root, file))],
  sortTestFiles: (a, b) => place(a) - place(b) || a.localeCompare(b),
  // Two processors: some wait while others compute.
  concurrency: 4,
};
