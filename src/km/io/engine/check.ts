/** Reads all of a store, changes nothing, and tells what is wrong; and a repair that drops what is damaged. */

import { randomBytes } from "node:crypto";
import { ms } from "../../../base/duration.ts";
import { Fault } from "../../../base/errors.ts";
import { diskFiles, type FileSystem } from "../../../host/disk/files.ts";
import { wipeMemory } from "../../../port/key.ts";
import { rowKind } from "../../store/port.ts";
import { IntakeFiles } from "./intake-files.ts";
import { Keyring } from "./keyring.ts";
import { type Ledger, LedgerThread } from "./ledger.ts";
import { openEngine } from "./open.ts";
import { Volumes } from "./volumes.ts";

export interface StoreCheck {
  readonly segments: number;
  readonly waiting_keys: number;
  readonly waiting_bytes: number;
  readonly used_keys: number;
  readonly extents: number;
  readonly extent_bytes: number;
  /** Segments of which no key can be read. */
  readonly damaged_segments: number;
  /** Groups of keys that do not open: damaged, or not written to their end when power failed. */
  readonly damaged_groups: number;
  /** Extents whose bytes do not open. */
  readonly damaged_extents: number;
  /** Extents of the books whose file is gone or too short. */
  readonly missing_extents: number;
  /** Rows of stock without bytes, and bytes without a row. */
  readonly rows_alone: number;
  readonly extents_alone: number;
  /** Records of used keys that do not fit their group: all keys of such a group count as used. */
  readonly damaged_use: number;
}

interface Found {
  readonly check: StoreCheck;
  /** Extents of which nothing can be used: no bytes that open, or no row. */
  readonly useless: readonly { readonly link: string; readonly number: number }[];
}

export interface CheckOptions {
  /** The caller has the lock of its KM: nothing else uses it. */
  readonly folder: string;
  readonly masterKey: Uint8Array;
  readonly files?: FileSystem;
}

/** Whether keys or stock were lost: a group that power failed under was never acknowledged. */
export function isWhole(check: StoreCheck): boolean {
  const { damaged_segments, damaged_groups, damaged_extents, missing_extents } = check;
  const { rows_alone, extents_alone, damaged_use } = check;
  const lost = damaged_segments + damaged_groups + damaged_extents + missing_extents;
  return lost + rows_alone + extents_alone + damaged_use === 0;
}

/** @throws Fault `km_store.key`, `.corrupt`, `.version`, `.io` */
export async function checkStore(options: CheckOptions): Promise<StoreCheck> {
  return (await look(options)).check;
}

async function look({ folder, masterKey, files = diskFiles }: CheckOptions): Promise<Found> {
  if (!(await files.list(folder)).includes("books.sqlite")) {
    throw new Fault("km_store.io", "there is no store here", { folder });
  }
  const keyring = new Keyring(files, folder, randomBytes);
  await keyring.open(masterKey, false);
  const ledger: Ledger = new LedgerThread(`${folder}/books.sqlite`);
  const intake = new IntakeFiles(files, folder, keyring, randomBytes, () => 0);
  const volumes = new Volumes(files, folder, keyring, randomBytes);
  try {
    const books = await ledger.load();
    const keys = await lookAtIntake(intake, new Map(books.consumed.map((row) => [row.grp, row])));
    const missing = await volumes.load(books.extents, "as it is");
    const stock = await lookAtVolumes(volumes);
    const known = books.rows.filter(({ kind }) => kind === rowKind.extent);
    const rows = new Set(known.map(({ link, key }) => `${link} ${key}`));
    const there = new Set(books.extents.map(({ link, number }) => `${link} ${number}`));
    const alone = books.extents.filter(({ link, number }) => !rows.has(`${link} ${number}`));
    const { damaged, ...sizes } = stock;
    return {
      check: {
        ...keys,
        ...sizes,
        damaged_extents: damaged.length,
        missing_extents: missing.length,
        rows_alone: [...rows].filter((name) => !there.has(name)).length,
        extents_alone: alone.length,
      },
      useless: [...damaged, ...alone],
    };
  } finally {
    await intake.close();
    await volumes.close();
    await ledger.close();
    keyring.wipe();
  }
}

async function lookAtIntake(
  intake: IntakeFiles,
  consumed: ReadonlyMap<number, { readonly bits: Uint8Array }>,
) {
  const { groups, damaged, damagedGroups, segments } = await intake.load("as it is");
  let [waiting_keys, waiting_bytes, used_keys, damaged_use] = [0, 0, 0, 0];
  for (const group of groups) {
    const bits = consumed.get(group.number)?.bits;
    if (bits !== undefined && !group.markConsumed(bits)) damaged_use++;
    waiting_keys += group.live;
    used_keys += group.count - group.live;
    for (let i = 0; i < group.count; i++) if (group.isLive(i)) waiting_bytes += group.lengthOf(i);
    group.evict();
  }
  return {
    segments,
    waiting_keys,
    waiting_bytes,
    used_keys,
    damaged_segments: damaged.length,
    damaged_groups: damagedGroups,
    damaged_use,
  };
}

async function lookAtVolumes(volumes: Volumes) {
  const damaged: { link: string; number: number }[] = [];
  let [extents, extent_bytes] = [0, 0];
  for (const place of volumes.extents) {
    const { link, number, length } = place;
    const bytes = await volumes.read(place, 0, length);
    if (bytes === undefined) damaged.push({ link, number });
    else wipeMemory(bytes);
    extents++;
    extent_bytes += length;
  }
  return { extents, extent_bytes, damaged };
}

/**
 * Drops what is damaged: its keys are lost, and no used one is free again. What the other KM has of lost stock
 * becomes void when both compare their books.
 * @returns what was found before, and what is there now
 */
export async function repairStore(
  options: CheckOptions & { readonly limitBytes: number },
): Promise<{ before: StoreCheck; after: StoreCheck }> {
  const { check: before, useless } = await look(options);
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  // Opening sets damaged segments aside, and strikes missing extents off the books.
  const { store } = await openEngine({
    ...options,
    wipeAfter: ms(600_000),
    onFailure: (fault) => failed.reject(fault),
  });
  const dropped = new Promise<void>((resolve) => store.commit({ gone: useless }, resolve));
  try {
    await Promise.race([dropped, failed.promise]);
    await store.shred();
  } finally {
    await store.close();
  }
  return { before, after: await checkStore(options) };
}
