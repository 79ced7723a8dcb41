/** What the page can search and take away: events, log, and figures as a table. */
import test from "ava";
import { commandsFor } from "../../../../../src/node/page/browser-node/type.js";
import { ask, serving } from "../../../../rig/web-bench.ts";

const second = 1_000;
const json = (body: Buffer) => JSON.parse(body.toString());

test("every event that is known is told, not the last hundred alone", async (t) => {
  await serving(async ({ url, node, clock }) => {
    for (let i = 0; i < 400; i++) {
      node.history.add({ type: "km_up", module: "alice", at: clock.wall(), facts: { n: i } });
    }
    const { events } = json((await ask(url, "/api/events")).body);
    t.is(events.length, 400);
    t.is(events[0].facts.n, 0);
    t.is(json((await ask(url, "/api/state")).body).events.length, 100);
  });
});

test("the log is searched whatever the case, the last lines of it", async (t) => {
  await serving(async ({ url, node }) => {
    const search = async (text: string) => {
      const { status, body } = await ask(url, `/api/log?search=${encodeURIComponent(text)}`);
      return { status, ...json(body) };
    };
    for (let i = 0; i < 1_000; i++) node.logs.add(`level=info msg="line ${i}" km=KM-${i % 10}`);
    const all = await search("");
    t.is(all.found, 1_000);
    t.is(all.lines.length, 300);
    t.is(all.lines.at(-1).line, 'level=info msg="line 999" km=KM-9');
    const some = await search("km-7");
    t.is(some.found, 100);
    t.true(some.lines.every(({ line }: { line: string }) => line.includes("KM-7")));
    t.is((await search(".*")).found, 0, "no pattern");
    t.is((await search("x".repeat(201))).status, 400);
  });
});

test("figures of a window are a table for a spreadsheet, with a name of its own", async (t) => {
  await serving(async ({ url, node, clock }) => {
    for (let i = 0; i < 60; i++) {
      node.report({ values: { qber: 0.03, secret_key_rate: 1_000 + i } });
      await clock.advance(second);
    }
    const path = "/api/history.csv?module=alice&window=15m";
    const { status, headers, body } = await ask(url, path);
    t.is(status, 200);
    t.regex(headers["content-type"] ?? "", /^text\/csv/);
    t.regex(
      headers["content-disposition"] ?? "",
      /^attachment; filename="node-a-alice-15m-2026\d{4}T\d{6}Z\.csv"$/,
    );
    const [head = "", ...rows] = body.toString().trimEnd().split("\n");
    t.regex(head, /^time,qber_mean,qber_min,qber_max,secret_key_rate_mean,/);
    t.true(rows.length >= 60 && rows.length <= 62, `${rows.length} rows`);
    for (const row of rows) t.regex(row, /^2026-01-31T12:0[01]:\d\d\.\d{3}Z,/);
    t.true(rows.some((row) => row.includes(",0.03,0.03,0.03,1005,1005,1005")));
    for (const query of ["", "?module=bob&window=1h", "?module=alice&window=1y"]) {
      t.is((await ask(url, `/api/history.csv${query}`)).status, 404);
    }
  });
});

test("where something waits for a person, the page says what to type", (t) => {
  const alarm = (name: string, object: string, more = {}) =>
    ({ name, object, alarm: `${name}.${object}`, active: true, latched: false, ...more }) as never;
  const commands = (name: string, object: string, more = {}) =>
    commandsFor(alarm(name, object, more), { id: "node-a" } as never);
  t.deepEqual(commands("key_quarantined", "alice"), ["qkd-node kept alice"]);
  t.deepEqual(commands("qber_high", "alice"), []);
  t.deepEqual(commands("tamper", "alice"), []);
  t.deepEqual(commands("tamper", "chassis"), ["qkd-node clear-tamper --yes node-a"]);
  const latched = { active: false, latched: true };
  t.deepEqual(commands("crash_loop", "node", latched), ["qkd-node alarms --ack crash_loop.node"]);
  t.deepEqual(commands("crash_loop", "node", { ...latched, acknowledged: true }), []);
  t.deepEqual(commands("block_replayed", "it's", latched), [
    "qkd-node kept 'it'\\''s'",
    "qkd-node alarms --ack 'block_replayed.it'\\''s'",
  ]);
});
