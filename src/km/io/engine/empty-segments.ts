/**
 * Segments of which no key waits any more, on their way off the disk. One that a disk did not let go of is not
 * forgotten: it is of a key of the store that goes once nothing is left of it, and would look damaged after that.
 */
import type { FileSystem, OpenFile } from "../../../host/disk/files.ts";

/** What a segment is called that leaves: a header that is overwritten in part must not look like damage. */
export const leaving = ".gone";

export interface EmptySegment {
  readonly number: number;
  readonly file: OpenFile;
}

interface Leaving extends EmptySegment {
  isRenamed: boolean;
  isClosed: boolean;
}

export function segmentName(number: number): string {
  return `${String(number).padStart(12, "0")}.seg`;
}

export class EmptySegments {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #overwrite: (name: string) => Promise<void>;
  readonly #left: Leaving[] = [];
  /** Numbers that were not told yet. */
  readonly #gone: number[] = [];
  /** The round under way: one follows the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param overwrite makes a file unreadable, and removes it */
  constructor(files: FileSystem, folder: string, overwrite: (name: string) => Promise<void>) {
    this.#files = files;
    this.#folder = folder;
    this.#overwrite = overwrite;
  }

  add(segments: readonly EmptySegment[]): void {
    for (const { number, file } of segments) {
      this.#left.push({ number, file, isRenamed: false, isClosed: false });
    }
  }

  get isAny(): boolean {
    return this.#left.length + this.#gone.length > 0;
  }

  /** @returns numbers of those that are gone @throws a system error: what is left is tried again by the next call */
  shred(): Promise<number[]> {
    const done = this.#last.then(() => this.#shred());
    this.#last = done.catch(() => {});
    return done;
  }

  async #shred(): Promise<number[]> {
    const all = [...this.#left];
    for (const one of all) {
      const name = `${this.#folder}/${segmentName(one.number)}`;
      if (!one.isRenamed) await this.#files.rename(name, `${name}${leaving}`);
      one.isRenamed = true;
    }
    await this.#files.syncFolder(this.#folder);
    for (const one of all) {
      if (!one.isClosed) await one.file.close();
      one.isClosed = true;
      await this.#overwrite(`${segmentName(one.number)}${leaving}`);
      this.#left.splice(this.#left.indexOf(one), 1);
      this.#gone.push(one.number);
    }
    await this.#files.syncFolder(this.#folder);
    return this.#gone.splice(0);
  }

  async close(): Promise<void> {
    await this.#last;
    for (const { file, isClosed } of this.#left.splice(0)) if (!isClosed) await file.close();
  }
}
