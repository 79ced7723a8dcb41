/** Opens a store: its keys, its books, its files; what is on the disk and in no book is cleaned away. */

import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../../../base/clock.ts";
import type { Duration } from "../../../base/duration.ts";
import { errorCode, Fault } from "../../../base/errors.ts";
import { diskFiles, type FileSystem } from "../../../host/disk/files.ts";
import { type Loaded, type Row, type RowKind, rowKind } from "../../store/port.ts";
import { highestOf, highestRow, noChange, rowOf } from "./books-change.ts";
import { assertBooksOf, rowOfStore } from "./books-of.ts";
import { Engine } from "./engine.ts";
import { fileOf } from "./fault.ts";
import { IntakeFiles } from "./intake-files.ts";
import { giveKeyMemory } from "./key-pool.ts";
import { Keyring } from "./keyring.ts";
import { type Ledger, LedgerThread } from "./ledger.ts";
import { closedWith, goneSegments, isFilled, lostKeys, rowsOfLost } from "./lost-keys.ts";
import { placeName } from "./place.ts";
import { madeAgain } from "./redo.ts";
import { Reserve } from "./reserve.ts";
import type { LostStock } from "./salvage.ts";
import type { Unreadable } from "./unreadable.ts";
import { Volumes } from "./volumes.ts";

export interface OpenOptions {
  /** Made if it is not there. One process at a time: the caller has its lock. */
  readonly folder: string;
  /** At least 32 bytes, which the caller wipes after. */
  readonly masterKey: Uint8Array;
  readonly limitBytes: number;
  /** Within this what is used can't be read back from the disk, ms. */
  readonly wipeAfter: Duration;
  /** From one cycle of the books to the next; of keys that come twice that. Default 5. */
  readonly cycleMs?: number;
  readonly onFailure: (fault: Fault) => void;
  /** All that is stored is sealed anew, after {@link Engine.rekey} of this process or an earlier one. */
  readonly onRekeyed?: () => void;
  /** Stock is damaged on the disk, and was given up when the rest of it was sealed anew. */
  readonly onLost?: (lost: LostStock) => void;
  readonly clock?: Clock;
  readonly random?: (length: number) => Buffer;
  readonly files?: FileSystem;
  /** The books in this file; in SQLite if not given. */
  readonly ledger?: (path: string) => Ledger;
  /**
   * What the disk does not give back: "damaged", for a repair, sets a segment aside and leaves an extent. Default: refused.
   */
  readonly unreadable?: Unreadable;
  /** Room that is kept for the books, bytes. */
  readonly reserveBytes?: number;
}

/** Something that was on the disk and can't be used: told once, counted, never made free again. */
export interface Damage {
  readonly segments: readonly number[];
  /** Segments of which no file is there any more: how many keys waited in them is not known. */
  readonly gone: readonly number[];
  /** Groups of keys that do not open, in segments that do. */
  readonly groups: number;
  /** Keys that waited when the store was closed, or that the books tell of, and that are not there: at least so many. */
  readonly keys: number;
  readonly extents: readonly { readonly link: string; readonly number: number }[];
}

export interface Opened {
  readonly store: Engine;
  readonly loaded: Loaded;
  readonly damage: Damage;
  /** For other files beside the store. */
  readonly room: Pick<Reserve, "useSome">;
  /** Key of the digests by which QKD-key IDs are remembered, 16 bytes. */
  readonly idKey: Buffer;
}

/** Room for the books and what becomes of keys that came before, while no more are taken. */
const reserveBytes = 16_777_216;

/** Groups that a segment can have, and more. */
const groupsOfSegment = 1_048_576;
/** With 10 an application waits longer for its key at half load: p99 25 to 55 ms in place of 13 to 25. */
const usualCycleMs = 5;

const kinds = new Map<number, RowKind>(
  Object.entries(rowKind).map(([kind, number]) => [number, kind as RowKind]),
);

/** @throws Fault `km_store.key`, `.corrupt`, `.version`, `.io` */
export async function openEngine(options: OpenOptions): Promise<Opened> {
  const { folder, files = diskFiles, random = (length) => randomBytes(length) } = options;
  try {
    return await openAll({ ...options, files, random });
  } catch (error) {
    throw notOpened(error, folder);
  }
}

/** @returns it, if it is one: else one of a file that cannot be read or written */
export function notOpened(error: unknown, folder: string): Fault {
  if (error instanceof Fault) return error;
  const reason = errorCode(error) ?? "unknown";
  const facts = { folder, ...fileOf(error), reason };
  return new Fault("km_store.io", "the store can't be opened", facts);
}

