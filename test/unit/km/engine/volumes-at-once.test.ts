/** A start looks at several volumes side by side, and at so few that memory for it stays small. */
import { randomBytes } from "node:crypto";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { FileSystem } from "../../../../src/host/disk/files.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import { Disk } from "../../../faults/disk.ts";
import { MemoryLedger } from "../../../faults/memory-ledger.ts";
import { putKeys } from "../../../rig/stored-keys.ts";

const volumes = 12;
const masterKey = randomBytes(32);

test("a start looks at eight volumes side by side, and no more", async (t) => {
  const disk = new Disk();
  const ledger = new MemoryLedger(disk, () => 0);
  let [now, most] = [0, 0];
  const files: FileSystem = {
    open: async (path, flags) => {
      const file = await disk.open(path, flags);
      if (!path.endsWith(".vol")) return file;
      const read: typeof file.read = async (...all) => {
        most = Math.max(most, ++now);
        return file.read(...all).finally(() => now--);
      };
      return { ...file, read };
    },
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    list: (path) => disk.list(path),
    makeFolder: () => disk.makeFolder(),
    syncFolder: () => disk.syncFolder(),
  };
  const open = () =>
    openEngine({
      folder: "/km",
      files,
      ledger: () => ledger,
      masterKey,
      limitBytes: 1e9,
      wipeAfter: ms(600_000),
      cycleMs: 0,
      reserveBytes: 0,
      onFailure: (fault) => t.fail(fault.message),
    });
  // Each start begins a volume of its own.
  for (let number = 1; number <= volumes; number++) {
    const { store } = await open();
    const key = { id: randomBytes(16), bits: 800, bytes: randomBytes(100) };
    const [stored] = await new Promise<readonly Buffered[]>((done) =>
      putKeys(store, "m", [key], done),
    );
    const extents = [{ link: "ab", number, length: 100, handles: [stored?.handle ?? 0] }];
    await new Promise<void>((done) => store.commit({ extents }, done));
    await store.close();
  }
  most = 0;
  const { store, loaded } = await open();
  t.is(loaded.extents.length, volumes);
  t.is(most, 8);
  await store.close();
});
