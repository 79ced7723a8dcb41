/** A start tells of extents that do not open: their header is looked at, and no byte of key is read for it. */
import { randomBytes } from "node:crypto";
import { mkdtemp, open as openFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { checkStore } from "../../../../src/km/io/engine/check.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import { sealedLength } from "../../../../src/km/io/engine/place.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import { putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);

for (const [what, length] of [
  ["read together", 100],
  ["read one by one", 100_000],
] as const) {
  test(`an extent whose header does not open is lost, told once, and the others are there (${what})`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-km-extent-keys-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const open = () => {
      const options = { folder, masterKey, limitBytes: 1e9, wipeAfter: ms(600_000), cycleMs: 0 };
      return openEngine({ ...options, onFailure: (fault) => t.fail(fault.message) });
    };
    const { store } = await open();
    const keys = Array.from({ length: 3 }, () => {
      return { id: randomBytes(16), bits: length * 8, bytes: randomBytes(length) };
    });
    const stored = await new Promise<readonly Buffered[]>((done) =>
      putKeys(store, "m", keys, done),
    );
    const extents = stored.map(({ handle }, i) => {
      return { link: "ab", number: i + 1, length, handles: [handle] };
    });
    const rows = extents.map(({ number }) => {
      return { kind: "extent", link: "ab", key: `${number}`, value: Buffer.from("{}") } as const;
    });
    await new Promise<void>((done) => store.commit({ extents, rows }, done));
    await store.close();

    const volume = await openFile(join(folder, "volumes", "000000000001.vol"), "r+");
    await volume.write(randomBytes(8), 0, 8, sealedLength(length) + 40);
    await volume.close();
    t.is((await checkStore({ folder, masterKey })).damaged_extents, 1);

    const second = await open();
    t.deepEqual(second.damage.extents, [{ link: "ab", number: 2 }]);
    t.deepEqual(
      second.loaded.extents.map(({ number }) => number),
      [1, 3],
    );
    for (const extent of [1, 3]) {
      const ranges = [{ extent, start: 0, end: length }];
      const bytes = await new Promise<Buffer | undefined>((done) =>
        second.store.read("ab", ranges, done),
      );
      t.true(bytes?.equals(keys[extent - 1]?.bytes ?? Buffer.alloc(0)), `${extent}`);
    }
    await second.store.close();
    const third = await open();
    t.deepEqual(third.damage.extents, []);
    await third.store.close();
    t.like(await checkStore({ folder, masterKey }), { damaged_extents: 0, missing_extents: 0 });
  });
}
