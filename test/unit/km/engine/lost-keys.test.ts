import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { checkText } from "../../../../src/km/cli/store.ts";
import { checkStore, isWhole, repairStore } from "../../../../src/km/io/engine/check.ts";
import { groupOf } from "../../../../src/km/io/engine/group.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import { allIn, putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);
const limitBytes = 1e9;

async function newFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-lost-"));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

function open(t: ExecutionContext, folder: string) {
  return openEngine({
    folder,
    masterKey,
    limitBytes,
    wipeAfter: ms(600_000),
    cycleMs: 0,
    onFailure: (fault) => t.fail(fault.message),
  });
}

/** A store as a kill leaves it: a group of so many keys, of which so many of the first are used. */
async function killed(t: ExecutionContext, keys: number, used: number): Promise<string> {
  const [folder, copy] = [await newFolder(t), await newFolder(t)];
  const { store } = await open(t, folder);
  const group = Array.from({ length: keys }, () => {
    return { id: randomBytes(16), bits: 800, bytes: randomBytes(100) };
  });
  const stored = await new Promise<readonly Buffered[]>((done) => putKeys(store, "m", group, done));
  const dropped = stored.slice(0, used).map(({ handle }) => handle);
  await new Promise<void>((done) => store.commit({ dropped }, done));
  await cp(folder, copy, { recursive: true });
  await store.close();
  return copy;
}

/** The file with the keys is lost, as by a disk. @returns what finds it again */
async function lose(t: ExecutionContext, folder: string): Promise<() => Promise<void>> {
  const aside = await newFolder(t);
  const [name = ""] = await readdir(join(folder, "intake"));
  const [here, there] = [join(folder, "intake", name), join(aside, name)];
  await rename(here, there);
  return () => rename(there, here);
}

for (const [keys, used] of [
  [5, 2],
  [8, 5],
  [16, 1],
  [8, 7],
] as const) {
  test(`after a kill, ${keys - used} of ${keys} keys whose file is lost are told, and are never free again`, async (t) => {
    const folder = await killed(t, keys, used);
    t.true(isWhole(await checkStore({ folder, masterKey })));
    const find = await lose(t, folder);
    const check = await checkStore({ folder, masterKey });
    t.is(check.lost_keys, keys - used);
    t.regex(checkText(check), /wrong: \d+ keys that waited, and are gone/);
    const { before, after } = await repairStore({ folder, masterKey, limitBytes });
    t.deepEqual(before, check);
    t.true(isWhole(after), JSON.stringify(after));
    await find();
    const again = await open(t, folder);
    t.deepEqual(allIn(again.loaded.buffered), []);
    t.is(again.damage.keys, 0);
    await again.store.close();
  });
}

test("a start tells of keys whose file was lost, once", async (t) => {
  const folder = await killed(t, 5, 2);
  await lose(t, folder);
  for (const lost of [3, 0]) {
    const { damage, store } = await open(t, folder);
    t.is(damage.keys, lost);
    await store.close();
  }
});

/** As an older key manager left the books: the bits of a row that are of no key are zeros. */
function asBefore(folder: string, used: number): void {
  const database = new DatabaseSync(join(folder, "books.sqlite"));
  database
    .prepare("UPDATE consumed SET bits = ? WHERE grp > 0")
    .run(Uint8Array.of((1 << used) - 1));
  database.exec("UPDATE consumed SET bits = x'' WHERE grp = -2");
  database.close();
}

test("rows that an older version left are no loss where all of their keys may be used", async (t) => {
  const folder = await killed(t, 5, 5);
  asBefore(folder, 5);
  t.true(isWhole(await checkStore({ folder, masterKey })));
  await lose(t, folder);
  t.true(isWhole(await checkStore({ folder, masterKey })));
  const { damage, store } = await open(t, folder);
  t.is(damage.keys, 0);
  await store.close();
  t.true(isWhole(await checkStore({ folder, masterKey })));
});

test("rows that an older version left of keys that are there are filled by a start", async (t) => {
  const folder = await killed(t, 8, 5);
  asBefore(folder, 5);
  const copy = await newFolder(t);
  const { store } = await open(t, folder);
  await cp(folder, copy, { recursive: true });
  await store.close();
  await lose(t, copy);
  t.is((await checkStore({ folder: copy, masterKey })).lost_keys, 3);
});

test("after a kill, a lost file of which no key was used is told once, and its numbers name no other key", async (t) => {
  const folder = await killed(t, 5, 0);
  t.true(isWhole(await checkStore({ folder, masterKey })));
  await lose(t, folder);
  const check = await checkStore({ folder, masterKey });
  t.like(check, { missing_segments: 1, lost_keys: 0 });
  t.regex(checkText(check), /wrong: 1 segments whose file is gone/);
  for (const gone of [[1], []]) {
    const { damage, store } = await open(t, folder);
    t.deepEqual(damage.gone, gone);
    const key = { id: randomBytes(16), bits: 800, bytes: randomBytes(100) };
    const [stored] = await new Promise<readonly Buffered[]>((done) =>
      putKeys(store, "m", [key], done),
    );
    // A row of the books may still have the number of a key that is gone.
    t.true(groupOf(stored?.handle ?? 0) > 1_000_000);
    await store.close();
  }
  t.true(isWhole(await checkStore({ folder, masterKey })));
});
