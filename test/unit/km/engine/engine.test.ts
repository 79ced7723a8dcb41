import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { Fault } from "../../../../src/base/errors.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { type Opened, openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import type { Change } from "../../../../src/km/store/port.ts";
import { ManualClock } from "../../../clock.ts";
import { steal } from "../../../rig/store-thief.ts";
import { allIn, putKeys, type SomeKey } from "../../../rig/stored-keys.ts";

interface Bench {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly masterKey: Buffer;
  open(masterKey?: Buffer): Promise<Opened>;
}

async function bench(t: { teardown: (fn: () => Promise<void>) => void }): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-engine-"));
  const clock = new ManualClock();
  const masterKey = randomBytes(32);
  const opened: Opened[] = [];
  t.teardown(async () => {
    for (const { store } of opened) await store.close();
    await rm(folder, { recursive: true });
  });
  return {
    folder,
    clock,
    masterKey,
    async open(key = masterKey) {
      const one = await openEngine({
        folder,
        masterKey: key,
        limitBytes: 1e9,
        wipeAfter,
        cycleMs: 0,
        clock,
        onFailure: (fault) => {
          throw fault;
        },
      });
      opened.push(one);
      return one;
    },
  };
}

function someKeys(count: number, length = 32): SomeKey[] {
  return Array.from({ length: count }, () => ({
    id: randomBytes(16),
    bits: length * 8,
    generatedAt: 1_700_000_000_000,
    bytes: randomBytes(length),
  }));
}

/** Within this what is used is in no file, ms. */
const wipeAfter = ms(10_000);

const put = ({ store }: Opened, keys: readonly SomeKey[]) =>
  new Promise<readonly Buffered[]>((resolve) => putKeys(store, "m", keys, resolve));
const commit = ({ store }: Opened, change: Change) =>
  new Promise<void>((resolve) => store.commit(change, resolve));
const read = ({ store }: Opened, extent: number, start: number, end: number) =>
  new Promise<Buffer | undefined>((resolve) => {
    store.read("ab", [{ extent, start, end }], resolve);
  });

/** Time passes, and what is done then aside is done. */
async function piece(opened: Opened, clock: ManualClock, ms: number): Promise<void> {
  await clock.advance(ms);
  await opened.store.quiet();
}

/** Runs its clock until all is sealed anew. */
async function resealed(opened: Opened, clock: ManualClock): Promise<void> {
  for (let i = 0; i < 100 && opened.store.resealingBytes !== undefined; i++) {
    await piece(opened, clock, 100);
  }
}

async function filesByName(folder: string): Promise<Map<string, Buffer>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = names
    .filter((name) => name.isFile())
    .map((name) => join(name.parentPath, name.name));
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await readFile(path)] as const)),
  );
}

async function allFiles(folder: string): Promise<Buffer[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((name) => name.isFile());
  return Promise.all(files.map((name) => readFile(join(name.parentPath, name.name))));
}

test("keys that were stored are there after a start, in their order", async (t) => {
  const { open } = await bench(t);
  const first = await open();
  const keys = someKeys(100);
  const stored = await put(first, keys);
  await first.store.close();
  const { loaded } = await open();
  t.deepEqual(allIn(loaded.buffered), stored);
  t.deepEqual(
    allIn(loaded.buffered).map(({ id }) => Buffer.from(id)),
    keys.map(({ id }) => Buffer.from(id)),
  );
});

test("an extent has the bytes of its keys in the order of the batch, also after a start", async (t) => {
  const { open } = await bench(t);
  const first = await open();
  const keys = [...someKeys(3, 20_000), ...someKeys(3, 7)];
  const stored = await put(first, keys);
  const order = [4, 1, 0, 5, 2];
  const whole = Buffer.concat(order.map((i) => keys[i]?.bytes ?? Buffer.alloc(0)));
  const handles = order.map((i) => stored[i]?.handle ?? 0);
  await commit(first, {
    extents: [{ link: "ab", number: 1, length: whole.length, handles }],
    rows: [{ kind: "extent", link: "ab", key: "1", value: Buffer.from("{}") }],
  });
  t.deepEqual(await read(first, 1, 0, whole.length), whole);
  t.deepEqual(await read(first, 1, 16_000, 40_003), whole.subarray(16_000, 40_003));
  t.is(await read(first, 1, 0, whole.length + 1), undefined);
  await first.store.close();
  const second = await open();
  t.deepEqual(await read(second, 1, 0, whole.length), whole);
  t.deepEqual(
    allIn(second.loaded.buffered).map(({ handle }) => handle),
    [stored[3]?.handle],
  );
  t.is(second.loaded.rows[0]?.value?.toString(), "{}");
});

