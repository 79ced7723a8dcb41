/**
 * Extents in volume files: each under a key of its own, in stretches that are sealed one by one. The first bytes
 * of an extent hold its wrapped key: overwritten, nothing opens it any more.
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { type FileSystem, type OpenFile, writeAll } from "../../../host/disk/files.ts";
import { freeMemory, keyMemory, wipeMemory } from "../../../port/key.ts";
import { cleanVolume, keyAt, lengthAt, magic, zeros } from "./clean-volume.ts";
import { readAt } from "./intake-files.ts";
import type { Keyring } from "./keyring.ts";
import type { ExtentRow } from "./ledger.ts";
import {
  aboutExtent,
  headerLength,
  type NewBytes,
  type Place,
  placeName,
  sealedLength,
  stretch,
  tagLength,
} from "./place.ts";
import { isFull, takeBack } from "./reserve.ts";
import { Scratch } from "./scratch.ts";
import { open, seal, wrappedLength } from "./sealing.ts";
import { Stretches } from "./stretches.ts";

/** Of a read of so few the stretches are kept for a moment. */
const fewStretches = 2;
const volumeBytes = 16_777_216;
/** Volumes of which less than this part lives are copied together. */
const sparse = 0.25;

interface Volume {
  readonly number: number;
  readonly file: OpenFile;
  size: number;
  live: number;
  places: Set<Place>;
}

