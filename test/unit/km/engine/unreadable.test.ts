/** A disk that does not give some bytes back ends neither check nor repair; a start refuses, and names the file. */
import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { describe, type Fault } from "../../../../src/base/errors.ts";
import { diskFiles, type FileSystem } from "../../../../src/host/disk/files.ts";
import { checkStore, repairStore } from "../../../../src/km/io/engine/check.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import { allIn, putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);
const limitBytes = 1e9;
const bytesOfKey = 100;

function open(folder: string, files: FileSystem = diskFiles) {
  const onFailure = (fault: Fault) => {
    throw fault;
  };
  const options = { folder, masterKey, limitBytes, wipeAfter: ms(600_000), onFailure, files };
  return openEngine(options);
}

/** Two segments, of five keys each; two keys of the first are an extent. */
async function closedStore(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-unreadable-"));
  t.teardown(() => rm(folder, { recursive: true }));
  for (const round of [1, 2]) {
    const { store } = await open(folder);
    const keys = [1, 2, 3, 4, 5].map((n) => {
      const id = Buffer.alloc(16, round * 10 + n);
      return { id, bits: bytesOfKey * 8, bytes: Buffer.alloc(bytesOfKey, n) };
    });
    const stored = await new Promise<readonly Buffered[]>((done) =>
      putKeys(store, "m", keys, done),
    );
    const handles = stored.slice(0, 2).map(({ handle }) => handle);
    const extents = [{ link: "ab", number: 1, length: 2 * bytesOfKey, handles }];
    if (round === 1) {
      const rows = [{ kind: "extent", link: "ab", key: "1", value: Buffer.from("{}") }] as const;
      await new Promise<void>((done) => store.commit({ extents, rows }, done));
    }
    await store.close();
  }
  return folder;
}

/** @param at bytes that the disk does not give back, of this file */
function broken(path: string, at: number, code: string, isBroken = () => true): FileSystem {
  return {
    ...diskFiles,
    open: async (name, flags, mode) => {
      const file = await diskFiles.open(name, flags, mode);
      if (name !== path) return file;
      const read: typeof file.read = async (target, offset, length, position) => {
        const hits = position <= at && at < position + length;
        if (hits && isBroken()) throw Object.assign(new Error(code), { code, path });
        return file.read(target, offset, length, position);
      };
      return {
        read,
        write: (...all) => file.write(...all),
        datasync: () => file.datasync(),
        truncate: (length) => file.truncate(length),
        stat: () => file.stat(),
        close: () => file.close(),
      };
    },
  };
}

/** Files of a folder that this process has open. */
async function openIn(folder: string): Promise<string[]> {
  const fds = await readdir("/proc/self/fd");
  const paths = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")));
  return paths.filter((path) => path.startsWith(folder));
}

for (const [what, code, at] of [
  ["header", "EIO", 10],
  ["keys", "EBADMSG", 700],
] as const) {
  test(`a segment whose ${what} the disk does not give is damaged; a repair sets it aside`, async (t) => {
    const folder = await closedStore(t);
    const [first = ""] = (await readdir(join(folder, "intake"))).toSorted();
    const path = join(folder, "intake", first);
    const files = broken(path, at, code);
    // The first is whole, and was open by then.
    const [, second = ""] = (await readdir(join(folder, "intake"))).toSorted();
    const later = broken(join(folder, "intake", second), at, code);
    await t.throwsAsync(open(folder, later));
    t.deepEqual(await openIn(folder), [], "what was opened is closed");
    const refused = (await t.throwsAsync(open(folder, files))) as Fault;
    t.true(describe(refused).includes(`file=${path}, reason=${code}`), describe(refused));

    const check = await checkStore({ folder, masterKey, files });
    t.like(check, { segments: 1, damaged_segments: 1, damaged_extents: 0 });
    const left = check.waiting_keys;
    t.true(left === 3 || left === 5, `${left}`);
    const { before, after } = await repairStore({ folder, masterKey, limitBytes, files });
    t.deepEqual(before, check);
    t.like(after, { damaged_segments: 0, waiting_keys: left, extents: 1 });
    t.true((await readdir(join(folder, "intake"))).includes(`${first}.damaged`));
    const { store, loaded } = await open(folder);
    t.is(allIn(loaded.buffered).length, left);
    await store.close();
  });
}

test("an extent that the disk does not give is damaged; a repair drops it", async (t) => {
  const folder = await closedStore(t);
  const [volume = ""] = await readdir(join(folder, "volumes"));
  const files = broken(join(folder, "volumes", volume), 200, "EIO");
  const check = await checkStore({ folder, masterKey, files });
  t.like(check, { extents: 1, damaged_extents: 1, waiting_keys: 8, damaged_segments: 0 });
  const { after } = await repairStore({ folder, masterKey, limitBytes, files });
  t.like(after, { extents: 0, damaged_extents: 0, waiting_keys: 8 });
});

test("what is of more than one file ends a check", async (t) => {
  const folder = await closedStore(t);
  const [segment = ""] = await readdir(join(folder, "intake"));
  const files = broken(join(folder, "intake", segment), 10, "ENOMEM");
  t.is(
    ((await t.throwsAsync(checkStore({ folder, masterKey, files }))) as Fault).code,
    "km_store.io",
  );
});

test("a start that cannot read the header of an extent says so, and a repair drops that extent", async (t) => {
  const folder = await closedStore(t);
  const [volume = ""] = await readdir(join(folder, "volumes"));
  const path = join(folder, "volumes", volume);
  const files = broken(path, 40, "EIO");
  const refused = (await t.throwsAsync(open(folder, files))) as Fault;
  t.true(describe(refused).includes(`file=${path}, reason=EIO`), describe(refused));
  t.deepEqual(await openIn(folder), []);
  const { before, after } = await repairStore({ folder, masterKey, limitBytes, files });
  t.like(before, { extents: 1, damaged_extents: 1 });
  t.like(after, { extents: 0, damaged_extents: 0, waiting_keys: 8 });
});

test("bytes of an extent that the disk does not give are those alone that a use does not find", async (t) => {
  const folder = await closedStore(t);
  const [volume = ""] = await readdir(join(folder, "volumes"));
  let isBroken = true;
  const path = join(folder, "volumes", volume);
  const files = broken(path, 200, "EIO", () => isBroken);
  const { store, loaded } = await open(folder, files);
  const [handle = 0] = allIn(loaded.buffered).map((key) => key.handle);
  const extents = [{ link: "ab", number: 2, length: bytesOfKey, handles: [handle] }];
  await new Promise<void>((done) => store.commit({ extents }, done));
  const read = (extent: number) => {
    const ranges = [{ extent, start: 0, end: bytesOfKey }];
    return new Promise<Buffer | undefined>((done) => store.read("ab", ranges, done));
  };
  t.is(await read(1), undefined);
  t.is((await read(2))?.length, bytesOfKey);
  // Nor does what is used of it, and to be made unreadable, end anything.
  store.forget("ab", [{ extent: 1, start: 0, end: bytesOfKey }]);
  await store.shred();
  t.is((await read(2))?.length, bytesOfKey);
  isBroken = false;
  await store.shred();
  t.true((await read(1))?.equals(Buffer.alloc(bytesOfKey)), "it is made unreadable later");
  await store.close();
});
