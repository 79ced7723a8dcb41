/** Books of another store are told, by start and check, and nothing is changed by them. */
import { randomBytes } from "node:crypto";
import { copyFile, cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { Fault } from "../../../../src/base/errors.ts";
import { checkStore, repairStore } from "../../../../src/km/io/engine/check.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import { putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);

async function open(folder: string, by: Uint8Array = masterKey, onRekeyed = () => {}) {
  const onFailure = (fault: Fault) => {
    throw fault;
  };
  const options = { folder, masterKey: by, limitBytes: 1e9, wipeAfter: ms(600_000), onFailure };
  return (await openEngine({ ...options, onRekeyed })).store;
}

test("books of another store with the same master key are refused, and its own are taken after a re-key", async (t) => {
  const place = await mkdtemp(join(tmpdir(), "qkd-km-books-of-"));
  t.teardown(() => rm(place, { recursive: true }));
  const [one, two] = [join(place, "one"), join(place, "two")];
  for (const folder of [one, two]) await (await open(folder)).close();
  const books = (folder: string) => join(folder, "books.sqlite");
  await copyFile(books(one), join(place, "kept"));
  await copyFile(books(two), books(one));
  for (const act of [() => open(one), () => checkStore({ folder: one, masterKey })]) {
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

test("keys of before a re-key with books that do not tell of it are refused where nothing opens, unless it is a repair", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-books-of-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const { promise: rekeyed, resolve: onRekeyed } = Promise.withResolvers<void>();
  const store = await open(folder, masterKey, onRekeyed);
  const keys = Array.from({ length: 2 }, () => {
    return { id: randomBytes(16), bits: 256, bytes: randomBytes(32) };
  });
  const stored = await new Promise<readonly Buffered[]>((done) => putKeys(store, "m", keys, done));
  const extent = { link: "ab", number: 1, length: 32, handles: [stored[0]?.handle ?? 0] };
  const row = { kind: "extent", link: "ab", key: "1", value: Buffer.from("{}") } as const;
  await new Promise<void>((done) => store.commit({ extents: [extent], rows: [row] }, done));
  const [file, next] = [join(folder, "store"), Buffer.alloc(32, 6)];
  await copyFile(file, `${file}.before`);
  await store.rekey(next);
  await rekeyed;
  await store.close();
  await copyFile(file, `${file}.after`);
  const database = new DatabaseSync(join(folder, "books.sqlite"));
  t.is(database.prepare("UPDATE consumed SET segment = 0 WHERE grp = -3").run().changes, 1);
  database.close();

  await copyFile(`${file}.before`, file);
  const message = "nothing in the store opens: its keys, or its books, are of another time";
  const expected = { code: "km_store.corrupt", message, facts: { file } };
  t.like(await t.throwsAsync(open(folder)), expected);
  await copyFile(`${file}.after`, file);
  const whole = { waiting_keys: 1, extents: 1, damaged_extents: 0, damaged_segments: 0 };
  t.like(await checkStore({ folder, masterKey: next }), whole);

  await cp(folder, `${folder}.repaired`, { recursive: true });
  t.teardown(() => rm(`${folder}.repaired`, { recursive: true }));
  await copyFile(`${file}.before`, join(`${folder}.repaired`, "store"));
  const repair = { folder: `${folder}.repaired`, masterKey, limitBytes: 1e9 };
  t.like((await repairStore(repair)).after, { waiting_keys: 0, extents: 0, damaged_extents: 0 });

  await (await open(folder, next)).close();
  t.like(await checkStore({ folder, masterKey: next }), whole);
});

test("keys and books of the two sides of a re-key are refused, and nothing is given up", async (t) => {
  const place = await mkdtemp(join(tmpdir(), "qkd-km-books-of-"));
  t.teardown(() => rm(place, { recursive: true }));
  const [folder, before] = [join(place, "store"), join(place, "before")];
  const { promise: rekeyed, resolve: onRekeyed } = Promise.withResolvers<void>();
  const store = await open(folder, masterKey, onRekeyed);
  const keys = [{ id: randomBytes(16), bits: 256, bytes: randomBytes(32) }];
  await new Promise((done) => putKeys(store, "m", keys, done));
  await store.close();
  await cp(folder, before, { recursive: true });
  const [next, again] = [Buffer.alloc(32, 6), await open(folder, masterKey, onRekeyed)];
  await again.rekey(next);
  await rekeyed;
  await again.close();

  /** @param of what is put into the other's folder */
  const mixed = async (into: string, of: string, name: string, by: Uint8Array, message: string) => {
    await copyFile(join(into, name), join(place, "kept"));
    await copyFile(join(of, name), join(into, name));
    const files = await readdir(join(into, "intake"));
    const facts = { file: join(into, name) };
    for (const act of [() => open(into, by), () => checkStore({ folder: into, masterKey: by })]) {
      t.like(await t.throwsAsync(act), { code: "km_store.corrupt", message, facts });
    }
    t.deepEqual(await readdir(join(into, "intake")), files);
    await copyFile(join(place, "kept"), join(into, name));
  };
  const older = "the file with the store's keys is of before a re-key, and the books are of after";
  await mixed(folder, before, "store", masterKey, older);
  const books = "the books are of before a re-key, and the file with the store's keys is of after";
  await mixed(folder, before, "books.sqlite", next, books);
  t.is((await checkStore({ folder, masterKey: next })).waiting_keys, 1);
  await (await open(folder, next)).close();
});
