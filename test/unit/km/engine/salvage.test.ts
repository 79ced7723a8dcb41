/** An extent with one stretch that the disk does not give: the others stay stock, and what was used of them is wiped in time. */
import { randomBytes } from "node:crypto";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { FileSystem } from "../../../../src/host/disk/files.ts";
import { type Opened, openEngine } from "../../../../src/km/io/engine/open.ts";
import type { LostStock } from "../../../../src/km/io/engine/salvage.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import type { Change } from "../../../../src/km/store/port.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";
import { MemoryLedger } from "../../../faults/memory-ledger.ts";
import { steal } from "../../../rig/store-thief.ts";
import { putKeys } from "../../../rig/stored-keys.ts";

const folder = "/km";
const wipeAfterMs = 10_000;
const stretch = 16_384;
/** Four stretches, and some of a fifth. */
const length = 70_000;
/** A byte of the second stretch, in the first volume. */
const badByte = 128 + stretch + 16 + 1_000;

class Bench {
  readonly disk = new Disk();
  readonly ledger = new MemoryLedger(this.disk, () => 0);
  readonly clock = new ManualClock();
  readonly masterKey = randomBytes(32);
  readonly bytes = randomBytes(length);
  readonly lost: LostStock[] = [];
  isBroken = false;

  get files(): FileSystem {
    const { disk } = this;
    return {
      open: async (path, flags) => {
        const file = await disk.open(path, flags);
        if (!path.endsWith("/000000000001.vol")) return file;
        const read: typeof file.read = async (target, offset, size, position) => {
          const hits = position <= badByte && badByte < position + size;
          if (hits && this.isBroken) throw systemError("EIO");
          return file.read(target, offset, size, position);
        };
        return { ...file, read };
      },
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
      list: (path) => disk.list(path),
      makeFolder: () => disk.makeFolder(),
      syncFolder: () => disk.syncFolder(),
    };
  }

  open(masterKey: Buffer = this.masterKey): Promise<Opened> {
    return openEngine({
      folder,
      masterKey: Buffer.from(masterKey),
      limitBytes: 1e9,
      wipeAfter: ms(wipeAfterMs),
      cycleMs: 0,
      clock: this.clock,
      files: this.files,
      ledger: () => this.ledger,
      reserveBytes: 2_048,
      onFailure: (fault) => {
        throw fault;
      },
      onLost: (lost) => this.lost.push(lost),
    });
  }

  /** A store with one extent, on a disk that then does not give one stretch of it. */
  async broken(): Promise<Opened> {
    const opened = await this.open();
    const { bytes } = this;
    const stored = await new Promise<readonly Buffered[]>((done) =>
      putKeys(opened.store, "m", [{ id: randomBytes(16), bits: length * 8, bytes }], done),
    );
    const handles = stored.map(({ handle }) => handle);
    const change: Change = { extents: [{ link: "ab", number: 1, length, handles }] };
    await new Promise<void>((done) => opened.store.commit(change, done));
    this.isBroken = true;
    return opened;
  }

  async pass(store: Opened["store"], forMs: number): Promise<void> {
    for (let at = 0; at < forMs; at += 100) {
      await this.clock.advance(100);
      await store.quiet();
    }
  }

  /** Whether who has all files and this master key finds these bytes. */
  isFound(masterKey: Buffer, start: number): boolean {
    const loot = steal(this.disk.files(folder), masterKey, { link: "ab", extents: 1 });
    return Buffer.concat(loot).includes(this.bytes.subarray(start, start + 16));
  }
}

const read = ({ store }: Opened, start: number, end: number) =>
  new Promise<Buffer | undefined>((done) => {
    store.read("ab", [{ extent: 1, start, end }], done);
  });

test("what was used beside bytes that the disk does not give is wiped in time, and the rest stays stock", async (t) => {
  const bench = new Bench();
  const opened = await bench.broken();
  const { store } = opened;
  store.forget("ab", [{ extent: 1, start: 0, end: 20_000 }]);
  await bench.pass(store, wipeAfterMs);
  t.false(bench.isFound(bench.masterKey, 0), "used, and not damaged");
  t.false(bench.isFound(bench.masterKey, 18_000), "used, of the damaged stretch");
  t.deepEqual(bench.lost, [{ link: "ab", number: 1, bytes: stretch }]);
  t.is(await read(opened, 20_000, 20_032), undefined, "damaged, and not zeros");
  const rest = 2 * stretch;
  t.true((await read(opened, rest, length))?.equals(bench.bytes.subarray(rest)));
  // Another round gives up no more, and tells nothing again.
  store.forget("ab", [{ extent: 1, start: 20_000, end: 40_000 }]);
  await bench.pass(store, wipeAfterMs);
  t.false(bench.isFound(bench.masterKey, 39_000));
  t.is(bench.lost.length, 1);
  await store.close();
});

test("bytes that the disk gives again a moment later are not given up", async (t) => {
  const bench = new Bench();
  const opened = await bench.broken();
  opened.store.forget("ab", [{ extent: 1, start: 0, end: 20_000 }]);
  await bench.pass(opened.store, wipeAfterMs / 2);
  t.true(bench.isFound(bench.masterKey, 0), "it was tried, and can be read by others still");
  bench.isBroken = false;
  await bench.pass(opened.store, wipeAfterMs / 2);
  t.false(bench.isFound(bench.masterKey, 0));
  t.deepEqual(bench.lost, []);
  t.true((await read(opened, 20_000, length))?.equals(bench.bytes.subarray(20_000)));
  await opened.store.close();
});

test("a damaged stretch of which all is used costs nothing", async (t) => {
  const bench = new Bench();
  const opened = await bench.broken();
  opened.store.forget("ab", [{ extent: 1, start: 0, end: 2 * stretch }]);
  await bench.pass(opened.store, wipeAfterMs);
  t.false(bench.isFound(bench.masterKey, 0));
  t.deepEqual(bench.lost, []);
  await opened.store.close();
});

test("a re-key over bytes that the disk never gives ends, and the old master key opens nothing", async (t) => {
  const bench = new Bench();
  const first = await bench.broken();
  const next = randomBytes(32);
  const before = bench.disk.read(`${folder}/store`) as Buffer;
  await first.store.rekey(next);
  await bench.pass(first.store, 20_000);
  t.is(first.store.resealingBytes, undefined);
  t.deepEqual(bench.lost, [{ link: "ab", number: 1, bytes: stretch }]);
  bench.disk.put(`${folder}/store`, Buffer.concat([before]));
  t.false(bench.isFound(bench.masterKey, 3 * stretch));
  bench.disk.put(`${folder}/store`, undefined);
  t.true((await read(first, 2 * stretch, length))?.equals(bench.bytes.subarray(2 * stretch)));
});
