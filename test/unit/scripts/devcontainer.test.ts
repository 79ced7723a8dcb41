import { readFileSync } from "node:fs";
import test from "ava";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

test("the development container has the packages that the tests of CI have", (t) => {
  const [, list = ""] = /^packages=\(([^)]*)\)/m.exec(read(".ci/run")) ?? [];
  const packages = list.split(/\s+/).filter((name) => name !== "");
  const container = read(".devcontainer/devcontainer.json");
  t.true(packages.length > 10);
  for (const name of packages)
    t.regex(container, new RegExp(`[ "]${name.replaceAll(".", "\\.")}[ "]`));
});
