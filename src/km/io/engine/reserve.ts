/**
 * Room for the books on a disk that others fill too: a file of zeros that makes way when there is no other room.
 * While it is not there no key is taken, so what is used can still be written down.
 */
import type { Clock } from "../../../base/clock.ts";
import { errorCode, Fault } from "../../../base/errors.ts";
import { type FileSystem, type OpenFile, writeAll } from "../../../host/disk/files.ts";
import { fileOf } from "./fault.ts";

/** Bytes of zeros that are written at once. */
const piece = 1_048_576;
/** Of the room that the file left, what is not the books may take this part: they go on for longer than others' files. */
const othersPart = 1 / 4;
/** A full disk is not written to again and again: ms between two tries to make the file anew. */
const retryMs = 60_000;

/** Whether an error says that there is no room, and nothing worse. */
export function isFull(error: unknown): boolean {
  if (error instanceof Fault) return error.code === "km_store.full";
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Takes back what a full disk took in part. @throws Fault `km_store.io`: what is in the file is not known any more */
export async function takeBack(file: OpenFile, size: number): Promise<void> {
  try {
    await file.truncate(size);
  } catch (error) {
    const reason = errorCode(error) ?? "unknown";
    throw new Fault("km_store.io", "a write to a full disk can't be taken back", {
      ...fileOf(error),
      reason,
    });
  }
}

export class Reserve {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #bytes: number;
  readonly #clock: Clock;
  #isThere = false;
  /** Bytes that others wrote while it was not there. */
  #others = 0;
  #triedAt = Number.NEGATIVE_INFINITY;
  /** How often room came back because the file, or the beginning of one, was removed. */
  #given = 0;
  /** The file is being made, or removed. */
  #change: Promise<void> | undefined;
  /** The one that is being made is in the way of others. */
  #isInTheWay = false;

  /** @param bytes how much is kept */
  constructor(files: FileSystem, folder: string, bytes: number, clock: Clock) {
    this.#files = files;
    this.#path = `${folder}/reserve`;
    this.#bytes = bytes;
    this.#clock = clock;
  }

  get isThere(): boolean {
    return this.#isThere;
  }

  /** Makes the file if it is not there whole, unless that was tried lately. @throws a system error but a full disk's */
  async make(): Promise<void> {
    if (this.#isThere || this.#clock.now() - this.#triedAt < retryMs) return this.#change;
    this.#triedAt = this.#clock.now();
    this.#isInTheWay = false;
    await this.#changing(async () => {
      try {
        if ((await this.#size()) !== this.#bytes) await this.#write();
        this.#isThere = true;
        this.#others = 0;
      } catch (error) {
        if (!isFull(error)) throw error;
        await this.#remove();
      }
    });
  }

  async #size(): Promise<number | undefined> {
    try {
      const file = await this.#files.open(this.#path, "r", 0);
      const { size } = await file.stat().finally(() => file.close());
      return size;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async #write(): Promise<void> {
    await this.#files.remove(this.#path);
    const file = await this.#files.open(this.#path, "wx", 0o600);
    // The same for all pieces: each with memory of its own left as much of that as the reserve has.
    const zeros = Buffer.alloc(Math.min(piece, this.#bytes));
    try {
      for (let at = 0; at < this.#bytes; at += piece) {
        if (this.#isInTheWay) throw new Fault("km_store.full", "no room for a reserve");
        await writeAll(file, zeros.subarray(0, this.#bytes - at), at);
      }
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  async #remove(): Promise<void> {
    await this.#files.remove(this.#path);
    this.#given++;
  }

  #changing(change: () => Promise<void>): Promise<void> {
    this.#change = change().finally(() => {
      this.#change = undefined;
    });
    return this.#change;
  }

  /**
   * Does what needs room; when there is none, once more without the reserve. Several may at a time, also while the
   * reserve is made or removed: what is being made takes the last room, too.
   */
  async use<T>(write: () => Promise<T>): Promise<T> {
    const before = this.#given;
    try {
      return await write();
    } catch (error) {
      const mayGive = this.#isThere || this.#change !== undefined;
      if (!isFull(error) || (!mayGive && this.#given === before)) throw error;
    }
    await this.#give();
    return await write();
  }

  /**
   * As {@link use}, for files that may be given up before the books are: while the reserve is not there they get a part
   * of its room.
   * @param bytes that are written at most @throws Fault `km_store.full` when they have had that part
   */
  async useSome<T>(bytes: number, write: () => Promise<T>): Promise<T> {
    const most = this.#bytes * othersPart;
    const hasPart = () => this.#isThere || this.#others + bytes <= most;
    if (!hasPart()) await this.make();
    if (!hasPart()) {
      const facts = { limit_bytes: most, file: this.#path };
      throw new Fault(
        "km_store.full",
        "the disk is full: what room is left is for the books",
        facts,
      );
    }
    const result = await this.use(write);
    if (!this.#isThere) this.#others += bytes;
    return result;
  }

  /** The file makes way, unless it did so a moment ago. */
  async #give(): Promise<void> {
    this.#isInTheWay = true;
    while (this.#change !== undefined) await this.#change;
    if (!this.#isThere) return;
    this.#isThere = false;
    this.#triedAt = this.#clock.now();
    await this.#changing(() => this.#remove());
  }
}
