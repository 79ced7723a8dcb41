/** Books of another store are told, by start and check, and nothing is changed by them. */
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { Fault } from "../../../../src/base/errors.ts";
import { checkStore } from "../../../../src/km/io/engine/check.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";

const masterKey = Buffer.alloc(32, 5);

async function open(folder: string, by = masterKey) {
  const onFailure = (fault: Fault) => {
    throw fault;
  };
  const options = { folder, masterKey: by, limitBytes: 1e9, wipeAfter: ms(600_000), onFailure };
  return (await openEngine(options)).store;
}

test("books of another store with the same master key are refused, and its own are taken after a re-key", async (t) => {
  const place = await mkdtemp(join(tmpdir(), "qkd-km-books-of-"));
  t.teardown(() => rm(place, { recursive: true }));
  const [one, two] = [join(place, "one"), join(place, "two")];
  for (const folder of [one, two]) await (await open(folder)).close();
  const books = (folder: string) => join(folder, "books.sqlite");
  await copyFile(books(one), join(place, "kept"));
  await copyFile(books(two), books(one));
  for (const act of [open(one), checkStore({ folder: one, masterKey })]) {
    t.like(await t.throwsAsync(act), {
      code: "km_store.corrupt",
      message: "the books are those of another store",
      facts: { file: books(one) },
    });
  }
  await rm(`${books(one)}-wal`, { force: true });
  await copyFile(join(place, "kept"), books(one));
  const store = await open(one);
  const next = Buffer.alloc(32, 6);
  await store.rekey(next);
  await store.close();
  await (await open(one, next)).close();
});

test("books of an older key manager, which do not tell it, are taken", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-books-of-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await (await open(folder)).close();
  const database = new DatabaseSync(join(folder, "books.sqlite"));
  t.is(database.prepare("DELETE FROM consumed WHERE grp = -3").run().changes, 1);
  database.close();
  await t.notThrowsAsync(checkStore({ folder, masterKey }));
  await (await open(folder)).close();
});
