/**
 * A disk in memory that keeps what a real one would: what was written is lost in a power cut unless
 * it was synced, a name unless its folder was; what was on its way may be there, in part, out of
 * order. Any operation can be made the last, or to fail.
 */
import { durableWrites, type FileSystem, type OpenFile } from "../../src/host/disk/files.ts";

/** What a disk writes at once; a torn write is torn at such a border, or anywhere in the last one. */
const sector = 512;

/** Data of one file: what is safe, and what was done to it since. */
interface Inode {
  safe: Buffer;
  now: Buffer;
  /** Writes and truncations since the last sync, oldest first. */
  pending: ((content: Buffer) => Buffer)[];
  /** The same, each cut into what may arrive of it. */
  pieces: ((content: Buffer, draw: () => number) => Buffer)[];
}

type Names = Map<string, Inode>;

export class PowerCut extends Error {
  override readonly name = "PowerCut";
}

/** An error as the system would give it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by the test`), { code });
}

function written(content: Buffer, bytes: Buffer, position: number): Buffer {
  const length = Math.max(content.length, position + bytes.length);
  const result = Buffer.alloc(length);
  content.copy(result);
  bytes.copy(result, position);
  return result;
}

/** What arrives of a write that was under way: some of its sectors, the last perhaps in part. */
function torn(content: Buffer, bytes: Buffer, position: number, draw: () => number): Buffer {
  let result = content;
  const way = draw();
  if (way < 0.25) return content;
  if (way < 0.5)
    return written(content, bytes.subarray(0, Math.floor(draw() * bytes.length)), position);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + sector - ((position + at) % sector));
    if (draw() < 0.6) result = written(result, bytes.subarray(at, end), position + at);
    at = end;
  }
  return result;
}

/** Two operations: power can fail, and a disk refuse, after the first. */
function writingDurably(file: OpenFile): OpenFile {
  const write: OpenFile["write"] = async (...all) => {
    const written = await file.write(...all);
    await file.datasync();
    return written;
  };
  return { ...file, write };
}

export class Disk implements FileSystem {
  /** Operations so far: every call that could fail. */
  operations = 0;
  /** Operations that failed or were cut. */
  troubles = 0;
  /** What is done to operation number n (from 1): nothing, or it throws. */
  trouble: (operation: number) => Error | undefined = () => undefined;
  /**
   * What arrives of writes whose sync failed, uniform in [0, 1): the rest is forgotten, as Linux does.
   * It can still be read until power fails, and no later sync writes it. Undefined: a failed sync
   * changes nothing, and the next one that works syncs all.
   */
  forgets: (() => number) | undefined;
  /** The power has failed: nothing works any more. */
  dead = false;
  #safe: Names;
  #now: Names;
  #pending: ((names: Names) => void)[] = [];

  constructor(names: Names = new Map()) {
    this.#safe = names;
    this.#now = new Map(names);
  }

  /** Operations from this number on fail, as the system would have it; infinity: none does. */
  failFrom(operation: number, code = "EIO"): void {
    this.trouble = (n) => (n >= operation ? systemError(code) : undefined);
  }

