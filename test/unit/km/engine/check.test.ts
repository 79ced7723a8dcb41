import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { describe, type Fault } from "../../../../src/base/errors.ts";
import { checkText } from "../../../../src/km/cli/store.ts";
import { checkStore, isWhole, repairStore } from "../../../../src/km/io/engine/check.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import { allIn, putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);
const limitBytes = 1e9;

/** A store with two groups of five keys; two of the first group are an extent. */
async function filled(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-check-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const open = () =>
    openEngine({
      folder,
      masterKey,
      limitBytes,
      wipeAfter: ms(600_000),
      cycleMs: 0,
      onFailure: (fault) => t.fail(fault.message),
    });
  const { store } = await open();
  const put = () => {
    const keys = Array.from({ length: 5 }, () => {
      return { id: randomBytes(16), bits: 800, bytes: randomBytes(100) };
    });
    return new Promise<readonly Buffered[]>((done) => putKeys(store, "m", keys, done));
  };
  const first = await put();
  await put();
  const handles = first.slice(0, 2).map(({ handle }) => handle);
  await new Promise<void>((done) => {
    const value = Buffer.from("{}");
    store.commit(
      {
        extents: [{ link: "ab", number: 1, length: 200, handles }],
        rows: [{ kind: "extent", link: "ab", key: "1", value }],
      },
      done,
    );
  });
  return { folder, open, store };
}

/** @param at from the end if below zero */
async function turnBit(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  const from = at < 0 ? bytes.length + at : at;
  bytes[from] = (bytes[from] as number) ^ 1;
  await writeFile(path, bytes);
}

test("a check reads all of a store, finds nothing wrong in a whole one, and changes nothing", async (t) => {
  const { folder, store } = await filled(t);
  const running = `${folder}-running`;
  await cp(folder, running, { recursive: true });
  t.teardown(() => rm(running, { recursive: true }));
  await store.close();
  t.is((await checkStore({ folder: running, masterKey })).used_keys, 2);
  const check = await checkStore({ folder, masterKey });
  t.true(isWhole(check));
  t.is(check.waiting_keys, 8);
  // An orderly end has overwritten what was used.
  t.is(check.used_keys, 0);
  t.is(check.extent_bytes, 200);
  t.deepEqual(await checkStore({ folder, masterKey }), check);
  t.true(checkText(check).endsWith("nothing is wrong\n"));
  const other = checkStore({ folder, masterKey: Buffer.alloc(32) });
  await t.throwsAsync(other, { code: "km_store.key" } as object);
});

test("damage is counted; a repair drops it, and the rest is there", async (t) => {
  const { folder, store, open } = await filled(t);
  await store.close();
  await turnBit(join(folder, "volumes", "000000000001.vol"), 150);
  const check = await checkStore({ folder, masterKey });
  t.is(check.damaged_extents, 1);
  t.regex(checkText(check), /wrong: 1 extents that do not open/);
  const { before, after } = await repairStore({ folder, masterKey, limitBytes });
  t.deepEqual(before, check);
  t.is(after.damaged_extents, 0);
  t.is(after.waiting_keys, 8);
  // Its row is the link's: that it is void, both ends agree on.
  t.is(after.rows_alone, 1);
  // Else who repaired takes it for damage that the repair has left.
  t.regex(checkText(after), /wrong: 1 rows of stock without bytes: the next start gives them up$/m);
  const again = await open();
  t.deepEqual(again.loaded.extents, []);
  await again.store.close();
});

test("a damaged record of used keys makes no key free: all keys of its group are used", async (t) => {
  const { folder, store, open } = await filled(t);
  await store.close();
  const database = new DatabaseSync(join(folder, "books.sqlite"));
  const changed = database.prepare("UPDATE consumed SET bits = x'' WHERE grp > 0").run();
  database.close();
  const check = await checkStore({ folder, masterKey });
  t.is(changed.changes, 1);
  t.is(check.damaged_use, 1);
  const again = await open();
  t.is(allIn(again.loaded.buffered).length, 5);
  await again.store.close();
});

test("a number that named a key names no other, not even when all is gone and the store starts again", async (t) => {
  const { store, open } = await filled(t);
  const { bufferedKeys } = store.use();
  t.is(bufferedKeys, 8);
  await store.close();
  const second = await open();
  const handles = allIn(second.loaded.buffered).map(({ handle }) => handle);
  await new Promise<void>((done) => second.store.commit({ dropped: handles }, done));
  await second.store.close();
  const third = await open();
  t.deepEqual(allIn(third.loaded.buffered), []);
  const keys = [{ id: randomBytes(16), bits: 800, bytes: randomBytes(100) }];
  const stored = await new Promise<readonly Buffered[]>((done) =>
    putKeys(third.store, "m", keys, done),
  );
  t.true((stored[0]?.handle ?? 0) > Math.max(...handles));
  await third.store.close();
});