test("callbacks of puts, and of commits, come in the order of the calls, and never before the call has returned", async (t) => {
  const opened = await (await bench(t)).open();
  const [puts, commits]: [number[], number[]] = [[], []];
  const { store } = opened;
  for (let i = 0; i < 50; i++) {
    if (i % 3 === 0) putKeys(store, "m", someKeys(2), () => puts.push(i));
    else store.commit({ rows: [] }, () => commits.push(i));
  }
  t.deepEqual([puts, commits], [[], []]);
  await Promise.all([commit(opened, {}), put(opened, someKeys(1))]);
  const all = Array.from({ length: 50 }, (_, i) => i);
  t.deepEqual(
    puts,
    all.filter((i) => i % 3 === 0),
  );
  t.deepEqual(
    commits,
    all.filter((i) => i % 3 !== 0),
  );
});

test("the keyed hash of keys in the buffer is that of the extent they become", async (t) => {
  const opened = await (await bench(t)).open();
  const stored = await put(opened, someKeys(10, 5_000));
  const handles = stored.map(({ handle }) => handle);
  const key = { key: randomBytes(16), nonce: randomBytes(12) };
  const { store } = opened;
  const before = await new Promise((resolve) => store.tagBuffered(handles, key, resolve));
  await commit(opened, { extents: [{ link: "ab", number: 7, length: 50_000, handles }] });
  const whole = [{ extent: 7, start: 0, end: 50_000 }];
  const after = await new Promise((resolve) => store.tagRanges("ab", whole, key, resolve));
  t.deepEqual(after, before);
  t.is(await new Promise((resolve) => store.tagBuffered(handles, key, resolve)), undefined);
});

test("another master key opens nothing, and says so", async (t) => {
  const { open } = await bench(t);
  const first = await open();
  await put(first, someKeys(1));
  await first.store.close();
  await t.throwsAsync(open(randomBytes(32)), { code: "km_store.key" } as object);
});

test("no key is in a file in the clear", async (t) => {
  const { open, folder } = await bench(t);
  const opened = await open();
  const keys = someKeys(20, 40);
  const stored = await put(opened, keys);
  const handles = stored.slice(0, 10).map(({ handle }) => handle);
  await commit(opened, { extents: [{ link: "ab", number: 1, length: 400, handles }] });
  for (const file of await allFiles(folder)) {
    for (const { bytes } of keys) t.false(file.includes(Buffer.from(bytes.subarray(0, 16))));
  }
});

test("what was forgotten is in no file any more, with the master key in hand", async (t) => {
  const { open, folder, clock } = await bench(t);
  const opened = await open();
  const keys = someKeys(8, 100);
  const stored = await put(opened, keys);
  const handles = stored.slice(0, 4).map(({ handle }) => handle);
  await commit(opened, { extents: [{ link: "ab", number: 1, length: 400, handles }] });
  opened.store.forget("ab", [{ extent: 1, start: 0, end: 200 }]);
  const before = await allFiles(folder);
  for (let ms = 0; ms < wipeAfter; ms += 100) await piece(opened, clock, 100);
  const left = await read(opened, 1, 0, 400);
  t.deepEqual(left?.subarray(0, 200), Buffer.alloc(200));
  t.deepEqual(left?.subarray(200), Buffer.concat([keys[2]?.bytes, keys[3]?.bytes] as Buffer[]));
  // The old segment with all eight keys, and the old extent: neither can be put back together.
  const names = await readdir(join(folder, "intake"));
  t.deepEqual(names, ["000000000002.seg"]);
  const after = await allFiles(folder);
  t.notDeepEqual(after, before);
  await opened.store.close();
  const again = await open();
  t.is(allIn(again.loaded.buffered).length, 4);
  t.deepEqual(await read(again, 1, 0, 400), left);
});

