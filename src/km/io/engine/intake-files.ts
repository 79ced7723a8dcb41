/**
 * Segments of the intake: files of sealed groups, each under a key of its own. When all keys of a segment have
 * left the buffer its key is overwritten, and the file removed.
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import {
  durableWrites,
  type FileSystem,
  type OpenFile,
  writeAll,
} from "../../../host/disk/files.ts";
import { freeMemory } from "../../../port/key.ts";
import { EmptySegments, leaving, segmentName } from "./empty-segments.ts";
import { type Group, lengthOf, openGroup, sealGroup } from "./group.ts";
import type { Keyring } from "./keyring.ts";
import { type LoadHow, namesIn } from "./names-in.ts";
import { groupsIn } from "./next-group.ts";
import { openOwn } from "./own-file.ts";
import { readAt } from "./read-at.ts";
import { isFull, takeBack } from "./reserve.ts";
import { Scratch } from "./scratch.ts";
import { wrappedLength } from "./sealing.ts";
import { type Unreadable, unlessUnreadable } from "./unreadable.ts";

const headerLength = 512;
const magic = Buffer.from("qkd-km intake 1\n", "latin1");
const keyAt = 32;
/** A segment is closed when it has so many bytes. */
const segmentBytes = 8_388_608;
/** So many can have been written to between two syncs. */
const lastSegments = 2;
const pieceBytes = 1_048_576;
/** End of the name of a segment that is damaged. */
const aside = ".damaged";

interface Segment {
  readonly number: number;
  /** Of a segment that is written to: each write is durable. */
  readonly file: OpenFile;
  readonly key: KeyObject;
  /** Of the store's keys, the one that wraps its key. */
  readonly by: number;
  readonly since: number;
  /** Its groups, with how many keys each had when it was written. */
  readonly groups: Map<Group, number>;
  size: number;
  closed: boolean;
  /** Something in it does not open. */
  isTorn?: boolean;
}

export interface IntakeLoaded {
  readonly groups: Group[];
  /** Segments that could not be read: damaged, or of a key that is gone. */
  readonly damaged: number[];
  /** Groups that do not open, and are not the last that was written. */
  readonly damagedGroups: number;
  readonly segments: number;
  /** Numbers of all files of segments that were found. */
  readonly files: readonly number[];
}

export class IntakeFiles {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #keyring: Keyring;
  readonly #random: (length: number) => Buffer;
  readonly #now: () => number;
  readonly #segments = new Map<number, Segment>();
  readonly #empty: EmptySegments;
  #current: Segment | undefined;
  readonly scratch = new Scratch();
  #next = 1;
  #damagedGroups = 0;
  bytes = 0;
  /** Segments were begun of which the books do not know yet. */
  hasNew = false;

  constructor(
    files: FileSystem,
    folder: string,
    keyring: Keyring,
    random: (length: number) => Buffer,
    now: () => number,
  ) {
    this.#files = files;
    this.#folder = `${folder}/intake`;
    this.#keyring = keyring;
    this.#random = random;
    this.#now = now;
    this.#empty = new EmptySegments(files, this.#folder, (name) => this.#overwrite(name));
  }

  /**
   * Reads all that is there. Nothing is appended to a segment of an earlier process.
   * @param unreadable a segment of which the disk does not give all bytes
   */
  async load(how: LoadHow = "clean", unreadable: Unreadable = "refused"): Promise<IntakeLoaded> {
    const names = await namesIn(this.#files, this.#folder, how);
    const numbers = names.flatMap((name) => {
      const match = /^(\d{12})\.seg$/.exec(name);
      return match ? [Number(match[1])] : [];
    });
    numbers.sort((a, b) => a - b);
    const groups = new Map<number, Group>();
    const damaged: number[] = [];
    if (how === "clean") {
      const gone = names.filter((name) => name.endsWith(leaving));
      if (gone.length > 0) await this.#files.syncFolder(this.#folder);
      for (const name of gone) await this.#overwrite(name);
    }
    for (const number of numbers) {
      this.#next = Math.max(this.#next, number + 1);
      const read = () => this.#read(number, how);
      const found = await unlessUnreadable(unreadable, read);
      if (found === undefined) damaged.push(number);
      for (const group of found ?? []) this.#take(group, groups);
    }
    if (how === "clean") await this.#writeAgain([...this.#segments.values()].slice(-lastSegments));
    return {
      groups: [...groups.values()].sort((a, b) => a.number - b.number),
      damaged,
      damagedGroups: this.#damagedGroups,
      segments: this.#segments.size,
      files: numbers,
    };
  }

  /**
   * After a failed sync Linux shows what it could not write, and forgets it: what was written last counts only
   * when it was written once more.
   */
  async #writeAgain(segments: readonly Segment[]): Promise<void> {
    for (const { file, size } of segments) {
      for (let at = 0; at < size; at += pieceBytes) {
        await writeAll(file, await readAt(file, at, Math.min(pieceBytes, size - at)), at);
      }
      await file.datasync();
    }
    await this.#files.syncFolder(this.#folder);
  }

