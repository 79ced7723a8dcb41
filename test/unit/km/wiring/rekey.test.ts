/** The wrapped master key of a store that gets another: what alone opens the store is never overwritten. */
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import { nextMasterKey, openMasterKey } from "../../../../src/km/io/master-key-source.ts";
import { MasterKeyOfStore } from "../../../../src/km/wiring/rekey.ts";
import { LocalError } from "../../../../src/ops/local/protocol.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk, PowerCut, systemError } from "../../../faults/disk.ts";
import { MemoryLedger } from "../../../faults/memory-ledger.ts";
import { TokenOfTest, tokenConfig } from "../../../rig/token-of-test.ts";

const path = "/km/master-key.hsm";
const next = `${path}.next`;

/** Nothing is put in the place of the wrapped key, as if that were immutable. */
class StubbornDisk extends Disk {
  isStubborn = false;

  override rename(from: string, to: string): Promise<void> {
    if (this.isStubborn && to === path) return Promise.reject(systemError("EPERM"));
    return super.rename(from, to);
  }
}

class World {
  readonly token = new TokenOfTest();
  readonly clock = new ManualClock();
  readonly disk: Disk;
  records: () => Promise<void> = async () => {};

  constructor(disk: Disk) {
    this.disk = disk;
    disk.put(path, Buffer.from(JSON.stringify(this.token.wrap(this.token.bytes(32)))));
  }

  get machine() {
    return { files: this.disk, ask: this.token.ask };
  }

  /** As a start does it. */
  async open() {
    const { clock, disk, token, machine } = this;
    const found = await openMasterKey(tokenConfig, clock, machine);
    const { store } = await openEngine({
      folder: "/km/store",
      masterKey: found.key,
      limitBytes: 1e9,
      wipeAfter: ms(10_000),
      cycleMs: 0,
      clock,
      random: (length) => token.bytes(length),
      files: disk,
      ledger: () => new MemoryLedger(disk, () => 0),
      reserveBytes: 2_048,
      onFailure: () => {},
    });
    const records = { rekey: () => this.records() };
    const log = silentLog;
    const parts = { config: tokenConfig, store, records, clock, log, machine };
    const masterKey = new MasterKeyOfStore(parts, found);
    await masterKey.settle();
    const resealed = async () => {
      for (let i = 0; i < 20 && store.resealingBytes !== undefined; i++) {
        await clock.advance(20_000);
        await new Promise<void>((done) => store.commit({}, done));
      }
    };
    return { store, masterKey, resealed };
  }
}

/** A store that has a new master key, of which the wrapped key is in the file of the next one alone. */
async function unsettled() {
  const disk = new StubbornDisk();
  const world = new World(disk);
  const opened = await world.open();
  disk.isStubborn = true;
  const error = await opened.masterKey.rekey("x").catch((reason) => reason);
  await opened.resealed();
  return { disk, world, error, ...opened };
}

test("a key that can't be put in its place is told as the store's, and no order overwrites it", async (t) => {
  const { disk, world, error, store, masterKey } = await unsettled();
  t.true(error instanceof LocalError);
  t.regex(error.message, /^the store has the new master key, .*\/km\/master-key\.hsm\.next alone/);
  t.deepEqual(masterKey.status(), { from: "hsm" });
  const only = disk.read(next);
  t.truthy(only);
  const again = await t.throwsAsync(masterKey.rekey("x"), { instanceOf: Fault });
  t.regex(again?.message ?? "", /of the last re-key is not in its place yet/);
  t.deepEqual(disk.read(next), only);
  await store.close();

  // It starts nevertheless: with both files there is all that a start needs.
  const later = await world.open();
  t.deepEqual(disk.read(next), only);
  disk.isStubborn = false;
  await later.masterKey.rekey("x");
  t.is(disk.read(next), undefined);
  t.notDeepEqual(disk.read(path), only);
  await later.store.close();
  await (await world.open()).store.close();
});

test("power may fail at any operation of the order after it: the store opens", async (t) => {
  let isDone = false;
  let cuts = 0;
  for (let at = 1; !isDone; at++) {
    const { disk, world, masterKey, store } = await unsettled();
    disk.isStubborn = false;
    const first = disk.operations;
    disk.trouble = (operation) => (operation === first + at ? new PowerCut() : undefined);
    void masterKey.rekey("x").catch(() => {});
    for (let i = 0; i < 400 && !disk.dead; i++) await world.clock.advance(1);
    isDone = !disk.dead;
    if (isDone) break;
    cuts++;
    await store.close().catch(() => {});
    for (const arrived of [0, 0.999]) {
      const found = await openMasterKey(tokenConfig, world.clock, {
        files: disk.afterPowerCut(() => arrived),
        ask: world.token.ask,
      });
      await t.notThrowsAsync(found.settle());
    }
  }
  t.true(cuts > 10, `${cuts} cuts`);
});

test("what an earlier process left as the only key of the store is settled before another is made", async (t) => {
  const { disk, world, store } = await unsettled();
  await store.close();
  const only = disk.read(next);
  await t.throwsAsync(nextMasterKey(tokenConfig, world.clock, world.machine), {
    message: /can't be written/,
  });
  t.deepEqual(disk.read(next), only);
  disk.isStubborn = false;
  await nextMasterKey(tokenConfig, world.clock, world.machine);
  t.deepEqual(disk.read(path), only);
  t.notDeepEqual(disk.read(next), only);
});

test("a move whose sync failed is made good by the next try", async (t) => {
  const disk = new Disk();
  const world = new World(disk);
  const { masterKey, resealed } = await world.open();
  let isMoved = false;
  const { syncFolder } = disk;
  disk.syncFolder = async () => {
    if (!isMoved && disk.read(path) !== undefined && disk.read(next) === undefined) {
      isMoved = store0 !== disk.read(path);
      if (isMoved) throw systemError("EIO");
    }
    return syncFolder.call(disk);
  };
  const store0 = disk.read(path);
  await t.throwsAsync(masterKey.rekey("x"), { instanceOf: LocalError });
  t.true(isMoved);
  await resealed();
  const before = disk.operations;
  await masterKey.settle();
  t.true(disk.operations > before + 2);
  const found = openMasterKey(tokenConfig, world.clock, {
    files: disk.afterPowerCut(() => 0),
    ask: world.token.ask,
  });
  await t.notThrowsAsync(found);
});

test("an order that ends before the store has the key leaves nothing of it", async (t) => {
  const world = new World(new Disk());
  const { masterKey } = await world.open();
  const before = world.disk.read(path);
  world.records = () => Promise.reject(new Fault("state.io", "no room for records"));
  await t.throwsAsync(masterKey.rekey("x"), { instanceOf: Fault, message: /no room/ });
  t.is(world.disk.read(next), undefined);
  t.deepEqual(world.disk.read(path), before);
});