  /** The disk as it is found when power is back. @param draw uniform in [0, 1) */
  afterPowerCut(draw: () => number): Disk {
    this.dead = true;
    const names = new Map(this.#safe);
    // Changes of a folder arrive in order, up to some point.
    const arrived = Math.floor(draw() * (this.#pending.length + 1));
    for (const change of this.#pending.slice(0, arrived)) change(names);
    const copies = new Map<Inode, Inode>();
    for (const [name, inode] of names) {
      let copy = copies.get(inode);
      if (copy === undefined) {
        const content = inode.pieces.reduce((bytes, piece) => piece(bytes, draw), inode.safe);
        copy = { safe: content, now: content, pending: [], pieces: [] };
        copies.set(inode, copy);
      }
      names.set(name, copy);
    }
    return new Disk(names);
  }

  /** Content of a file as a process would read it. */
  read(path: string): Buffer | undefined {
    return this.#now.get(path)?.now;
  }

  /** Content of all files in a folder and below, by path, as a process would read them. */
  files(folder: string): Map<string, Buffer> {
    const inside = [...this.#now].filter(([path]) => path.startsWith(`${folder}/`));
    return new Map(inside.map(([path, { now }]) => [path, now]));
  }

  /** Puts a file there, safely; for what a test does to it between two starts. */
  put(path: string, content: Buffer | undefined): void {
    if (content === undefined) {
      this.#now.delete(path);
      this.#safe.delete(path);
      return;
    }
    const inode = { safe: content, now: content, pending: [], pieces: [] };
    this.#now.set(path, inode);
    this.#safe.set(path, inode);
  }

  open(path: string, flags: string): Promise<OpenFile> {
    return this.#do(() => {
      let inode = this.#now.get(path);
      if (flags.startsWith("wx")) {
        if (inode !== undefined) throw systemError("EEXIST");
        const made: Inode = {
          safe: Buffer.alloc(0),
          now: Buffer.alloc(0),
          pending: [],
          pieces: [],
        };
        this.#rename((names) => names.set(path, made));
        inode = made;
      }
      if (inode === undefined) throw systemError("ENOENT");
      const file = this.#handle(inode);
      return flags === durableWrites ? writingDurably(file) : file;
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do(() => {
      const inode = this.#now.get(from);
      if (inode === undefined) throw systemError("ENOENT");
      this.#rename((names) => {
        names.delete(from);
        names.set(to, inode);
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#do(() => this.#rename((names) => names.delete(path)));
  }

  list(path: string): Promise<string[]> {
    const inside = `${path}/`;
    return this.#do(() =>
      [...this.#now.keys()]
        .filter((name) => name.startsWith(inside))
        .map((name) => name.slice(inside.length)),
    );
  }

  makeFolder(): Promise<void> {
    return this.#do(() => {});
  }

  syncFolder(): Promise<void> {
    return this.#do(() => {
      this.#safe = new Map(this.#now);
      this.#pending = [];
    });
  }

  #rename(change: (names: Names) => void): void {
    change(this.#now);
    this.#pending.push(change);
  }

  #handle(inode: Inode): OpenFile {
    const change = (
      whole: (content: Buffer) => Buffer,
      piece: (content: Buffer, draw: () => number) => Buffer,
    ) => {
      inode.now = whole(inode.now);
      inode.pending.push(whole);
      inode.pieces.push(piece);
    };
    return {
      read: (target, offset, length, position) =>
        this.#do(() => ({
          bytesRead: inode.now.copy(target, offset, position, position + length),
        })),
      write: (source, offset, length, position) => {
        const bytes = Buffer.from(source.subarray(offset, offset + length));
        const begin = (part: Buffer) =>
          change(
            (content) => written(content, part, position),
            (content, draw) => torn(content, part, position, draw),
          );
        // A write that is cut or fails may have happened in part; what can be read is what may arrive.
        return this.#do(
          () => {
            begin(bytes);
            return { bytesWritten: length };
          },
          (trouble) => begin(trouble instanceof PowerCut ? bytes : bytes.subarray(0, length >> 1)),
        );
      },
      datasync: () => {
        const arrived = (content: Buffer) => {
          inode.safe = content;
          inode.pending = [];
          inode.pieces = [];
        };
        const { forgets } = this;
        if (forgets === undefined) return this.#do(() => arrived(inode.now));
        return this.#do(
          () => arrived(inode.pending.reduce((bytes, whole) => whole(bytes), inode.safe)),
          (trouble) => {
            if (trouble instanceof PowerCut) return;
            arrived(inode.pieces.reduce((bytes, piece) => piece(bytes, forgets), inode.safe));
          },
        );
      },
      truncate: (length) =>
        this.#do(() => {
          const cut = (content: Buffer) => Buffer.from(content.subarray(0, length));
          change(cut, (content, draw) => (draw() < 0.5 ? cut(content) : content));
        }),
      stat: () => this.#do(() => ({ size: inode.now.length })),
      close: () => this.#do(() => {}),
    };
  }

  /** Counts an operation, has it fail if it is to, and lets other things happen before it is done. */
  async #do<T>(act: () => T, partly?: (trouble: Error) => void): Promise<T> {
    if (this.dead) throw new PowerCut("no power");
    const trouble = this.trouble(++this.operations);
    if (trouble !== undefined) {
      this.troubles++;
      partly?.(trouble);
      if (trouble instanceof PowerCut) this.dead = true;
      throw trouble;
    }
    const result = act();
    await Promise.resolve();
    return result;
  }
}