  /** @param groups those of segments before it: one that was copied forward is in two, and the later one counts */
  #take(group: Group, groups: Map<number, Group>): void {
    const before = groups.get(group.number);
    if (before !== undefined) this.#segments.get(before.segment)?.groups.delete(before);
    groups.set(group.number, group);
    this.#segments.get(group.segment)?.groups.set(group, group.count);
  }

  /** @returns its groups; undefined if it is damaged @throws a system error: nothing of it is kept */
  async #read(number: number, how: LoadHow): Promise<Group[] | undefined> {
    const { file, size } = await openOwn(this.#files, this.#path(number), how);
    try {
      return await this.#readAll(number, file, size, how);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #readAll(
    number: number,
    file: OpenFile,
    size: number,
    how: LoadHow,
  ): Promise<Group[] | undefined> {
    const header = await readAt(file, 0, headerLength);
    const wrapped = header.subarray(keyAt, keyAt + wrappedLength);
    const good = header.length === headerLength && header.subarray(0, magic.length).equals(magic);
    const unwrapped = good ? this.#keyring.unwrap(wrapped, aboutSegment(number)) : undefined;
    if (unwrapped === undefined) {
      await file.close();
      // A header is durable before anything follows it: here power failed before that, and nothing was in it.
      if (size > headerLength) return undefined;
      if (how === "clean") await this.#files.remove(this.#path(number));
      return [];
    }
    const { groups, damaged, isTorn } = await groupsIn(file, unwrapped.key, headerLength, size);
    for (const group of groups) group.segment = number;
    this.#damagedGroups += damaged;
    const since = this.#now();
    const segment = { number, file, ...unwrapped, since, groups: new Map(), size, closed: true };
    this.#segments.set(number, { ...segment, isTorn });
    this.bytes += size;
    return groups;
  }

  /** Appends groups, and makes them durable. @throws a system error: of a full disk, none of them is there */
  async append(groups: readonly Group[]): Promise<void> {
    const before = new Map<Segment, number>();
    const placed: { group: Group; segment: Segment; offset: number }[] = [];
    try {
      for (const group of groups) {
        const segment = await this.#open();
        if (!before.has(segment)) before.set(segment, segment.size);
        this.scratch.begin();
        sealGroup(group, segment.key, this.scratch);
        const { bytes } = this.scratch;
        await writeAll(segment.file, bytes, segment.size);
        this.scratch.end();
        placed.push({ group, segment, offset: segment.size });
        segment.size += bytes.length;
        this.bytes += bytes.length;
        if (segment.size >= segmentBytes) this.#close();
      }
    } catch (error) {
      if (isFull(error)) await this.#takeBack(before);
      throw error;
    }
    for (const { group, segment, offset } of placed) {
      this.#segments.get(group.segment)?.groups.delete(group);
      group.segment = segment.number;
      group.offset = offset;
      segment.groups.set(group, group.live);
    }
  }

  async #takeBack(before: ReadonlyMap<Segment, number>): Promise<void> {
    for (const [segment, size] of before) {
      await takeBack(segment.file, size);
      this.bytes -= segment.size - size;
      segment.size = size;
    }
  }

  #close(): void {
    if (this.#current !== undefined) this.#current.closed = true;
    this.#current = undefined;
  }

  async #open(): Promise<Segment> {
    if (this.#current !== undefined) return this.#current;
    const number = this.#next++;
    const bytes = this.#random(32);
    const header = Buffer.alloc(headerLength);
    magic.copy(header);
    this.#keyring.wrap(bytes, aboutSegment(number)).copy(header, keyAt);
    const key = createSecretKey(bytes);
    bytes.fill(0);
    const file = await this.#make(this.#path(number), header);
    const segment: Segment = {
      number,
      file,
      key,
      by: this.#keyring.current.id,
      since: this.#now(),
      groups: new Map(),
      size: headerLength,
      closed: false,
    };
    this.bytes += headerLength;
    this.#segments.set(number, segment);
    this.hasNew = true;
    this.#current = segment;
    return segment;
  }

  /** Makes a file with this header, durably. @throws a system error: it is not there, or was not begun */
  async #make(path: string, header: Buffer): Promise<OpenFile> {
    await (await this.#files.open(path, "wx", 0o600)).close();
    let file: OpenFile | undefined;
    try {
      file = await this.#files.open(path, durableWrites, 0o600);
      await writeAll(file, header, 0);
      await this.#files.syncFolder(this.#folder);
      return file;
    } catch (error) {
      await file?.close();
      await this.#files.remove(path);
      throw error;
    }
  }

  /** Reads a group's bytes back into memory. @throws a system error; an Error if it is damaged */
  async restore(group: Group): Promise<void> {
    const segment = this.#segments.get(group.segment);
    if (segment === undefined || group.plain !== undefined) return;
    const sealed = await readAt(segment.file, group.offset, lengthOf(group));
    const read = openGroup(sealed, segment.key);
    freeMemory(sealed);
    if (read?.plain === undefined) throw new Error("a group of the intake is damaged");
    if (group.plain === undefined && group.live > 0) group.restore(read.plain);
    else read.evict();
  }

  /**
   * Groups that wait in segments of which a part was used, and that began `olderThanMs` ago: they are copied
   * forward, and their segment can go.
   */
  toCopy(olderThanMs: number): Group[] {
    const groups: Group[] = [];
    for (const segment of this.#segments.values()) {
      if (this.#now() - segment.since < olderThanMs) continue;
      if (!segment.closed && segment.size > headerLength && this.#current === segment)
        this.#close();
      if (segment.isTorn) groups.push(...[...segment.groups.keys()].filter(({ live }) => live > 0));
      if (segment.isTorn) continue;
      const used = [...segment.groups].some(([{ live }, written]) => live < written);
      if (!used) continue;
      for (const group of segment.groups.keys()) if (group.live > 0) groups.push(group);
    }
    return groups;
  }

  /** Numbers of segments in which keys wait, or may: not of those that were taken out. */
  get numbers(): number[] {
    return [...this.#segments.keys()];
  }

  /** Bytes of segments under an older key of the store. */
  olderBytes(): number {
    return this.#older().reduce((sum, { size }) => sum + size, 0);
  }

  #older(): Segment[] {
    const { id } = this.#keyring.current;
    return [...this.#segments.values()].filter(({ by }) => by !== id);
  }

  /**
   * Some groups that wait in segments under an older key of the store, to be copied forward. No segment that is
   * written to has an older key after.
   * @param most bytes of key, at least one group
   */
  older(most: number): Group[] {
    const groups: Group[] = [];
    let bytes = 0;
    for (const segment of this.#older()) {
      if (segment === this.#current) this.#close();
      for (const group of segment.groups.keys()) {
        if (group.live === 0) continue;
        groups.push(group);
        bytes += group.length;
        if (bytes >= most) return groups;
      }
    }
    return groups;
  }

  /** Segments that were set aside because they are damaged: what is left of them opens no more. */
  async removeDamaged(): Promise<void> {
    const names = await this.#files.list(this.#folder);
    const gone = names.filter((name) => name.endsWith(aside));
    for (const name of gone) await this.#overwrite(name);
    if (gone.length > 0) await this.#files.syncFolder(this.#folder);
  }

  /**
   * Takes out segments of which no key waits any more; not while another change of them is on its way to the disk.
   * @param most of them @returns whether any are to leave the disk, also such as were taken out before
   */
  takeEmpty(most = Number.POSITIVE_INFINITY): boolean {
    const empty = [...this.#segments.values()]
      .filter(({ closed, groups }) => closed && [...groups.keys()].every(({ live }) => live === 0))
      .slice(0, most);
    for (const { number, size } of empty) {
      this.#segments.delete(number);
      this.bytes -= size;
    }
    this.#empty.add(empty);
    return this.#empty.isAny;
  }

  /** Overwrites the keys of segments that were taken out, and removes them: see {@link EmptySegments.shred}. */
  shred(): Promise<number[]> {
    return this.#empty.shred();
  }

  async #overwrite(name: string): Promise<void> {
    const path = `${this.#folder}/${name}`;
    const file = await this.#files.open(path, "r+", 0o600);
    try {
      await writeAll(file, Buffer.alloc(headerLength), 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.#files.remove(path);
  }

  /** A damaged segment makes way, for a person to look at. */
  async setAside(number: number): Promise<void> {
    await this.#files.rename(this.#path(number), `${this.#path(number)}${aside}`);
  }

  async close(): Promise<void> {
    for (const { file } of this.#segments.values()) await file.close();
    this.#segments.clear();
    await this.#empty.close();
  }

  #path(number: number): string {
    return `${this.#folder}/${segmentName(number)}`;
  }
}

function aboutSegment(number: number): Buffer {
  return Buffer.from(`segment ${number}`, "utf8");
}
