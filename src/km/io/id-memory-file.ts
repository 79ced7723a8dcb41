/**
 * What a module's `IdMemory` is made durable in: two files, written in turn and only ever at their end. When
 * one has as many IDs as are to be remembered, the other, whose IDs are older, begins anew.
 */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { errorCode, Fault } from "../../base/errors.ts";
import {
  durableWrites,
  type FileSystem,
  type OpenFile,
  readWhole,
  replaceFile,
  writeAll,
} from "../../host/disk/files.ts";
import { digestBytes, type IdRecord } from "../acquisition/id-memory.ts";

/** At the start of a file: what it is, its number, and what tells the key that digests were made with. */
const magic = Buffer.from("QKDKMID1");
const headerLength = 28;
/** Before each group of digests: how many, and a checksum over that, the file's number, and them. */
const groupHeader = 8;
/** Digests of a group. */
const mostOfGroup = 65_536;

export interface IdFileOptions {
  readonly files: FileSystem;
  readonly folder: string;
  /** Of the files, without ending. */
  readonly name: string;
  /** Of the key of the digests: 8 bytes, the same for as long as it is the same. */
  readonly keyCheck: Buffer;
  /** IDs that are remembered. */
  readonly most: number;
  /** It cannot be written any more: nothing is settled from now on. */
  readonly onFailure: (fault: Fault) => void;
  /** Does what needs room on the disk, once more if room can be made. Default: no room is made. */
  readonly withRoom?: <T>(write: () => Promise<T>) => Promise<T>;
}

export interface OpenIdFile extends IdRecord {
  /** Digests that it had, oldest first. */
  readonly digests: Buffer;
  /** Writes what is left, and closes. Never rejects. */
  close(): Promise<void>;
}

interface Found {
  readonly number: number;
  readonly digests: Buffer;
  /** Where the next group goes: what is behind it was not written to its end. */
  readonly end: number;
}

/**
 * Opens the files of one module, or makes them.
 * @throws Fault `km_store.io`; `km_store.corrupt` if the digests are of another key
 */
export async function openIdFile(options: IdFileOptions): Promise<OpenIdFile> {
  const file = new IdFile(options);
  try {
    await file.open();
  } catch (error) {
    throw file.fault(error);
  }
  return file;
}

/** Name of the files of a module: by its ID, since its name in the configuration may go to another. */
export function idFileName(moduleId: string): string {
  return `module-${hash("sha256", moduleId, "hex").slice(0, 32)}`;
}

/**
 * What was remembered under names that are not these, of each on its own.
 * @returns digests by name of files @throws Fault `km_store.io`, `km_store.corrupt`
 */
export async function digestsOfOthers(
  options: Omit<IdFileOptions, "name">,
  names: ReadonlySet<string>,
): Promise<Map<string, Buffer>> {
  const found = await options.files.list(options.folder);
  const there = new Set(found.flatMap((file) => /^(.+)\.[01]$/.exec(file)?.[1] ?? []));
  const all = new Map<string, Buffer>();
  for (const name of there) {
    if (names.has(name)) continue;
    const file = await openIdFile({ ...options, name });
    all.set(name, file.digests);
    await file.close();
  }
  return all;
}

class IdFile implements OpenIdFile {
  digests = Buffer.alloc(0);
  readonly #options: IdFileOptions;
  #file: OpenFile | undefined;
  #number = 0;
  #end = 0;
  /** Digests in the file of now. */
  #count = 0;
  #pending: Uint8Array[] = [];
  #waiting: (() => void)[] = [];
  #isPlanned = false;
  #writing: Promise<void> | undefined;
  #failed = false;

  constructor(options: IdFileOptions) {
    this.#options = options;
  }

  append(digests: Uint8Array): void {
    this.#pending.push(Uint8Array.from(digests));
  }