export class Volumes {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #keyring: Keyring;
  readonly #random: (length: number) => Buffer;
  readonly #volumes = new Map<number, Volume>();
  readonly #places = new Map<string, Place>();
  #current: Volume | undefined;
  readonly #scratch = new Scratch();
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
    this.#random = random;
  }

  /**
   * @param rows where the books say that extents are
   * @param how "as it is": nothing is changed; else what power failed under is overwritten
   * @returns those that are not there: their volume is gone or too short
   */
  async load(
    rows: readonly ExtentRow[],
    how: "as it is" | "clean" = "clean",
  ): Promise<ExtentRow[]> {
    await this.#files.makeFolder(this.#folder);
    const sizes = new Map<number, number>();
    for (const name of await this.#files.list(this.#folder)) {
      const match = /^(\d{12})\.vol$/.exec(name);
      if (match === null) continue;
      const number = Number(match[1]);
      this.#next = Math.max(this.#next, number + 1);
      const file = await this.#files.open(this.#path(number), "r+", 0o600);
      const { size } = await file.stat();
      sizes.set(number, size);
      this.bytes += size;
      this.#volumes.set(number, { number, file, size, live: 0, places: new Set() });
    }
    const missing: ExtentRow[] = [];
    for (const row of rows) {
      const end = row.offset + sealedLength(row.length);
      if (end > (sizes.get(row.volume) ?? 0)) missing.push(row);
      else this.#put({ ...row, key: undefined, by: 0 });
    }
    if (how === "clean") {
      for (const volume of this.#volumes.values()) await cleanVolume(volume);
    }
    return missing;
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
   * @returns where they are
   * @throws a system error: of a full disk, none of them is there
   */
  async write(extents: readonly NewBytes[]): Promise<Place[]> {
    const before = new Map<Volume, number>();
    try {
      return await this.#write(extents, before);
    } catch (error) {
      if (!isFull(error)) throw error;
      for (const [volume, size] of before) {
        await takeBack(volume.file, size);
        this.bytes -= volume.size - size;
        volume.size = size;
      }
      throw error;
    }
  }

  async #write(extents: readonly NewBytes[], before: Map<Volume, number>): Promise<Place[]> {
    const places: Place[] = [];
    let parts: Buffer[] = [];
    let volume = await this.#open();
    let from = volume.size;
    const flush = async () => {
      if (parts.length > 0) await writeAll(volume.file, this.#scratch.join(parts), from);
      parts = [];
    };
    for (const extent of extents) {
      if (volume.size >= volumeBytes) {
        await flush();
        this.#current = undefined;
        volume = await this.#open();
        from = volume.size;
      }
      if (!before.has(volume)) before.set(volume, volume.size);
      const { place, sealed } = this.#seal(extent, volume);
      parts.push(...sealed);
      places.push(place);
      volume.size += sealedLength(place.length);
      this.bytes += sealedLength(place.length);
    }
    await flush();
    await Promise.all([...before.keys()].map(({ file }) => file.datasync()));
    return places;
  }

  #seal({ link, number, bytes }: NewBytes, volume: Volume): { place: Place; sealed: Buffer[] } {
    const raw = this.#random(32);
    const header = Buffer.alloc(headerLength);
    magic.copy(header);
    header.writeUInt32BE(bytes.length, lengthAt);
    const about = aboutExtent(link, number, bytes.length);
    this.#keyring.wrap(raw, about).copy(header, keyAt);
    const key = createSecretKey(raw);
    raw.fill(0);
    const sealed: Buffer[] = [header];
    for (let at = 0, i = 0; at < bytes.length; at += stretch, i++) {
      const made = seal(key, i, [bytes.subarray(at, at + stretch)], about);
      sealed.push(...made.sealed, made.tag);
    }
    const { length } = bytes;
    const by = this.#keyring.current.id;
    const place: Place = {
      link,
      number,
      volume: volume.number,
      offset: volume.size,
      length,
      key,
      by,
    };
    return { place, sealed };
  }

  /** From now on an extent is here. @returns where it was before */
  install(place: Place): Place | undefined {
    const before = this.place(place.link, place.number);
    if (before !== undefined) this.#take(before);
    this.#put(place);
    return before;
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
      if (volume === this.#current || volume.places.size > 0) continue;
      await volume.file.close();
      await this.#files.remove(this.#path(volume.number));
      this.#volumes.delete(volume.number);
      this.bytes -= volume.size;
    }
  }

  /** Extents to be written anew: those in volumes that are nearly empty. */
  toMove(): Place[] {
    return [...this.#volumes.values()]
      .filter((volume) => volume !== this.#current && volume.live < volume.size * sparse)
      .flatMap(({ places }) => [...places]);
  }

  /** Bytes of key under an older key of the store, as far as that is known without reading. */
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
        if (place.by === 0) await this.#keyOf(place, volume);
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

  /** As {@link read}, if they were opened a moment ago; else undefined. */
  readAgain(place: Place, start: number, end: number): Buffer | undefined {
    const extent = placeName(place.link, place.number);
    const first = this.#stretches.get(extent, Math.floor(start / stretch));
    if (first === undefined) return undefined;
    const target = keyMemory(end - start);
    for (let at = start; at < end; ) {
      const i = Math.floor(at / stretch);
      const plain = this.#stretches.get(extent, i);
      if (plain === undefined) {
        wipeMemory(target);
        return undefined;
      }
      at += plain.copy(target, at - start, at - i * stretch, Math.min(stretch, end - i * stretch));
    }
    return target;
  }

  /** These bytes are not needed any more: what was opened of them is wiped. */
  forget(link: string, number: number, start: number, end: number): void {
    this.#stretches.forget(placeName(link, number), start, end, stretch);
  }

  /**
   * The bytes `[start, end)` of an extent, in memory of their own.
   * @param how "once": what was opened for it is not kept for a moment
   * @returns undefined if it is damaged
   */
  async read(
    place: Place,
    start: number,
    end: number,
    how: "again" | "once" = "again",
  ): Promise<Buffer | undefined> {
    const volume = this.#volumes.get(place.volume);
    if (volume === undefined) return undefined;
    const key = place.key ?? (await this.#keyOf(place, volume));
    if (key === undefined) return undefined;
    const about = aboutExtent(place.link, place.number, place.length);
    const target = keyMemory(end - start);
    const first = Math.floor(start / stretch);
    const last = Math.ceil(end / stretch);
    const from = place.offset + headerLength + first * (stretch + tagLength);
    const length = Math.min(last * stretch, place.length) - first * stretch;
    const { changes } = this.#stretches;
    const sealed = await readAt(volume.file, from, length + (last - first) * tagLength);
    const plain = keyMemory(stretch);
    const name = placeName(place.link, place.number);
    const keep = how === "again" && last - first <= fewStretches;
    let at = 0;
    for (let i = first; i < last; i++) {
      const size = Math.min(stretch, place.length - i * stretch);
      const tag = sealed.subarray(at + size, at + size + tagLength);
      const whole = plain.subarray(0, size);
      const opened =
        tag.length === tagLength && open(key, i, sealed.subarray(at, at + size), tag, about, whole);
      if (!opened) {
        wipeMemory(plain);
        wipeMemory(target);
        return undefined;
      }
      const begin = Math.max(start, i * stretch);
      const stop = Math.min(end, i * stretch + size);
      whole.copy(target, begin - start, begin - i * stretch, stop - i * stretch);
      // What was forgotten while the disk was read is not to come back.
      if (keep && this.#stretches.changes === changes) this.#stretches.put(name, i, whole);
      at += size + tagLength;
    }
    wipeMemory(plain);
    freeMemory(sealed);
    return target;
  }

  async #keyOf(place: Place, volume: Volume): Promise<KeyObject | undefined> {
    const header = await readAt(volume.file, place.offset, headerLength);
    if (!header.subarray(0, magic.length).equals(magic)) return undefined;
    const wrapped = header.subarray(keyAt, keyAt + wrappedLength);
    const about = aboutExtent(place.link, place.number, place.length);
    const unwrapped = this.#keyring.unwrap(wrapped, about);
    if (unwrapped === undefined) return undefined;
    place.key = unwrapped.key;
    place.by = unwrapped.by;
    return place.key;
  }

  async #open(): Promise<Volume> {
    if (this.#current !== undefined && this.#current.size < volumeBytes) return this.#current;
    const number = this.#next++;
    const file = await this.#files.open(this.#path(number), "wx+", 0o600);
    try {
      await this.#files.syncFolder(this.#folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    const volume: Volume = { number, file, size: 0, live: 0, places: new Set() };
    this.#volumes.set(number, volume);
    this.#current = volume;
    return volume;
  }

  async close(): Promise<void> {
    this.#stretches.clear();
    for (const { file } of this.#volumes.values()) await file.close();
    this.#volumes.clear();
  }

  #path(number: number): string {
    return `${this.#folder}/${String(number).padStart(12, "0")}.vol`;
  }
}
