/**
 * A disk in memory whose power can be cut: what was not synced is gone then, or half there. Any
 * operation can be made to fail.
 */
import type { FileSystem, OpenFile } from "../../src/state/files.ts";
import { random } from "../random.ts";

interface Inode {
  data: Buffer;
  synced: Buffer;
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export class CutDisk implements FileSystem {
  #names: Map<string, Inode>;
  #durableNames: Map<string, Inode>;
  /** Operations so far. */
  operations = 0;
  /** Operations from this number on fail; so does every one after it. */
  failsFrom = Number.POSITIVE_INFINITY;
  /** What failing operations say. */
  code = "EIO";

  constructor(names = new Map<string, Inode>()) {
    this.#names = names;
    this.#durableNames = new Map(names);
  }

  /** The disk as it is found after a power cut now. */
  cut(seed: number): CutDisk {
    const next = random(seed);
    const names = new Map<string, Inode>();
    for (const [path, { data, synced }] of this.#durableNames) {
      // Of what was not synced, a part may have reached the disk.
      const same = Math.min(synced.length, data.length);
      const more = Math.floor(next() * (data.length - same + 1));
      const found = next() < 0.5 ? synced : data.subarray(0, same + more);
      names.set(path, { data: Buffer.from(found), synced: Buffer.from(found) });
    }
    return new CutDisk(names);
  }

  /** What is in a file now; undefined if there is none. */
  content(path: string): Buffer | undefined {
    return this.#names.get(path)?.data;
  }

  /** Damages a file, as a failing medium does. */
  damage(path: string, edit: (data: Buffer) => Buffer): void {
    const inode = this.#names.get(path) as Inode;
    inode.data = Buffer.from(edit(Buffer.from(inode.data)));
    inode.synced = Buffer.from(inode.data);
  }

  async open(path: string, flags: string): Promise<OpenFile> {
    this.#operate();
    const known = this.#names.get(path);
    if (flags.startsWith("r") && known === undefined) throw systemError("ENOENT");
    if (flags.startsWith("wx") && known !== undefined) throw systemError("EEXIST");
    const inode = known ?? { data: Buffer.alloc(0), synced: Buffer.alloc(0) };
    this.#names.set(path, inode);
    return this.#handle(inode);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#operate();
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError("ENOENT");
    this.#names.delete(from);
    this.#names.set(to, inode);
  }

  async remove(path: string): Promise<void> {
    this.#operate();
    this.#names.delete(path);
  }

  async list(path: string): Promise<string[]> {
    this.#operate();
    const names = [...this.#names.keys()].filter((name) => name.startsWith(`${path}/`));
    return names.map((name) => name.slice(path.length + 1));
  }

  async makeFolder(): Promise<void> {
    this.#operate();
  }

  async syncFolder(): Promise<void> {
    this.#operate();
    this.#durableNames = new Map(this.#names);
  }

  #operate(): void {
    this.operations++;
    if (this.operations >= this.failsFrom) throw systemError(this.code);
  }

  #handle(inode: Inode): OpenFile {
    return {
      read: async (target, offset, length, position) => {
        this.#operate();
        const part = inode.data.subarray(position, position + length);
        return { bytesRead: part.copy(target, offset) };
      },
      write: async (source, offset, length, position) => {
        this.#operate();
        const end = position + length;
        if (end > inode.data.length) {
          inode.data = Buffer.concat([inode.data, Buffer.alloc(end - inode.data.length)]);
        } else {
          inode.data = Buffer.from(inode.data);
        }
        source.copy(inode.data, position, offset, offset + length);
        return { bytesWritten: length };
      },
      datasync: async () => {
        this.#operate();
        inode.synced = Buffer.from(inode.data);
      },
      truncate: async (length) => {
        this.#operate();
        inode.data = Buffer.from(inode.data.subarray(0, length));
      },
      stat: async () => ({ size: inode.data.length }),
      close: async () => {},
    };
  }
}