test("under another master key all is there, and the old one opens nothing", async (t) => {
  const { open, masterKey, folder, clock } = await bench(t);
  const first = await open();
  const keys = someKeys(6, 50);
  const stored = await put(first, keys);
  const handles = stored.slice(0, 3).map(({ handle }) => handle);
  await commit(first, { extents: [{ link: "ab", number: 1, length: 150, handles }] });
  const other = randomBytes(32);
  await t.throwsAsync(first.store.rekey(masterKey), { code: "km_store.key" } as object);
  await first.store.rekey(other);
  await t.throwsAsync(first.store.rekey(randomBytes(32)), { code: "km_store.busy" } as object);
  t.is(
    first.store.resealingBytes,
    150 + (await stat(join(folder, "intake/000000000001.seg"))).size,
  );
  await resealed(first, clock);
  const files = await filesByName(folder);
  t.deepEqual(steal(files, masterKey, { link: "ab", extents: 1 }), []);
  t.true(
    Buffer.concat(steal(files, other, { link: "ab", extents: 1 })).includes(
      keys[0]?.bytes as Buffer,
    ),
  );
  // One key of the store is left, and the one of the digests.
  t.is(JSON.parse(String(files.get(join(folder, "store")))).keys.length, 2);
  await first.store.close();
  await t.throwsAsync(open(masterKey), { code: "km_store.key" } as object);
  const second = await open(other);
  t.is(allIn(second.loaded.buffered).length, 3);
  t.deepEqual(await read(second, 1, 0, 50), keys[0]?.bytes as Buffer);
  t.is(second.store.resealingBytes, undefined);
});

test("keys come and go while the store is sealed anew, and a start goes on with it", async (t) => {
  const { open, masterKey, folder, clock } = await bench(t);
  const first = await open();
  // Several pieces of some megabytes, of what waits and of stock.
  const keys = someKeys(6, 3_000_000);
  const handles: number[] = [];
  for (const key of keys) handles.push((await put(first, [key]))[0]?.handle as number);
  for (const [i, handle] of handles.slice(0, 3).entries()) {
    await commit(first, {
      extents: [{ link: "ab", number: i + 1, length: 3_000_000, handles: [handle] }],
    });
  }
  const other = randomBytes(32);
  await first.store.rekey(other);
  const all = first.store.resealingBytes as number;
  await clock.advance(10);
  await first.store.quiet();
  const left = first.store.resealingBytes as number;
  t.true(left < all && left > 0, `${left} of ${all}`);
  const late = someKeys(1, 100);
  const [stored] = await put(first, late);
  t.deepEqual(
    await read(first, 3, 0, 100),
    Buffer.from(keys[2]?.bytes.subarray(0, 100) as Uint8Array),
  );
  await first.store.close();
  await t.throwsAsync(open(masterKey), { code: "km_store.key" } as object);
  const second = await open(other);
  t.is(typeof second.store.resealingBytes, "number");
  t.is(allIn(second.loaded.buffered).length, 4);
  t.deepEqual(allIn(second.loaded.buffered).at(-1), stored);
  await resealed(second, clock);
  const files = await filesByName(folder);
  t.is(JSON.parse(String(files.get(join(folder, "store")))).keys.length, 2);
  // Not deepEqual, to which each byte is a property: it takes seconds.
  const whole = await read(second, 1, 0, 3_000_000);
  t.true(whole?.equals(keys[0]?.bytes as Uint8Array));
});

