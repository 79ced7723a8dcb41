/** Accounts on their way to people and programs: page after page. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import type { Account } from "../../../src/controller/accounting/accounts.ts";
import { showAccounts } from "../../../src/controller/cli/accounts.ts";
import type { Controller } from "../../../src/controller/core/controller.ts";
import type { AccountsPage } from "../../../src/controller/local/local.ts";
import { Orders } from "../../../src/controller/wiring/orders.ts";
import { ask } from "../../../src/ops/cli/client.ts";
import { LocalServer } from "../../../src/ops/local/server.ts";

const hour = 3_600_000;
const noon = Date.UTC(2026, 0, 31, 12);

function record(i: number): Account {
  const used = { keys: 0, bits: 0, refused: 0, made: i, consumed: 0, relays: 0, relayed: 0 };
  const more = { failed: 0, sessions: 0, session_s: 0 };
  const from = noon + Math.floor(i / 1_000) * hour;
  return { from, length: hour, kind: "link", object: `l${i}`, ...used, ...more };
}

/** Orders of a controller with so many accounts. */
function bench(count: number) {
  let flushed = 0;
  const all = Array.from({ length: count }, (_, i) => ({
    id: `${record(i).from} link ${String(i).padStart(6, "0")}`,
    account: record(i),
  }));
  const orders = new Orders({
    core: () => ({ role: "active", flush: () => flushed++ }) as unknown as Controller,
    store: { settled: async () => true },
    accounts: async (after, most) => all.filter(({ id }) => id > after).slice(0, most),
    recheck: () => {},
  });
  const lines: string[] = [];
  const terminal = {
    say: (text: string) => void lines.push(`${text}\n`),
    pass: (text: string) => void lines.push(`${text}\n`),
    written: async () => {},
  };
  type Asked = { readonly since: number; readonly after: string };
  const ask = (args: object) => orders.accounts((args as Asked).since, (args as Asked).after);
  const shown = async (since: number, json: boolean, from: Ask = ask) => {
    lines.length = 0;
    await showAccounts(since, json, from, terminal);
    return lines.join("");
  };
  return { shown, orders, flushed: () => flushed };
}
type Ask = (args: object) => Promise<AccountsPage | readonly Account[]>;

test("all accounts are shown, however many there are, with one header", async (t) => {
  for (const count of [0, 1, 10_000, 25_000]) {
    const { shown, flushed } = bench(count);
    const json = JSON.parse(await shown(0, true)) as Account[];
    t.deepEqual([json.length, json.at(-1)?.made], [count, count === 0 ? undefined : count - 1]);
    t.is(flushed(), 1, "what was counted up to now is there");
    const rows = (await shown(0, false)).trimEnd().split("\r\n");
    t.is(rows.length, count + 1);
    t.is(rows.filter((row) => row.startsWith("from,")).length, 1);
  }
});

test("of a time span the first page begins with it", async (t) => {
  const { shown } = bench(25_000);
  const since = noon + 20 * hour;
  t.is((JSON.parse(await shown(since, true)) as Account[]).length, 5_000);
  t.is((JSON.parse(await shown(noon + 99 * hour, true)) as Account[]).length, 0);
});

test("a controller of before, which knows no pages, is understood", async (t) => {
  const { shown } = bench(0);
  const all = [record(1), record(2)];
  t.deepEqual(JSON.parse(await shown(0, true, async () => all)), all);
});

test("several who read all accounts at once are all told them", async (t) => {
  const { orders } = bench(25_000);
  const folder = mkdtempSync(join(tmpdir(), "qkd-accounts-"));
  const path = join(folder, "control");
  const server = new LocalServer({
    path,
    act: "owner",
    read: "owner",
    answer: async ({ args: { since, after } }) => ({
      data: await orders.accounts(Number(since), `${after}`),
    }),
    clock: systemClock,
    log: silentLog,
  });
  await server.listen();
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const read = async () => {
    const parts: string[] = [];
    const terminal = {
      say: () => {},
      pass: (text: string) => void parts.push(text),
      written: async () => {},
    };
    const from: Ask = (args) => ask([path], "accounting", args as Record<string, string>);
    await showAccounts(0, true, from, terminal);
    return (JSON.parse(parts.join("")) as Account[]).length;
  };
  const all = await Promise.all(Array.from({ length: 6 }, read));
  t.deepEqual(
    all,
    Array.from({ length: 6 }, () => 25_000),
  );
});