  settled(done: () => void): void {
    if (this.#writing === undefined && this.#pending.length === 0) {
      // Those before it were called in an earlier turn, or wait in the same queue.
      queueMicrotask(() => this.#failed || done());
      return;
    }
    this.#waiting.push(done);
    if (this.#writing === undefined) this.#plan();
  }

  async close(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#pending.length > 0) this.#start();
    await this.#writing;
    await this.#file?.close().catch(() => {});
  }

  async open(): Promise<void> {
    const { most } = this.#options;
    const found = (await Promise.all([this.#read(0), this.#read(1)]))
      .filter((one) => one !== undefined)
      .sort((a, b) => a.number - b.number);
    this.digests = Buffer.concat(found.map(({ digests }) => digests));
    const newest = found.at(-1);
    if (newest === undefined || newest.digests.length / digestBytes >= most) {
      const { withRoom = (write) => write() } = this.#options;
      await withRoom(() => this.#begin((newest?.number ?? 0) + 1));
      return;
    }
    this.#number = newest.number;
    this.#end = newest.end;
    this.#count = newest.digests.length / digestBytes;
    this.#file = await this.#options.files.open(this.#path(newest.number), durableWrites, 0o600);
    await this.#file.truncate(newest.end);
    await this.#file.datasync();
  }

  fault(error: unknown, which = this.#number): Fault {
    if (error instanceof Fault) return error;
    const facts = { file: this.#path(which), code: errorCode(error) ?? "unknown" };
    return new Fault("km_store.io", "confirmed IDs cannot be written or read", facts);
  }

  #path(number: number): string {
    return `${this.#options.folder}/${this.#options.name}.${number % 2}`;
  }

  async #read(which: number): Promise<Found | undefined> {
    const { files, keyCheck, most } = this.#options;
    // A group for each ID at worst, and one group more than are wanted.
    const limit = headerLength + (most + mostOfGroup) * (digestBytes + groupHeader);
    const bytes = await readWhole(files, this.#path(which), limit).catch((error: unknown) => {
      if (error instanceof RangeError) return Buffer.alloc(0);
      throw this.fault(error, which);
    });
    if (bytes === undefined || bytes.length < headerLength) return undefined;
    if (bytes.readUInt32LE(24) !== crc32(bytes.subarray(0, 24))) return undefined;
    if (!bytes.subarray(0, magic.length).equals(magic)) return undefined;
    const number = bytes.readUIntLE(8, 6);
    if (!bytes.subarray(16, 24).equals(keyCheck)) {
      const facts = { file: this.#path(which) };
      throw new Fault("km_store.corrupt", "confirmed IDs are those of another store", facts);
    }
    if (number % 2 !== which) return undefined;
    return { number, ...readGroups(bytes, number) };
  }

  async #begin(number: number): Promise<void> {
    const { files, keyCheck } = this.#options;
    const header = Buffer.alloc(headerLength);
    magic.copy(header);
    header.writeUIntLE(number, 8, 6);
    keyCheck.copy(header, 16, 0, 8);
    header.writeUInt32LE(crc32(header.subarray(0, 24)), 24);
    await this.#file?.close();
    this.#file = undefined;
    await replaceFile(files, this.#path(number), header);
    this.#file = await files.open(this.#path(number), durableWrites, 0o600);
    this.#number = number;
    this.#end = headerLength;
    this.#count = 0;
  }

  /** What comes in one turn is written together. The store's cycles gather keys: there is nothing more to wait for. */
  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    queueMicrotask(() => {
      this.#isPlanned = false;
      this.#start();
    });
  }

  #start(): void {
    if (this.#failed || this.#writing !== undefined) return;
    const pending = this.#pending.splice(0);
    const waiting = this.#waiting.splice(0);
    this.#writing = this.#write(pending).then(
      () => {
        this.#writing = undefined;
        for (const done of waiting) done();
        if (this.#pending.length > 0) return this.#plan();
        for (const done of this.#waiting.splice(0)) done();
      },
      (error: unknown) => {
        this.#writing = undefined;
        this.#failed = true;
        this.#options.onFailure(this.fault(error));
      },
    );
  }

  async #write(pending: readonly Uint8Array[]): Promise<void> {
    const { withRoom = (write) => write() } = this.#options;
    const all = Buffer.concat(pending);
    for (let at = 0; at < all.length; at += mostOfGroup * digestBytes) {
      if (this.#count >= this.#options.most) {
        const next = this.#number + 1;
        await withRoom(() => this.#begin(next));
      }
      const digests = all.subarray(at, at + mostOfGroup * digestBytes);
      const group = groupOf(digests, this.#number);
      await withRoom(() => writeAll(this.#file as OpenFile, group, this.#end));
      this.#end += group.length;
      this.#count += digests.length / digestBytes;
    }
  }
}

function checksum(group: Buffer, number: number): number {
  const prefix = Buffer.alloc(12);
  prefix.writeUIntLE(number, 0, 6);
  prefix.writeUInt32LE(group.readUInt32LE(0), 8);
  return crc32(group.subarray(groupHeader), crc32(prefix));
}

function groupOf(digests: Buffer, number: number): Buffer {
  const group = Buffer.alloc(groupHeader + digests.length);
  group.writeUInt32LE(digests.length / digestBytes, 0);
  digests.copy(group, groupHeader);
  group.writeUInt32LE(checksum(group, number), 4);
  return group;
}

/** Groups up to the first that is not whole. */
function readGroups(bytes: Buffer, number: number): { digests: Buffer; end: number } {
  const groups: Buffer[] = [];
  let at = headerLength;
  while (at + groupHeader <= bytes.length) {
    const count = bytes.readUInt32LE(at);
    const end = at + groupHeader + count * digestBytes;
    if (count === 0 || count > mostOfGroup || end > bytes.length) break;
    const group = bytes.subarray(at, end);
    if (group.readUInt32LE(4) !== checksum(group, number)) break;
    groups.push(group.subarray(groupHeader));
    at = end;
  }
  return { digests: Buffer.concat(groups), end: at };
}
