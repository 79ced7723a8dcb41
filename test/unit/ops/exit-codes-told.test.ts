/** The help of programs names the exit codes that they can end with. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import test from "ava";
import { exit } from "../../../src/base/exit-codes.ts";

const root = join(import.meta.dirname, "../../..");

function codesOf(name: string): number[] {
  const file = join(root, "src/bin", `${name}.ts`);
  const { stdout } = spawnSync(process.execPath, [file, "--help"], { encoding: "utf8" });
  const told = /^Exit codes: [^.]*\./m.exec(stdout)?.[0] ?? "";
  return [...new Set(told.match(/\b\d+\b/g)?.map(Number))].sort();
}

for (const name of ["qkd-node", "qkd-km", "qkd-controller"]) {
  test(`${name} names its exit codes`, (t) => {
    t.deepEqual(codesOf(name), [...new Set<number>(Object.values(exit))].sort());
  });
}

for (const name of ["qkd-psk", "qkd-panel", "qkd-image"]) {
  test(`${name} names the exit code of an output that cannot be written`, (t) => {
    t.true(codesOf(name).includes(exit.io));
  });
}
