/** The key manager's folder, its records, its master key, and the store that it opens. */
import type { Clock } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { lockFolder } from "../../host/disk/lock.ts";
import type {
  KmTable,
  LinkConfig,
  ModuleConfig,
  RecordsTable,
  StoreTable,
} from "../config/tables.ts";
import { openEngine } from "../io/engine/open.ts";
import { openMasterKey } from "../io/master-key-source.ts";
import { lockStore } from "../io/store-lock.ts";
import { NextStart } from "./next-start.ts";
import { KmRecords } from "./records.ts";
import { MasterKeyOfStore } from "./rekey.ts";

export interface StoreTables {
  readonly km: KmTable;
  readonly store: StoreTable;
  readonly records: RecordsTable;
  readonly links: readonly LinkConfig[];
  readonly modules: readonly ModuleConfig[];
}

interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
  /** A token is not waited for any more. */
  readonly stop: AbortSignal;
  /** The store can't go on: the process ends. */
  readonly onFailure: (error: unknown) => void;
  /** Stock was given up while the store is open. */
  readonly onLost: () => void;
}

/** The folder is this process's alone (`locked` is called then), and the store in it is open. @throws Fault; `stopped` */
export async function openStore(
  config: StoreTables,
  { clock, log, stop, onFailure, onLost }: Surroundings,
  house: AsyncDisposableStack,
  locked: () => Promise<void>,
) {
  const { km, store } = config;
  const { limit_mb, wipe_after } = store;
  await diskFiles.makeFolder(km.state_dir);
  const lock = await lockFolder(km.state_dir);
  house.defer(() => lock.release());
  await locked();
  // Before the store, so that they are closed after it: what the store still tells is on record.
  const records = await KmRecords.open(config, clock, log.child("records"));
  house.defer(() => records.close());
  const found = await openMasterKey(config, clock, { stop });
  let onRekeyed = () => {};
  const folder = `${km.state_dir}/store`;
  const openLocked = async () => {
    // Not before there is a master key for it: a store that is missing, and moved back, is to find no folder there.
    const ofStore = await lockStore(folder);
    house.defer(() => ofStore.release());
    return openEngine({
      folder,
      masterKey: found.key,
      limitBytes: limit_mb * 1_000_000,
      wipeAfter: wipe_after,
      clock,
      onFailure,
      onRekeyed: () => onRekeyed(),
      onLost: ({ link, number, bytes }) => {
        log
          .child("store")
          .error("stock is damaged on the disk: lost", { link, extent: number, bytes });
        onLost();
      },
    });
  };
  const opened = await openLocked().finally(() => found.key.fill(0));
  house.defer(() => opened.store.close());
  records.useRoom(opened.room);
  const nextStart = new NextStart({ config, clock, stop });
  const parts = { config, store: opened.store, records, clock, log: log.child("store"), nextStart };
  const masterKey = new MasterKeyOfStore(parts, found);
  for (const why of found.useless ?? []) {
    parts.log.warn(`a master key can't be had, and another opens the store: ${describe(why)}`);
  }
  await masterKey.settle();
  const watching = nextStart.start();
  house.defer(() => watching.cancel());
  onRekeyed = () => masterKey.done();
  const { segments, gone, extents, groups, keys } = opened.damage;
  if (groups > 0) log.error("keys that came are damaged: lost", { groups });
  if (keys > 0) log.error("keys that waited are gone: lost", { keys });
  for (const segment of segments) log.error("keys that came are damaged: lost", { segment });
  for (const segment of gone) log.error("a file with keys that waited is gone: lost", { segment });
  for (const { link, number } of extents) {
    log.error("stock is not there, or does not open: lost", { link, extent: number });
  }
  return { ...opened, records, masterKey };
}
