/** What other hands put into the controller's database. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { parsed, summed } from "../../../../src/controller/io/store/saved.ts";
import { changeOf } from "../../../../src/controller/io/store/shapes.ts";
import { openLeading } from "../../../../src/controller/wiring/leading.ts";
import { ManualClock } from "../../../clock.ts";
import { accountRows } from "../../../rig/account-rows.ts";

const day = 86_400_000;
const issued = { kind: "km", id: "km-a", names: [], from: 0, to: day, by: "op" };
const ends = { source: "a", destination: "b", sourceKm: "km-a", destinationKm: "km-b" };
const good = [
  ["session", { ...ends, since: 0, until: day }],
  ["session", { ...ends, since: 0, until: day, number: 3, began: 1, later: true }],
  // By the clock of a key manager, whatever that says.
  ["session", { ...ends, since: 0, until: day, began: Date.parse("1969-07-20T20:17:40Z") }],
  ["service", { service: "reserved", by: "op", at: 1 }],
  ["access", { state: "revoked", by: "op", at: 1 }],
  ["access", { state: "registered", by: "op", at: 1, km: "km-a", class: "gold" }],
  ["certificate", issued],
  ["certificate", { ...issued, revoked: { at: 1, by: "op", reason: "key_compromise" } }],
  ["list", { number: 7 }],
  [
    "routes",
    {
      routes: [
        ["a", "b"],
        ["a", "c", "b"],
      ],
      by: "op",
      at: 1,
    },
  ],
  ["routes", { routes: [], by: "op", at: 1 }],
] as const;

test("a record of its table's shape is taken, with members of later versions", (t) => {
  for (const [table, record] of good) {
    const bare = { table, id: "x", value: JSON.stringify(record) };
    t.deepEqual(parsed(bare), record as never, table);
    t.notThrows(() => parsed({ table, id: "x", value: summed(table, "x", record) }));
  }
  for (const { table, id, value = "" } of accountRows(2, 1, 0)) {
    t.notThrows(() => parsed({ table, id, value }));
  }
});

test("one of any other shape is named, with a checksum or without", (t) => {
  const odd = [null, 7, "x", [], {}, { routes: 7 }, { until: "x" }, { number: -1 }, { at: 9e99 }];
  const bad = good.flatMap(([table, record]) => [
    ...odd.map((one) => [table, one] as const),
    ...Object.keys(record)
      .filter((name) => !["number", "began", "later", "km", "class"].includes(name))
      .flatMap((name) => [null, { a: 1 }, 9e99].map((one) => [table, { ...record, [name]: one }])),
  ]) as readonly (readonly [(typeof good)[number][0], unknown])[];
  for (const [table, record] of bad) {
    for (const value of [JSON.stringify(record), summed(table, "x", record)]) {
      const fault = t.throws(() => parsed({ table, id: "x", value }), { code: "db.corrupt" });
      t.deepEqual((fault as unknown as { facts: object }).facts, { table, id: "x" }, value);
    }
  }
});

test("what is no change is left out, and it is told how many", async (t) => {
  const change = { time: "2026-01-31T12:00:00.000Z", kind: "node", object: "km-a", text: "gone" };
  t.deepEqual(changeOf(JSON.stringify(change)), change as never);
  const odd = ["null", "{}", "{", JSON.stringify({ ...change, time: 7 }), '"x"'];
  t.deepEqual(
    odd.map(changeOf),
    odd.map(() => undefined),
  );

  const folder = mkdtempSync(join(tmpdir(), "qkd-controller-shapes-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const told: unknown[] = [];
  const log = { ...silentLog, warn: (text: string, facts?: object) => told.push([text, facts]) };
  const parts = { clock: new ManualClock(), log, onTrouble: () => {}, period: () => 0 };
  const controller = { state_dir: folder } as never;
  await (await openLeading({ controller }, parts)).close();
  const db = new DatabaseSync(join(folder, "controller.db"));
  const put = db.prepare("INSERT INTO change (value) VALUES (?)");
  for (const value of [JSON.stringify(change), ...odd]) put.run(value);
  db.close();
  const leading = await openLeading({ controller }, parts);
  t.deepEqual(leading.past, [change as never]);
  t.deepEqual(await leading.changes(200), [change as never]);
  t.regex(JSON.stringify(told), /left out of the changes.*"count":5/);
  await leading.close();
});
