/** What is used is made unreadable while keys are asked for. */

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import type { Change } from "../../../../src/km/store/port.ts";
import { ManualClock } from "../../../clock.ts";
import { putKeys } from "../../../rig/stored-keys.ts";

const wipeAfter = ms(10_000);
const extents = 10;
const length = 200_000;

test("much that was used is sealed anew in pieces: what is committed meanwhile waits for one of them", async (t) => {
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
    // With the second of them the cycle of the first is over, and what was done in it.
    for (let n = 0; n < 2; n++) await commit({});
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
