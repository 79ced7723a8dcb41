/** What the controller tells, and its tables for people: each has what the other has. */
import { readFileSync } from "node:fs";
import test from "ava";
import { catalogue, kindOf } from "../../../../src/controller/alarms/catalogue.ts";
import { commands } from "../../../../src/controller/commands/table.ts";
import { families } from "../../../../src/controller/metrics/families.ts";
import { threeNodes } from "../../../rig/controller-network.ts";

const readme = (room: string) =>
  readFileSync(new URL(`../../../../src/controller/${room}/README.md`, import.meta.url), "utf8");

test("the README of alarms is the catalogue", (t) => {
  const rows = readme("alarms")
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  const expected = Object.keys(catalogue).map((name) => {
    const { type, cause, severities, latched, text, action } = kindOf(name);
    const is = latched === true ? "yes" : "";
    return `| \`${name}\` | ${type} | ${cause} | ${severities.join(", ")} | ${is} | ${text} | ${action} |`;
  });
  t.deepEqual(rows.sort(), expected.sort());
});

test("the README of metrics has every family under the name of its samples, and no other", (t) => {
  const documented = [...readme("metrics").matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  const process = { cpuSeconds: 1, residentBytes: 1, heapBytes: 1, viewers: 0 };
  const told = families(threeNodes(), { refused: 0, leftOut: 0, waiting: 0, dropped: 0 }, process);
  const ending = { info: "_info", counter: "_total", gauge: "" } as const;
  const names = told.map(({ name, type }) => `${name}${ending[type]}`);
  t.deepEqual(documented.sort(), names.sort());
});

test("the README of the manager has every command, and no other", (t) => {
  const [, part = ""] = readme("manager").split("## Commands");
  const documented = [...part.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  t.deepEqual(documented.sort(), Object.keys(commands).sort());
});
