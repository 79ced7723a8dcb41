/** The help of programs that ask a daemon names each exit code that they can end with. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import test from "ava";
import { exit } from "../../../src/base/exit-codes.ts";

const root = join(import.meta.dirname, "../../..");

for (const name of ["qkd-node", "qkd-km", "qkd-controller"]) {
  test(`${name} names its exit codes`, (t) => {
    const file = join(root, "src/bin", `${name}.ts`);
    const { stdout } = spawnSync(process.execPath, [file, "--help"], { encoding: "utf8" });
    const told = /^Exit codes: [^.]*\./m.exec(stdout)?.[0] ?? "";
    const codes = new Set(told.match(/\b\d+\b/g)?.map(Number));
    t.deepEqual([...codes].sort(), [...new Set<number>(Object.values(exit))].sort());
  });
}
