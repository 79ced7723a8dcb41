/** Reads all of a store, changes nothing, and tells what is wrong; and a repair that drops what is damaged. */

import { randomBytes } from "node:crypto";
import { ms } from "../../../base/duration.ts";
import { Fault } from "../../../base/errors.ts";
import { diskFiles, type FileSystem } from "../../../host/disk/files.ts";
import { wipeMemory } from "../../../port/key.ts";
import { rowKind } from "../../store/port.ts";
import { assertBooksOf } from "./books-of.ts";
import type { Group } from "./group.ts";
import { IntakeFiles } from "./intake-files.ts";
import { giveKeyMemory } from "./key-pool.ts";
import { Keyring } from "./keyring.ts";
import { type Ledger, type LedgerLoaded, LedgerThread } from "./ledger.ts";
import { goneSegments, lostKeys } from "./lost-keys.ts";
import { notOpened, openEngine } from "./open.ts";
import { placeName } from "./place.ts";
import { madeAgain } from "./redo.ts";
import { unlessUnreadable } from "./unreadable.ts";
import { Volumes } from "./volumes.ts";

export interface StoreCheck {
  readonly segments: number;
  readonly waiting_keys: number;
  readonly waiting_bytes: number;
  /** Keys that have left the buffer, and whose bytes a file still has: not those that are zeros by now. */
  readonly used_keys: number;
  readonly extents: number;
  readonly extent_bytes: number;
  /** Segments of which no key can be read, or of which the disk does not give all bytes. */
  readonly damaged_segments: number;
  /** Segments of which the books tell, and whose file is gone: how many keys waited in them is not known. */
  readonly missing_segments: number;
  /** Groups of keys that do not open: damaged, or not written to their end when power failed. */
  readonly damaged_groups: number;
  /**
   * Keys that waited when the store was closed in order, or that the books tell of, and that are not there, for whatever
   * reason: at least so many.
   */
  readonly lost_keys: number;
  /** Extents whose bytes do not open, or that the disk does not give. */
  readonly damaged_extents: number;
  /** Extents of the books whose file is gone or too short. */
  readonly missing_extents: number;
  /** Rows of stock without bytes, and bytes without a row. */
  readonly rows_alone: number;
  readonly extents_alone: number;
  /** Records of used keys that do not fit their group: all keys of such a group count as used. */
  readonly damaged_use: number;
}

interface Extent {
  readonly link: string;
  readonly number: number;
}

interface Found {
  readonly check: StoreCheck;
  /** Extents of which nothing can be used: no bytes that open, or no row. */
  readonly useless: readonly Extent[];
}

export interface CheckOptions {
  /** The caller has the lock of its KM: nothing else uses it. */
  readonly folder: string;
  readonly masterKey: Uint8Array;
  readonly files?: FileSystem;
}

/** Whether keys or stock were lost: a group that power failed under was never acknowledged. */
export function isWhole(check: StoreCheck): boolean {
  const { damaged_segments, missing_segments, damaged_groups, lost_keys, damaged_extents } = check;
  const { missing_extents, rows_alone, extents_alone, damaged_use } = check;
  const lost =
    damaged_segments +
    missing_segments +
    damaged_groups +
    lost_keys +
    damaged_extents +
    missing_extents;
  return lost + rows_alone + extents_alone + damaged_use === 0;
}

/** @throws Fault `km_store.key`, `.corrupt`, `.version`, `.io` */
export async function checkStore(options: CheckOptions): Promise<StoreCheck> {
  return (await look(options)).check;
}

async function look(options: CheckOptions): Promise<Found> {
  try {
    return await lookAtAll(options);
  } catch (error) {
    throw notOpened(error, options.folder);
  }
}

async function lookAtAll({ folder, masterKey, files = diskFiles }: CheckOptions): Promise<Found> {
  const names = await files.list(folder);
  if (!names.includes("books.sqlite")) {
    if (names.includes("store"))
      throw new Fault("km_store.corrupt", "the books are gone", { folder });
    throw new Fault("km_store.io", "there is no store here", { folder });
  }
  const keyring = new Keyring(files, folder, randomBytes);
  await keyring.open(masterKey, false);
  const ledger: Ledger = new LedgerThread(`${folder}/books.sqlite`, "as it is");
  const intake = new IntakeFiles(files, folder, keyring, randomBytes, () => 0);
  const volumes = new Volumes(files, folder, keyring, randomBytes);
  try {
    const books = await ledger.load(false);
    assertBooksOf(keyring, books.consumed, folder);
    const { again, ...keys } = await lookAtIntake(intake, books);
    const isLost = ({ link, number }: Extent) => !again.has(placeName(link, number));
    const missing = (await volumes.load(books.extents, "as it is")).filter(isLost);
    const stock = await lookAtVolumes(volumes, isLost);
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

async function lookAtIntake(intake: IntakeFiles, books: LedgerLoaded) {
  const consumed = new Map(books.consumed.map((row) => [row.grp, row]));
  const { groups, damaged, damagedGroups, segments, files } = await intake.load(
    "as it is",
    "damaged",
  );
  // The next start makes them from these keys: they are not lost wherever they are not.
  const made = madeAgain(books.redo, books.extents, groups);
  for (const { bytes } of made) giveKeyMemory(bytes);
  const again = new Set(made.map(({ link, number }) => placeName(link, number)));
  const there = new Set(groups.map(({ number }) => number));
  let [waiting_keys, waiting_bytes, used_keys, damaged_use] = [0, 0, 0, 0];
  for (const group of groups) {
    const bits = consumed.get(group.number)?.bits;
    const zeros = zerosOf(group);
    if (bits !== undefined && !group.markConsumed(bits)) damaged_use++;
    waiting_keys += group.live;
    for (let i = 0; i < group.count; i++) {
      if (group.isLive(i)) waiting_bytes += group.lengthOf(i);
      else if (!zeros.has(i)) used_keys++;
    }
    group.evict();
  }
  return {
    again,
    segments,
    waiting_keys,
    waiting_bytes,
    used_keys,
    damaged_segments: damaged.length,
    missing_segments: goneSegments(consumed, files).length,
    damaged_groups: damagedGroups,
    lost_keys: lostKeys({ consumed, there }, waiting_keys),
    damaged_use,
  };
}

/** Places of keys that were overwritten when their group was copied forward. */
function zerosOf(group: Group): ReadonlySet<number> {
  const places = new Set<number>();
  for (let i = 0; i < group.count; i++) {
    if (group.bytesOf(i)?.every((byte) => byte === 0)) places.add(i);
  }
  return places;
}

async function lookAtVolumes(volumes: Volumes, isLost: (extent: Extent) => boolean) {
  const damaged: Extent[] = [];
  let [extents, extent_bytes] = [0, 0];
  for (const place of volumes.extents) {
    const { link, number, length } = place;
    const bytes = await unlessUnreadable("damaged", () => volumes.read(place, 0, length));
    if (bytes !== undefined) wipeMemory(bytes);
    else if (isLost(place)) damaged.push({ link, number });
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
    unreadable: "damaged",
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
