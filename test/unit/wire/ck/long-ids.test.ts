/** IDs are of 128 characters wherever they come from, and a character that is two units of UTF-16 is one. */
import test from "ava";
import * as v from "valibot";
import { commands } from "../../../../src/controller/commands/table.ts";
import { id } from "../../../../src/host/config/values.ts";
import { markExtensions, marksIn } from "../../../../src/wire/ck/marks.ts";
import { linkExtension, linksIn } from "../../../../src/wire/ck/report.ts";

const longest = "𝄞".repeat(128);

function isTaken(take: (one: string) => unknown, one: string): boolean {
  try {
    take(one);
    return true;
  } catch {
    return false;
  }
}

const report = (peer: string) => {
  const object = linkExtension({ peer, up: true, stock: 0, alarms: [] });
  const [read] = linksIn({ type: "report", sourceKm: "a", at: 0, extension: [object] });
  if (read?.peer !== peer) throw new Error("another");
};
const mark = (failedAt: string) => {
  const extension = markExtensions({ failedAt });
  const read = marksIn({ type: "relayResponse", response: "relay_failed", extension });
  if (read.failedAt !== failedAt) throw new Error("another");
};
const order = (km: string) => v.parse(commands.register.args, { kind: "km", id: km });

for (const [where, take] of [
  ["a configuration", (one: string) => v.parse(id, one)],
  ["a report", report],
  ["a mark of an answer", mark],
  ["a manager's command", order],
] as const) {
  test(`an ID of 128 characters beyond the BMP is one, and of 129 none: in ${where}`, (t) => {
    t.true(isTaken(take, longest));
    t.false(isTaken(take, `${longest}x`));
    t.false(isTaken(take, "x".repeat(129)));
  });
}
