import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { Fault } from "../../../../src/base/errors.ts";
import type { LedgerChange } from "../../../../src/km/io/engine/ledger.ts";
import { type Opened, openEngine } from "../../../../src/km/io/engine/open.ts";
import type { Buffered } from "../../../../src/km/store/buffered.ts";
import type { Change } from "../../../../src/km/store/port.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk } from "../../../faults/disk.ts";
import { MemoryLedger } from "../../../faults/memory-ledger.ts";
import { steal } from "../../../rig/store-thief.ts";
import { allIn, putKeys } from "../../../rig/stored-keys.ts";

/** Books that have no room for some changes. */
class FullLedger extends MemoryLedger {
  hasRoom: (change: LedgerChange) => boolean = () => true;
  refused = 0;

  override async apply(change: LedgerChange): Promise<void> {
    if (this.hasRoom(change)) return super.apply(change);
    this.refused++;
    throw new Fault("km_store.full", "no room for the books");
  }
}

const folder = "/store";
const masterKeys = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const;

class Bench {
  readonly disk = new Disk();
  readonly ledger = new FullLedger(this.disk, () => 0);
  readonly clock = new ManualClock();

  open(masterKey: Buffer): Promise<Opened> {
    return openEngine({
      folder,
      masterKey: Buffer.from(masterKey),
      limitBytes: 1e9,
      wipeAfter: ms(600_000),
      cycleMs: 0,
      clock: this.clock,
      files: this.disk,
      ledger: () => this.ledger,
      reserveBytes: 2_048,
      onFailure: (fault) => {
        throw fault;
      },
    });
  }

  /** Seals anew what is under the older key of the store, as far as there is room. */
  async reseal({ store }: Opened): Promise<void> {
    for (let i = 0; i < 10 && store.resealingBytes !== undefined; i++) {
      await this.clock.advance(1_000);
      await store.quiet();
    }
  }
}

const keys = [10, 11, 12].map((n) => ({
  id: Buffer.alloc(16, n),
  bits: 256,
  bytes: Buffer.alloc(32, n),
}));

const put = ({ store }: Opened) =>
  new Promise<readonly Buffered[]>((resolve) => putKeys(store, "m", keys, resolve));
const commit = ({ store }: Opened, change: Change) =>
  new Promise<void>((resolve) => store.commit(change, resolve));

test("a used key is not free again when the books have no room while its group is sealed anew", async (t) => {
  const bench = new Bench();
  const { ledger } = bench;
  const first = await bench.open(masterKeys[0]);
  const [used] = await put(first);
  await commit(first, { dropped: [used?.handle as number] });
  ledger.hasRoom = ({ consumed }) => consumed.every(({ grp, segment }) => grp < 0 || segment < 2);
  await first.store.rekey(masterKeys[1]);
  await bench.reseal(first);
  t.true(ledger.refused > 0);
  ledger.hasRoom = () => true;
  await bench.reseal(first);
  t.is(first.store.resealingBytes, undefined);
  await first.store.close();
  const { loaded, store } = await bench.open(masterKeys[1]);
  const there = allIn(loaded.buffered).map(({ id }) => id[0]);
  t.deepEqual(there, [11, 12]);
  await store.close();
});

test("what was sealed anew, and the books have no room for, is in no file when it is used", async (t) => {
  const bench = new Bench();
  const { ledger, disk } = bench;
  const first = await bench.open(masterKeys[0]);
  const handles = (await put(first)).map(({ handle }) => handle);
  await commit(first, { extents: [{ link: "ab", number: 1, length: 96, handles }] });
  ledger.hasRoom = ({ extents }) => extents.length === 0;
  await first.store.rekey(masterKeys[1]);
  await bench.reseal(first);
  t.true(ledger.refused > 0);
  ledger.hasRoom = () => true;
  await commit(first, { gone: [{ link: "ab", number: 1 }] });
  await bench.reseal(first);
  await first.store.shred();
  const loot = steal(disk.files(folder), masterKeys[1], { link: "ab", extents: 2 });
  t.false(Buffer.concat(loot).includes(keys[0]?.bytes as Buffer));
  await first.store.close();
});

test("rows of segments that went when the books had no room go as soon as they have", async (t) => {
  const bench = new Bench();
  const { ledger } = bench;
  const first = await bench.open(masterKeys[0]);
  const handles = (await put(first)).map(({ handle }) => handle);
  await commit(first, { dropped: handles.slice(1) });
  ledger.hasRoom = ({ segmentsGone }) => segmentsGone.length === 0;
  await first.store.rekey(masterKeys[1]);
  await commit(first, { dropped: handles.slice(0, 1) });
  await bench.reseal(first);
  t.true(ledger.refused > 0);
  const rows = async () => (await ledger.load()).consumed.filter(({ grp }) => grp >= 0);
  t.is((await rows()).length, 1);
  ledger.hasRoom = () => true;
  await first.store.shred();
  t.deepEqual(await rows(), []);
  await first.store.close();
});
