/**
 * Extents in volume files: each under a key of its own, in stretches that are sealed one by one. The first bytes
 * of an extent hold its wrapped key: overwritten, nothing opens it any more.
 */
import { type FileSystem, type OpenFile, writeAll } from "../../../host/disk/files.ts";
import { keyMemory, wipeMemory } from "../../../port/key.ts";
import { both } from "./both.ts";
import { cleanVolume, keyAt, zeros } from "./clean-volume.ts";
import { keyOf, unopened } from "./extent-keys.ts";
import type { Keyring } from "./keyring.ts";
import type { ExtentRow } from "./ledger.ts";
import { type LoadHow, namesIn } from "./names-in.ts";
import { openOwn } from "./own-file.ts";
import { type NewBytes, type Place, placeName, sealedLength, stretch } from "./place.ts";
import { readStretches, stretchesOf } from "./read-stretches.ts";
import { isFull, takeBack } from "./reserve.ts";
import { Scratch } from "./scratch.ts";
import { sealExtent } from "./sealed-extent.ts";
import { wrappedLength } from "./sealing.ts";
import { Stretches } from "./stretches.ts";
import type { Unreadable } from "./unreadable.ts";
import { beginVolume, type For, type Volume, type Writing } from "./volume.ts";

/** Of a read of so few the stretches are kept for a moment. */
const fewStretches = 2;
const volumeBytes = 16_777_216;
/** Volumes of which less than this part lives are copied together. */
const sparse = 0.25;
/** So many are looked at side by side at a start: a read alone costs the processor four times as much. */
const volumesAtOnce = 8;

export class Volumes {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #keyring: Keyring;
  readonly #sealing: { readonly keyring: Keyring; readonly random: (length: number) => Buffer };
  readonly #volumes = new Map<number, Volume>();
  readonly #places = new Map<string, Place>();
  readonly #current = new Map<For, Volume>();
  /** Volumes that were written to before those: what was prepared last may have a part in them. */
  readonly #before: Record<For, Volume[]> = { stock: [], aside: [] };
  readonly scratch: Readonly<Record<For, Scratch>> = { stock: new Scratch(), aside: new Scratch() };
  readonly #stretches = new Stretches();
  #next = 1;
  bytes = 0;

  constructor(
    files: FileSystem,
    folder: string,
    keyring: Keyring,
    random: (length: number) => Buffer,
  ) {
    this.#files = files;
    this.#folder = `${folder}/volumes`;
    this.#keyring = keyring;
    this.#sealing = { keyring, random };
  }

  /**
   * @param rows where the books say that extents are
   * @returns those that are not there: their volume is gone or too short
   */
  async load(rows: readonly ExtentRow[], how: LoadHow = "clean"): Promise<ExtentRow[]> {
    const sizes = new Map<number, number>();
    for (const name of await namesIn(this.#files, this.#folder, how)) {
      const number = Number(/^(\d{12})\.vol$/.exec(name)?.[1]);
      if (Number.isNaN(number)) continue;
      this.#next = Math.max(this.#next, number + 1);
      const { file, size } = await openOwn(this.#files, this.#path(number), how);
      sizes.set(number, size);
      this.bytes += size;
      this.#volumes.set(number, { number, file, size, live: 0, places: new Set(), pending: 0 });
    }
    const missing: ExtentRow[] = [];
    for (const row of rows) {
      const isThere = row.offset + sealedLength(row.length) <= (sizes.get(row.volume) ?? 0);
      if (isThere) this.#put({ ...row, key: undefined, by: 0 });
      else missing.push(row);
    }
    return missing;
  }

  /**
   * Takes out extents whose header does not open. Nothing is changed on the disk.
   * @param unreadable one that the disk does not give: "damaged" leaves it as it is @returns those that were taken out
   */
  async removeUnopened(unreadable: Unreadable = "refused"): Promise<ExtentRow[]> {
    const removed: ExtentRow[] = [];
    await this.#ofEach(async ({ file, places }) => {
      for (const place of await unopened(file, places, this.#keyring, unreadable)) {
        this.remove(place.link, place.number);
        removed.push(place);
      }
    });
    return removed;
  }

  /** Overwrites the keys of all that is in volumes, and is no extent that is here. */
  async clean(): Promise<void> {
    await this.#ofEach(cleanVolume);
  }

  async #ofEach(run: (volume: Volume) => Promise<void>): Promise<void> {
    const volumes = this.#volumes.values();
    const lane = async () => {
      for (const volume of volumes) await run(volume);
    };
    await both(...Array.from({ length: volumesAtOnce }, lane));
  }