async function openAll(
  options: OpenOptions & { files: FileSystem; random: (length: number) => Buffer },
): Promise<Opened> {
  const { folder, files, random, masterKey, clock = systemClock } = options;
  await files.makeFolder(folder);
  const isEmpty = !(await files.list(folder)).some((name) => name.startsWith("books"));
  const keyring = new Keyring(files, folder, random);
  await keyring.open(masterKey, isEmpty);
  // A start needs room, too: the books have files of their own while they are open.
  const reserve = new Reserve(files, folder, options.reserveBytes ?? reserveBytes, clock);
  await reserve.make();
  if (keyring.hasOlder) await reserve.use(() => keyring.writeAgain());
  const { ledger: openLedger = (path) => new LedgerThread(path) } = options;
  const ledger = openLedger(`${folder}/books.sqlite`);
  const intake = new IntakeFiles(files, folder, keyring, random, () => clock.now());
  const volumes = new Volumes(files, folder, keyring, random);
  try {
    // Books that begin anew would give up all keys in silence, here and then at the other end.
    const mayBegin = !(await hasKeys(files, folder));
    const books = await reserve.use(() => ledger.load(mayBegin));
    const isOfKeys = assertBooksOf(keyring, books.consumed, folder);
    const { unreadable } = options;
    const loaded = await intake.load("clean", unreadable);
    const { groups, damaged, damagedGroups, files: segments } = loaded;
    const absent = await volumes.load(books.extents);
    const unopened = await volumes.removeUnopened(unreadable);
    const opened = intake.numbers.length + [...volumes.extents].length;
    const isShut = opened === 0 && damaged.length + unopened.length > 0;
    if (isShut && !isOfKeys && unreadable !== "damaged") {
      // All would be given up for one file of another time, and to bring the right one back would not help.
      const what = "nothing in the store opens: its keys, or its books, are of another time";
      throw new Fault("km_store.corrupt", what, { file: `${folder}/store` });
    }
    for (const number of damaged) await intake.setAside(number);
    await volumes.clean();
    const missing = [...absent, ...unopened];
    const made = madeAgain(books.redo, books.extents, groups);
    const again = made.length > 0 ? await reserve.use(() => volumes.write(made)) : [];
    for (const { bytes } of made) giveKeyMemory(bytes);
    const names = new Set(again.map(({ link, number }) => placeName(link, number)));
    const gone = missing
      .filter(({ link, number }) => !names.has(placeName(link, number)))
      .map(({ link, number }) => ({ link, number }));
    const consumed = new Map(books.consumed.map((row) => [row.grp, row]));
    const moved = [];
    const areFilled = isFilled(consumed);
    for (const group of groups) {
      const row = consumed.get(group.number);
      if (row === undefined) continue;
      group.markConsumed(row.bits);
      // Copied forward, and the books do not know yet: they must, before the old segment goes.
      if (row.segment !== group.segment || !areFilled) {
        const { number: grp, segment, consumed: bits } = group;
        moved.push({ grp, segment, bits: bits.slice() });
      }
    }
    const witnesses = { consumed, there: new Set(groups.map(({ number }) => number)) };
    const change = {
      ...noChange,
      consumed: [
        ...moved,
        ...rowsOfLost(witnesses),
        closedWith(undefined, intake.numbers),
        rowOfStore(keyring),
      ],
      extents: again.map(rowOf),
      gone,
    };
    await reserve.use(() => ledger.apply(change));
    await volumes.overwrite(again.flatMap((place) => volumes.install(place) ?? []));
    const waiting = groups.reduce((sum, { live }) => sum + live, 0);
    const keys = lostKeys(witnesses, waiting);
    let last = highestOf(consumed.get(highestRow));
    for (const { number } of groups) last = Math.max(last, number);
    for (const number of consumed.keys()) last = Math.max(last, number);
    // What numbers were in a damaged segment is not known, only how many there can be.
    const goneFiles = goneSegments(consumed, segments);
    const skipped = (damaged.length + goneFiles.length + damagedGroups) * groupsOfSegment;
    const store = new Engine({
      intake,
      volumes,
      ledger,
      keyring,
      reserve,
      groups: groups.filter(({ live }) => live > 0),
      next: last + skipped + 1,
      limitBytes: options.limitBytes,
      wipeAfter: options.wipeAfter,
      cycleMs: options.cycleMs ?? usualCycleMs,
      clock,
      onFailure: options.onFailure,
      onRekeyed: options.onRekeyed,
      onLost: options.onLost,
    });
    const rows: Row[] = books.rows.map(({ kind, link, key, value }) => ({
      kind: kinds.get(kind) ?? "store",
      link,
      key,
      value: value && Buffer.from(value),
    }));
    const buffered = groups.flatMap((group) => [...group.buffered()]);
    const extents = [...volumes.extents].map(({ link, number, length }) => ({
      link,
      number,
      length,
    }));
    return {
      store,
      loaded: { rows, buffered, extents },
      damage: { segments: damaged, gone: goneFiles, groups: damagedGroups, keys, extents: gone },
      room: reserve,
      idKey: keyring.mask,
    };
  } catch (error) {
    await ledger.close();
    // Why it is not opened is what counts.
    await Promise.allSettled([intake.close(), volumes.close()]);
    throw error;
  }
}

/** Whether there are files of which books tell. */
async function hasKeys(files: FileSystem, folder: string): Promise<boolean> {
  for (const one of ["intake", "volumes"]) {
    await files.makeFolder(`${folder}/${one}`);
    const names = await files.list(`${folder}/${one}`);
    if (names.some((name) => /\.(seg|vol)$/.test(name))) return true;
  }
  return false;
}
