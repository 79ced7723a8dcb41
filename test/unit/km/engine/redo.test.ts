import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { checkStore, isWhole } from "../../../../src/km/io/engine/check.ts";
import { GroupBuilder } from "../../../../src/km/io/engine/group.ts";
import type { HandleRun } from "../../../../src/km/io/engine/handle-runs.ts";
import { LedgerThread } from "../../../../src/km/io/engine/ledger.ts";
import { type Opened, type OpenOptions, openEngine } from "../../../../src/km/io/engine/open.ts";
import { madeAgain, packMaking } from "../../../../src/km/io/engine/redo.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import { allIn, putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-redo-"));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

async function openIn(
  t: ExecutionContext,
  folder: string,
  parts: Partial<OpenOptions> = {},
): Promise<Opened> {
  const opened = await openEngine({
    ...parts,
    folder,
    masterKey,
    limitBytes: 1e9,
    wipeAfter: ms(600_000),
    cycleMs: 0,
    reserveBytes: 65_536,
    onFailure: (fault) => t.fail(fault.message),
  });
  t.teardown(() => opened.store.close());
  return opened;
}

/** An extent of three of five keys that came. @returns its bytes, and the keys that wait */
async function stocked({ store }: Opened) {
  const keys = Array.from({ length: 5 }, () => {
    return { id: randomBytes(16), bits: 160_000, bytes: randomBytes(20_000) };
  });
  const stored = await new Promise<readonly Buffered[]>((done) => putKeys(store, "m", keys, done));
  const order = [3, 0, 1];
  const handles = order.map((i) => stored[i]?.handle ?? 0);
  const value = Buffer.from("{}");
  await new Promise<void>((done) => {
    store.commit(
      {
        extents: [{ link: "ab", number: 1, length: 60_000, handles }],
        rows: [{ kind: "extent", link: "ab", key: "1", value }],
      },
      done,
    );
  });
  return {
    bytes: Buffer.concat(order.map((i) => keys[i]?.bytes ?? Buffer.alloc(0))),
    waiting: [stored[2]?.handle, stored[4]?.handle],
  };
}

/** The disk as it was when power failed, with nothing of what was written to volumes. */
async function withoutVolumes(t: ExecutionContext, folder: string): Promise<string> {
  const copy = await folderOf(t);
  await cp(folder, copy, { recursive: true });
  const volumes = join(copy, "volumes");
  for (const name of await readdir(volumes)) await truncate(join(volumes, name), 100);
  return copy;
}

const read = ({ store }: Opened) =>
  new Promise<Buffer | undefined>((resolve) => {
    store.read("ab", [{ extent: 1, start: 0, end: 60_000 }], resolve);
  });

test("an extent whose write was lost with power is made once more from its keys", async (t) => {
  const folder = await folderOf(t);
  const { bytes, waiting } = await stocked(await openIn(t, folder));
  const copy = await withoutVolumes(t, folder);
  t.true(isWhole(await checkStore({ folder: copy, masterKey })));
  const opened = await openIn(t, copy);
  t.deepEqual(opened.damage, { segments: [], gone: [], groups: 0, keys: 0, extents: [] });
  t.deepEqual(await read(opened), bytes);
  t.deepEqual(
    allIn(opened.loaded.buffered).map(({ handle }) => handle),
    waiting as number[],
  );
  // And is from then on as any other: with the same loss it is gone, not made from what is left of a segment.
  await opened.store.shred();
  const again = await withoutVolumes(t, copy);
  t.is((await checkStore({ folder: again, masterKey })).missing_extents, 1);
  const last = await openIn(t, again);
  t.deepEqual(
    last.damage.extents.map(({ number }) => number),
    [1],
  );
  t.is(await read(last), undefined);
});

test("what an extent was made of is struck off before segments change", async (t) => {
  const folder = await folderOf(t);
  const seen: string[] = [];
  const opened = await openIn(t, folder, {
    files: {
      ...diskFiles,
      async open(path, flags, mode) {
        const file = await diskFiles.open(path, flags, mode);
        if (!path.includes("/intake/")) return file;
        return {
          read: file.read.bind(file),
          write(...all) {
            seen.push("intake");
            return file.write(...all);
          },
          datasync: file.datasync.bind(file),
          truncate: file.truncate.bind(file),
          stat: file.stat.bind(file),
          close: file.close.bind(file),
        };
      },
    },
    ledger(path) {
      const ledger = new LedgerThread(path);
      return {
        load: (writes) => ledger.load(writes),
        apply(change) {
          seen.push(change.redo.length > 0 ? "made of keys" : "struck off");
          return ledger.apply(change);
        },
        close: () => ledger.close(),
      };
    },
  });
  await stocked(opened);
  t.is(seen.at(-1), "made of keys");
  seen.length = 0;
  // Two keys wait in a segment of which three were used: they are copied forward.
  await opened.store.shred();
  t.is(seen[0], "struck off");
  t.true(seen.includes("intake"));
});

test("a store that was made before there were such rows opens", async (t) => {
  const folder = await folderOf(t);
  const first = await openIn(t, folder);
  const { bytes } = await stocked(first);
  await first.store.close();
  const database = new DatabaseSync(join(folder, "books.sqlite"));
  database.exec("DROP TABLE redo");
  database.close();
  t.deepEqual(await read(await openIn(t, folder)), bytes);
});

test("nothing is made of keys that are not there whole, or that have left their segment", (t) => {
  const group = (number: number, bytes: Buffer) => {
    const builder = new GroupBuilder(number);
    const bits = Uint32Array.of(80, 80);
    const none = new Float64Array(2);
    const keys = { count: 2, ids: Buffer.alloc(32), bits, generatedAt: none, qber: none, bytes };
    builder.add("m", keys, 0, 0, new Float64Array(2));
    return builder.build();
  };
  const whole = Buffer.alloc(20, 7);
  const groups = [group(5, whole), group(6, Buffer.concat([whole.subarray(10), Buffer.alloc(10)]))];
  const at = { volume: 1, offset: 500 };
  const made = (runs: HandleRun[], length: number, number = 1, was = at) =>
    madeAgain(
      [{ link: "ab", number, runs: packMaking(was, runs) }],
      [{ link: "ab", number: 1, ...at, length }],
      groups,
    ).map(({ bytes }) => Buffer.from(bytes));
  const all = { group: 5, from: 0, to: 2 };
  t.deepEqual(made([all, { group: 6, from: 0, to: 1 }], 30), [Buffer.alloc(30, 7)]);
  t.deepEqual(made([all], 19), []);
  t.deepEqual(made([all], 21), []);
  t.deepEqual(made([{ group: 6, from: 0, to: 2 }], 20), []);
  t.deepEqual(made([{ group: 5, from: 1, to: 3 }], 20), []);
  t.deepEqual(made([{ group: 7, from: 0, to: 2 }], 20), []);
  t.deepEqual(made([all], 20, 2), []);
  // Sealed anew since, by a version that does not know such rows.
  t.is(made([all], 20, 1).length, 1);
  t.deepEqual(made([all], 20, 1, { volume: 2, offset: 500 }), []);
  t.deepEqual(made([all], 20, 1, { volume: 1, offset: 0 }), []);
});