test("nothing is acknowledged that a key seals which is not on the disk yet", async (t) => {
  const { folder, masterKey, clock, open } = await bench(t);
  await (await open()).store.close();
  const entered = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const rename = async (from: string, to: string) => {
    if (to.endsWith("/store")) {
      entered.resolve();
      await held.promise;
    }
    await diskFiles.rename(from, to);
  };
  const opened = await openEngine({
    folder,
    masterKey,
    limitBytes: 1e9,
    wipeAfter: ms(10_000),
    cycleMs: 0,
    clock,
    files: { ...diskFiles, rename },
    onFailure: (fault) => t.fail(fault.message),
  });
  t.teardown(() => opened.store.close());
  const first = await put(opened, someKeys(1));
  const rekeyed = opened.store.rekey(randomBytes(32));
  await entered.promise;
  const acknowledged: string[] = [];
  const handles = first.map(({ handle }) => handle);
  const extent = { link: "ab", number: 1, length: 32, handles };
  const stock = commit(opened, { extents: [extent] }).then(() => acknowledged.push("stock"));
  const keys = put(opened, someKeys(1)).then(() => acknowledged.push("keys"));
  // Longer than an extent takes to be written.
  await readFile(join(folder, "store"));
  for (let i = 0; i < 50; i++) await filesByName(folder);
  t.deepEqual(acknowledged, []);
  held.resolve();
  await Promise.all([rekeyed, stock, keys]);
  t.is(acknowledged.length, 2);
});

test("what is damaged of an extent is given up when the store is sealed anew: the old key opens nothing of it", async (t) => {
  const { open, masterKey, folder, clock } = await bench(t);
  const first = await open();
  const stored = await put(first, someKeys(2, 40_000));
  const handles = stored.map(({ handle }) => handle);
  await commit(first, { extents: [{ link: "ab", number: 1, length: 80_000, handles }] });
  await first.store.close();
  const path = join(folder, "volumes", "000000000001.vol");
  const bytes = await readFile(path);
  bytes[150] = (bytes[150] as number) ^ 1;
  await writeFile(path, bytes);
  const before = await filesByName(folder);
  await writeFile(join(folder, "intake", "000000000099.seg.damaged"), randomBytes(2_000));
  const second = await open();
  const other = randomBytes(32);
  await second.store.rekey(other);
  await resealed(second, clock);
  t.is(await read(second, 1, 0, 80_000), undefined);
  t.is((await read(second, 1, 60_000, 80_000))?.length, 20_000);
  // Also who kept the file with the keys of the store, as it was.
  const files = await filesByName(folder);
  files.set(join(folder, "store"), before.get(join(folder, "store")) as Buffer);
  t.deepEqual(steal(files, masterKey, { link: "ab", extents: 1 }), []);
  t.deepEqual(
    [...files.keys()].filter((name) => name.endsWith(".damaged")),
    [],
  );
});

test("a store of a later version is told as such, whatever else its file has", async (t) => {
  const { open, folder } = await bench(t);
  await (await open()).store.close();
  await writeFile(join(folder, "store"), JSON.stringify({ version: 2, rings: [] }));
  await t.throwsAsync(open(), { code: "km_store.version" } as object);
});

test("a database that is none is told as damaged", async (t) => {
  const { open, folder } = await bench(t);
  const first = await open();
  await put(first, someKeys(1));
  await first.store.close();
  await rm(join(folder, "books.sqlite-wal"), { force: true });
  await writeFile(join(folder, "books.sqlite"), randomBytes(8_192));
  const error = (await t.throwsAsync(open())) as Fault;
  t.is(error.code, "km_store.corrupt");
});

test("a bit that turned in a file costs what it is in, and is told; nothing else", async (t) => {
  const { open, folder } = await bench(t);
  const first = await open();
  const stored = await put(first, someKeys(4, 50));
  const handles = stored.map(({ handle }) => handle);
  await commit(first, {
    extents: [
      { link: "ab", number: 1, length: 100, handles: handles.slice(0, 2) },
      { link: "ab", number: 2, length: 100, handles: handles.slice(2) },
    ],
  });
  await first.store.close();
  const path = join(folder, "volumes", "000000000001.vol");
  const bytes = await readFile(path);
  bytes[150] = (bytes[150] as number) ^ 1;
  await writeFile(path, bytes);
  const second = await open();
  t.is(await read(second, 1, 0, 100), undefined);
  t.is((await read(second, 2, 0, 100))?.length, 100);
});
