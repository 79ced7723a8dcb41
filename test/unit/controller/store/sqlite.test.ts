import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { parsed, summed } from "../../../../src/controller/io/store/saved.ts";
import { SqliteEngine } from "../../../../src/controller/io/store/sqlite.ts";
import type { ChangeStatus } from "../../../../src/controller/model/status.ts";

const route = { routes: [["km-a", "km-b"]], by: "op", at: 0 };

/** A file with one record in it, of an engine that was closed. */
async function kept(): Promise<{ file: string; [Symbol.dispose](): void }> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-controller-store-"));
  const file = join(folder, "controller.db");
  const engine = new SqliteEngine(file);
  await engine.write([{ table: "routes", id: "one", value: JSON.stringify(route) }], []);
  await engine.close();
  return { file, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

async function refusal(file: string): Promise<Fault | undefined> {
  try {
    const engine = new SqliteEngine(file);
    await engine.load(0).finally(() => engine.close());
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

test("what was written is there at the next start", async (t) => {
  using store = await kept();
  const engine = new SqliteEngine(store.file);
  const saved = await engine.load(0);
  t.deepEqual(saved.routes.get("one"), route);
  await engine.close();
});

test("a file that was emptied or damaged is refused, and left as it is", async (t) => {
  for (const harm of [
    (file: string) => truncateSync(file, 0),
    (file: string) =>
      writeFileSync(file, "no database at all, but something of some length\n".repeat(99)),
    (file: string) => writeFileSync(file, readFileSync(file).fill(0xa5, 100, 4_096)),
  ]) {
    using store = await kept();
    harm(store.file);
    const before = readFileSync(store.file);
    t.is((await refusal(store.file))?.code, "db.corrupt");
    t.true(readFileSync(store.file).equals(before));
  }
});

test("a file that is gone while its last transactions are there is refused", async (t) => {
  using store = await kept();
  rmSync(store.file);
  writeFileSync(`${store.file}-wal`, "");
  t.is((await refusal(store.file))?.code, "db.corrupt");
});

test("a start that was put out before the file was whole begins anew", async (t) => {
  using store = await kept();
  rmSync(store.file);
  writeFileSync(`${store.file}.new`, "half");
  t.is(await refusal(store.file), undefined);
  t.false(existsSync(`${store.file}.new`));
});

test("a record that is no JSON is named", async (t) => {
  using store = await kept();
  const db = new DatabaseSync(store.file);
  db.exec("UPDATE record SET value = '{'");
  db.close();
  const fault = await refusal(store.file);
  t.is(fault?.code, "db.corrupt");
  t.deepEqual(fault?.facts, { table: "routes", id: "one" });
});

test("what happens in the network takes no order of a person out of the log", async (t) => {
  using store = await kept();
  const engine = new SqliteEngine(store.file);
  const change = (kind: ChangeStatus["kind"], i: number) => {
    return { time: "2026-01-31T12:00:00.000Z", kind, object: "km-a", text: `${i}` };
  };
  await engine.write([], [change("policy", 1), change("node", 2)]);
  for (let at = 0; at < 12_000; at += 3_000) {
    await engine.write(
      [],
      Array.from({ length: 3_000 }, (_, i) => change("node", at + i)),
    );
  }
  const all = await engine.changes(100_000);
  t.is(all.length, 10_001);
  t.like(all.at(-1), { kind: "policy", text: "1" });
  t.like(all[0], { text: "11999" });
  // As many orders: older ones go.
  for (let at = 0; at < 12_000; at += 3_000) {
    await engine.write(
      [],
      Array.from({ length: 3_000 }, (_, i) => change("service", at + i)),
    );
  }
  const orders = await engine.changes(100_000);
  t.is(orders.length, 10_000);
  t.true(orders.every((one) => one?.kind === "service"));
  await engine.close();
});

test("a bit that turned in a record is found, wherever it is", async (t) => {
  using store = await kept();
  const engine = new SqliteEngine(store.file);
  const value = summed("service", "km-evil", {
    service: "reserved",
    by: "op",
    at: 1_767_225_600_000,
  });
  await engine.write([{ table: "service", id: "km-evil", value }], []);
  t.like((await engine.load(0)).service.get("km-evil"), { service: "reserved" });
  for (let bit = 0; bit < value.length * 8; bit++) {
    const bytes = Buffer.from(value);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const bad = { table: "service", id: "km-evil", value: bytes.toString("latin1") } as const;
    t.throws(() => parsed(bad), { code: "db.corrupt" }, `${bit}`);
  }
  // Of another record, and one of before.
  const before = value.slice(0, value.lastIndexOf(" #"));
  t.throws(() => parsed({ table: "service", id: "km-good", value }), {
    code: "db.corrupt",
  });
  t.notThrows(() => parsed({ table: "service", id: "km-good", value: before }));
  await engine.close();
});
