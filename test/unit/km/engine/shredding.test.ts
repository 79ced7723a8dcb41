/** What is used is made unreadable while keys are asked for. */

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import {
  diskFiles,
  durableWrites,
  type FileSystem,
  type OpenFile,
} from "../../../../src/host/disk/files.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import type { Change } from "../../../../src/km/store/port.ts";
import { ManualClock } from "../../../clock.ts";
import { putKeys } from "../../../rig/stored-keys.ts";

const wipeAfter = ms(10_000);
const extents = 10;
const length = 200_000;

test("much that was used is sealed anew in pieces", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-shredding-"));
  const clock = new ManualClock();
  const { store } = await openEngine({
    folder,
    masterKey: randomBytes(32),
    limitBytes: 1e9,
    wipeAfter,
    cycleMs: 0,
    clock,
    onFailure: (fault) => t.fail(fault.message),
  });
  t.teardown(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });
  const commit = (change: Change) => new Promise<void>((done) => store.commit(change, done));
  for (let number = 1; number <= extents; number++) {
    const key = { id: randomBytes(16), bits: length * 8, bytes: randomBytes(length) };
    const stored = await new Promise<readonly Buffered[]>((done) =>
      putKeys(store, "m", [key], done),
    );
    const handles = stored.map(({ handle }) => handle);
    await commit({ extents: [{ link: "ab", number, length, handles }] });
    store.forget("ab", [{ extent: number, start: 0, end: length / 2 }]);
  }
  const written: number[] = [];
  for (let i = 0; i < 20; i++) {
    const before = store.use().diskBytes;
    await clock.advance(i === 0 ? wipeAfter / 2 : 10);
    await store.quiet();
    written.push(store.use().diskBytes - before);
  }
  // Two extents are more than a piece.
  t.true(Math.max(...written) < 2.5 * length, `${written}`);
  t.true(written.filter((bytes) => bytes > length).length >= extents / 2, `${written}`);
  for (let extent = 1; extent <= extents; extent++) {
    const range = { extent, start: 0, end: length };
    const left = await new Promise<Buffer | undefined>((done) => store.read("ab", [range], done));
    t.true(left?.subarray(0, length / 2).equals(Buffer.alloc(length / 2)));
    t.false(left?.subarray(length / 2).equals(Buffer.alloc(length / 2)));
  }
});

test("what is committed while an extent is sealed anew does not wait for it, and an extent that is gone stays gone", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-shredding-"));
  // The second volume is the one of what is sealed anew: its disk takes as long as the test wants.
  const [begun, slow] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const files: FileSystem = {
    ...diskFiles,
    async open(path, flags, mode) {
      const file = await diskFiles.open(path, flags, mode);
      if (!path.endsWith("000002.vol") || flags !== durableWrites) return file;
      const write: OpenFile["write"] = async (...all) => {
        begun.resolve();
        await slow.promise;
        return await file.write(...all);
      };
      return new Proxy(file, {
        get: (of, name) => {
          if (name === "write") return write;
          const value = Reflect.get(of, name, of);
          return typeof value === "function" ? value.bind(of) : value;
        },
      });
    },
  };
  const clock = new ManualClock();
  const options = { folder, masterKey: randomBytes(32), limitBytes: 1e9, wipeAfter, cycleMs: 0 };
  const onFailure = (fault: Error) => t.fail(fault.message);
  const { store } = await openEngine({ ...options, clock, files, onFailure });
  t.teardown(() => rm(folder, { recursive: true }));
  const commit = (change: Change) => new Promise<void>((done) => store.commit(change, done));
  const put = (bytes: Buffer) =>
    new Promise<number[]>((done) => {
      const key = { id: randomBytes(16), bits: bytes.length * 8, bytes };
      putKeys(store, "m", [key], (stored) => done(stored.map(({ handle }) => handle)));
    });
  const bytes = randomBytes(1_000);
  for (const number of [1, 2]) {
    const handles = await put(bytes);
    const rows = [{ kind: "extent", link: "ab", key: `${number}`, value: Buffer.of(1) }] as const;
    await commit({ extents: [{ link: "ab", number, length: bytes.length, handles }], rows });
    store.forget("ab", [{ extent: number, start: 0, end: 100 }]);
  }
  await clock.advance(wipeAfter / 2);
  await begun.promise;
  const rows = [{ kind: "extent", link: "ab", key: "1", value: undefined }] as const;
  await Promise.all([commit({ gone: [{ link: "ab", number: 1 }], rows }), put(bytes)]);
  slow.resolve();
  await store.quiet();
  const read = (extent: number) =>
    new Promise<Buffer | undefined>((done) => {
      store.read("ab", [{ extent, start: 0, end: bytes.length }], done);
    });
  t.is(await read(1), undefined);
  t.deepEqual(await read(2), Buffer.concat([Buffer.alloc(100), bytes.subarray(100)]));
  await store.close();
  const again = await openEngine({ ...options, clock, onFailure });
  t.deepEqual(
    again.loaded.extents.map(({ number }) => number),
    [2],
  );
  t.is(again.loaded.buffered.length, 1);
  await again.store.close();
});
