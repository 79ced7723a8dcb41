import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { Fault } from "../../../../src/base/errors.ts";
import type { FileSystem } from "../../../../src/host/disk/files.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";
import { MemoryLedger } from "../../../faults/memory-ledger.ts";

/** What others fill: there is room for no more than what the reserve leaves. */
class FullDisk {
  readonly disk = new Disk();
  isFull = false;

  get hasRoom(): boolean {
    return !this.isFull || this.disk.read("/store/reserve") === undefined;
  }

  /** The file of the store's keys alone cannot be written; another file's trouble is its own. */
  get files(): FileSystem {
    const { disk } = this;
    const open: FileSystem["open"] = async (path, flags) => {
      const file = await disk.open(path, flags);
      if (!path.endsWith("/store.new")) return file;
      return {
        ...file,
        write: async (...all) => {
          if (!this.hasRoom) throw systemError("ENOSPC");
          return file.write(...all);
        },
      };
    };
    return {
      open,
      remove: (path) => disk.remove(path),
      rename: (from, to) => disk.rename(from, to),
      list: (path) => disk.list(path),
      makeFolder: () => disk.makeFolder(),
      syncFolder: () => disk.syncFolder(),
    };
  }
}

/** Books that need room for files of their own while they are open. */
class OpenLedger extends MemoryLedger {
  readonly #of: FullDisk;

  constructor(of: FullDisk) {
    super(of.disk, () => 0);
    this.#of = of;
  }

  override async load() {
    if (!this.#of.hasRoom) throw new Fault("km_store.full", "no room for the books");
    return super.load();
  }
}

function bench() {
  const full = new FullDisk();
  const ledger = new OpenLedger(full);
  const open = (masterKey: Buffer) =>
    openEngine({
      folder: "/store",
      masterKey: Buffer.from(masterKey),
      limitBytes: 1e9,
      wipeAfter: ms(600_000),
      cycleMs: 0,
      clock: new ManualClock(),
      files: full.files,
      ledger: () => ledger,
      reserveBytes: 2_048,
      onFailure: (fault) => {
        throw fault;
      },
    });
  return { full, open };
}

test("a store opens on a disk that others filled: its reserve makes way, and no key is taken", async (t) => {
  const { full, open } = bench();
  const masterKey = Buffer.alloc(32, 1);
  const first = await open(masterKey);
  t.is(first.store.full(), undefined);
  await first.store.close();
  full.isFull = true;
  const { store } = await open(masterKey);
  t.is(store.full(), "full");
  await store.close();
});

test("so does one that was stopped in the middle of a re-key", async (t) => {
  const { full, open } = bench();
  const first = await open(Buffer.alloc(32, 1));
  const next = Buffer.alloc(32, 2);
  await first.store.rekey(next);
  await first.store.close();
  full.isFull = true;
  const { store } = await open(next);
  t.is(store.full(), "full");
  await store.close();
});