  #put(place: Place): void {
    this.#places.set(placeName(place.link, place.number), place);
    const volume = this.#volumes.get(place.volume);
    if (volume === undefined) return;
    volume.places.add(place);
    volume.live += sealedLength(place.length);
  }

  place(link: string, number: number): Place | undefined {
    return this.#places.get(placeName(link, number));
  }

  get extents(): Iterable<Place> {
    return this.#places.values();
  }

  /**
   * Seals and writes extents, and makes them durable; wipes nothing of the caller's.
   * @returns where they are: each is to be given to {@link install}, or {@link abandon}
   * @throws a system error: of a full disk, none of them is there
   */
  async write(extents: readonly NewBytes[], why: For = "stock"): Promise<readonly Place[]> {
    const { places, write, takeBack } = await this.prepare(extents, why);
    try {
      await write();
    } catch (error) {
      if (isFull(error)) await takeBack();
      throw error;
    }
    return places;
  }

  /**
   * Seals extents, and says where they are going to be. Of one kind only the last is to be written.
   * @throws a system error: of a full disk, there is nothing to be written
   */
  async prepare(extents: readonly NewBytes[], why: For = "stock"): Promise<Writing> {
    const scratch = this.scratch[why];
    const before = new Map<Volume, { size: number; pending: number }>();
    const takeBack = () => this.#takeBack(before);
    const parts: { readonly volume: Volume; readonly at: number; readonly from: number }[] = [];
    const places: Place[] = [];
    scratch.begin();
    try {
      await this.#closeEnds(why);
      for (const extent of extents) {
        const volume = await this.#open(why);
        if (!before.has(volume)) {
          before.set(volume, { size: volume.size, pending: volume.pending });
          parts.push({ volume, at: volume.size, from: scratch.length });
        }
        places.push(sealExtent(extent, volume, this.#sealing, scratch));
        volume.pending++;
        volume.size += sealedLength(extent.bytes.length);
        this.bytes += sealedLength(extent.bytes.length);
      }
    } catch (error) {
      if (isFull(error)) await takeBack();
      throw error;
    }
    const write = async () => {
      for (const [i, { volume, at, from }] of parts.entries()) {
        const bytes = scratch.bytes.subarray(from, parts[i + 1]?.from);
        await writeAll(volume.end as OpenFile, bytes, at);
      }
      scratch.end();
    };
    return { places, write, takeBack };
  }

  /** Nothing more is written to the end of volumes that were full. */
  async #closeEnds(why: For): Promise<void> {
    for (const volume of this.#before[why].splice(0)) {
      const { end } = volume;
      volume.end = undefined;
      await end?.close();
    }
  }

  async #takeBack(before: ReadonlyMap<Volume, { size: number; pending: number }>): Promise<void> {
    for (const [volume, { size, pending }] of before) {
      await takeBack(volume.file, size);
      this.bytes -= volume.size - size;
      volume.size = size;
      volume.pending = pending;
    }
  }

  /** From now on an extent is here. @returns where it was before */
  install(place: Place): Place | undefined {
    const before = this.place(place.link, place.number);
    if (before !== undefined) this.#take(before);
    this.#put(place);
    this.abandon(place);
    return before;
  }

  /** What was written here, and is not installed, counts no more. Its key is on the disk: {@link overwrite}. */
  abandon({ volume: number }: Place): void {
    const volume = this.#volumes.get(number);
    if (volume !== undefined) volume.pending--;
  }

  /** An extent of which nothing is needed any more. Its key is still on the disk: {@link overwrite}. */
  remove(link: string, number: number): Place | undefined {
    const place = this.place(link, number);
    if (place === undefined) return undefined;
    this.#places.delete(placeName(link, number));
    this.#take(place);
    return place;
  }

  #take(place: Place): void {
    const volume = this.#volumes.get(place.volume);
    if (!volume?.places.delete(place)) return;
    volume.live -= sealedLength(place.length);
  }

  /** Overwrites the keys of places that were left, durably; volumes without a living extent are removed. */
  async overwrite(places: readonly Place[]): Promise<void> {
    const touched = new Set<Volume>();
    for (const { volume: number, offset } of places) {
      const volume = this.#volumes.get(number);
      if (volume === undefined) continue;
      await writeAll(volume.file, zeros.subarray(0, wrappedLength), offset + keyAt);
      touched.add(volume);
    }
    await Promise.all([...touched].map(({ file }) => file.datasync()));
    for (const volume of [...this.#volumes.values()]) {
      if (this.#isWritten(volume) || volume.places.size > 0 || volume.pending > 0) continue;
      this.#volumes.delete(volume.number);
      this.bytes -= volume.size;
      await volume.end?.close();
      volume.end = undefined;
      await volume.file.close();
      await this.#files.remove(this.#path(volume.number));
    }
  }

  #isWritten(volume: Volume): boolean {
    return volume === this.#current.get("stock") || volume === this.#current.get("aside");
  }

  /** Extents to be written anew: those in volumes that are nearly empty. */
  toMove(): Place[] {
    return [...this.#volumes.values()]
      .filter((volume) => !this.#isWritten(volume) && volume.live < volume.size * sparse)
      .flatMap(({ places }) => [...places]);
  }

  /** Bytes of key under an older key of the store. */
  olderBytes(): number {
    const { id } = this.#keyring.current;
    let bytes = 0;
    for (const { by, length } of this.#places.values()) if (by !== id) bytes += length;
    return bytes;
  }

  /** Some extents under an older key of the store, volume by volume. @param most bytes of key, at least one extent */
  async older(most: number): Promise<Place[]> {
    const { id } = this.#keyring.current;
    const places: Place[] = [];
    let bytes = 0;
    for (const volume of this.#volumes.values()) {
      for (const place of volume.places) {
        if (place.by === id) continue;
        places.push(place);
        bytes += place.length;
        if (bytes >= most) return places;
      }
    }
    return places;
  }

  /** An extent whose bytes do not open is given up: nothing will open what is left of it. */
  async giveUp(place: Place): Promise<void> {
    await this.overwrite([place]);
    place.key = undefined;
    place.by = this.#keyring.current.id;
  }

  /** Whether all of these bytes were opened a moment ago. */
  isOpen(place: Place, start: number, end: number): boolean {
    const extent = placeName(place.link, place.number);
    for (let i = Math.floor(start / stretch); i * stretch < end; i++) {
      if (this.#stretches.get(extent, i) === undefined) return false;
    }
    return true;
  }

  /** As {@link read}, of what {@link isOpen}. */
  readAgain(place: Place, start: number, end: number, target: Buffer): void {
    const extent = placeName(place.link, place.number);
    for (let at = start; at < end; ) {
      const i = Math.floor(at / stretch);
      const plain = this.#stretches.get(extent, i) as Buffer;
      at += plain.copy(target, at - start, at - i * stretch, Math.min(stretch, end - i * stretch));
    }
  }

  /** These bytes are not needed any more: what was opened of them is wiped. */
  forget(link: string, number: number, start: number, end: number): void {
    this.#stretches.forget(placeName(link, number), start, end, stretch);
  }

  /**
   * The bytes `[start, end)` of an extent, in memory of their own.
   * @param how "once": what was opened for it is not kept for a moment
   * @returns undefined if it is damaged @throws a system error
   */
  async read(
    place: Place,
    start: number,
    end: number,
    how: "again" | "once" = "again",
  ): Promise<Buffer | undefined> {
    const target = keyMemory(end - start);
    if (await this.readInto(target, place, start, end, how)) return target;
    wipeMemory(target);
    return undefined;
  }

  /** As {@link read}. @returns false if it is damaged: then there may be some of it in the target */
  async readInto(
    target: Buffer,
    place: Place,
    start: number,
    end: number,
    how: "again" | "once" = "again",
  ): Promise<boolean> {
    const volume = this.#volumes.get(place.volume);
    if (volume === undefined) return false;
    const { changes } = this.#stretches;
    const name = placeName(place.link, place.number);
    const isKept = how === "again" && stretchesOf(start, end) <= fewStretches;
    const opened = (number: number, plain: Buffer) => {
      // What was forgotten while the disk was read is not to come back.
      if (isKept && this.#stretches.changes === changes) this.#stretches.put(name, number, plain);
    };
    const key = place.key ?? (await keyOf(volume.file, place, this.#keyring));
    if (key === undefined) return false;
    return await readStretches(volume.file, { key, place, start, end, target }, opened);
  }

  async #open(why: For): Promise<Volume> {
    const current = this.#current.get(why);
    if (current !== undefined && current.size < volumeBytes) return current;
    const number = this.#next++;
    const { file, end } = await beginVolume(this.#files, this.#folder, this.#path(number));
    const volume: Volume = { number, file, end, size: 0, live: 0, places: new Set(), pending: 0 };
    this.#volumes.set(number, volume);
    if (current !== undefined) this.#before[why].push(current);
    this.#current.set(why, volume);
    return volume;
  }

  async close(): Promise<void> {
    this.#stretches.clear();
    for (const { file, end } of this.#volumes.values()) {
      await end?.close();
      await file.close();
    }
    this.#volumes.clear();
  }

  #path(number: number): string {
    return `${this.#folder}/${String(number).padStart(12, "0")}.vol`;
  }
}
