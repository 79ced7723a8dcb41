/** Accounts in SQLite, of which there are more than memory takes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { SqliteEngine } from "../../../../src/controller/io/store/sqlite.ts";
import { readInPages, readWell } from "../../../rig/account-rows.ts";

test("of accounts only the newest periods are loaded, the others are read in pages, and forgotten whole", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-controller-accounts-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const engine = new SqliteEngine(join(folder, "controller.db"));
  const { loaded, expected, ...more } = await readInPages(engine);
  t.deepEqual(loaded, expected);
  t.deepEqual(more, readWell);
  await engine.close();
});