for (const [how, told, hurt] of [
  ["is cut off", 3, (segment: string) => truncate(segment, 700)],
  ["does not open", 0, (segment: string) => turnBit(segment, -20)],
  ["is gone with its file", 3, (segment: string) => rm(segment)],
  ["is gone from a file of no length", 3, (segment: string) => truncate(segment, 0)],
] as const) {
  test(`what was written last and ${how} is told after an orderly end; else what the books tell of`, async (t) => {
    const { folder, open, store } = await filled(t);
    const crashed = await mkdtemp(join(tmpdir(), "qkd-km-check-"));
    t.teardown(() => rm(crashed, { recursive: true }));
    await cp(folder, crashed, { recursive: true });
    await store.close();
    for (const one of [folder, crashed]) {
      const names = (await readdir(join(one, "intake"))).filter((name) => name.endsWith(".seg"));
      await hurt(join(one, "intake", names.toSorted().at(-1) ?? ""));
    }
    // After a power cut it may never have been written to its end, unless keys of it were used.
    t.is((await checkStore({ folder: crashed, masterKey })).lost_keys, told);
    const check = await checkStore({ folder, masterKey });
    t.true(check.lost_keys > told);
    t.false(isWhole(check));
    t.regex(checkText(check), /wrong: \d+ keys that waited, and are gone/);
    const opened = await open();
    t.is(opened.damage.keys, check.lost_keys);
    await opened.store.close();
    // It was told.
    t.is((await checkStore({ folder, masterKey })).lost_keys, 0);
  });
}

test("books that are gone, or of no length, are not begun anew over the keys they tell of", async (t) => {
  const { folder, open, store } = await filled(t);
  await store.close();
  const books = join(folder, "books.sqlite");
  await truncate(books, 0);
  for (let time = 0; time < 2; time++) {
    const { code, message } = (await t.throwsAsync(open())) as Fault;
    t.is(code, "km_store.corrupt");
    t.regex(message, /the books are gone, or empty, and the keys that they tell of are there/);
  }
  await rm(books);
  t.is(
    ((await t.throwsAsync(checkStore({ folder, masterKey }))) as Fault).message,
    "the books are gone",
  );
  t.is(((await t.throwsAsync(open())) as Fault).code, "km_store.corrupt");
});

test("a file that cannot be read is named by check and repair, and is no defect of the program", async (t) => {
  const { folder, store } = await filled(t);
  await store.close();
  const volumes = `${folder}/volumes`;
  const [volume = ""] = await readdir(volumes);
  await rm(`${volumes}/${volume}`);
  await mkdir(`${volumes}/${volume}`);
  for (const act of [checkStore, repairStore]) {
    const fault = (await t.throwsAsync(act({ folder, masterKey, limitBytes }))) as Fault;
    t.is(fault.code, "km_store.io");
    t.regex(describe(fault), /can't be opened .*EISDIR/);
    t.is(fault.facts.file, `${volumes}/${volume}`);
  }
});

test("books that another process has locked are waited for", async (t) => {
  const { folder, store } = await filled(t);
  const other = new DatabaseSync(join(folder, "books.sqlite"));
  other.exec("BEGIN IMMEDIATE");
  const value = Buffer.from("{}");
  const written = new Promise<void>((done) => {
    store.commit({ rows: [{ kind: "extent", link: "ab", key: "1", value }] }, done);
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  other.exec("COMMIT");
  other.close();
  await written;
  await store.close();
  t.true(isWhole(await checkStore({ folder, masterKey })));
});

test("a store opens where the current folder was removed", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-check-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const ledger = new URL("../../../../src/km/io/engine/ledger.ts", import.meta.url).href;
  const program = `
    import(${JSON.stringify(ledger)}).then(async ({ LedgerThread }) => {
      fs.mkdirSync("gone"); process.chdir("gone"); fs.rmdirSync("../gone");
      const ledger = new LedgerThread(${JSON.stringify(join(folder, "books.sqlite"))});
      await ledger.load(true);
      await ledger.close();
    });
  `;
  const options = { cwd: folder, encoding: "utf8", timeout: 30_000 } as const;
  const { status, stderr } = spawnSync(process.execPath, ["-e", program], options);
  t.is(status, 0, stderr);
});
