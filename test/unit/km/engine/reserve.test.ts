import test from "ava";
import type { FileSystem, OpenFile } from "../../../../src/host/disk/files.ts";
import { Reserve } from "../../../../src/km/io/engine/reserve.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";

const mebibyte = 1_048_576;

/** A disk of so many bytes, of which others may take some. */
class SmallDisk {
  readonly #disk = new Disk();
  others = 0;
  /** Memory that was written from. */
  readonly written = new Set<ArrayBufferLike>();
  readonly #bytes: number;
  /** Called before a file is removed. */
  beforeRemove = async () => {};
  /** Called when the file of the reserve has grown. */
  grown = async (_bytes: number) => {};

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  get #used(): number {
    return [...this.#disk.files("/km").values()].reduce((sum, { length }) => sum + length, 0);
  }

  get left(): number {
    return this.#bytes - this.#used - this.others;
  }

  /** What another part of the store writes. @throws ENOSPC */
  readonly take = async (bytes: number) => {
    if (this.left < bytes) throw systemError("ENOSPC");
    this.others += bytes;
  };

  get files(): FileSystem {
    const disk = this.#disk;
    const open = async (path: string, flags: string): Promise<OpenFile> => {
      const file = await disk.open(path, flags);
      const write: OpenFile["write"] = async (source, offset, length, position) => {
        if (this.left < length) throw systemError("ENOSPC");
        this.written.add(source.buffer);
        const written = await file.write(source, offset, length, position);
        await this.grown(position + length);
        return written;
      };
      return { ...file, write };
    };
    return {
      open,
      remove: async (path) => {
        await this.beforeRemove();
        await disk.remove(path);
      },
      rename: (from, to) => disk.rename(from, to),
      list: (path) => disk.list(path),
      makeFolder: () => disk.makeFolder(),
      syncFolder: () => disk.syncFolder(),
    };
  }
}

function bench(mebibytes: number, reserve: number) {
  const disk = new SmallDisk(mebibytes * mebibyte);
  const clock = new ManualClock();
  return { disk, clock, reserve: new Reserve(disk.files, "/km", reserve * mebibyte, clock) };
}

test("who finds no room while the reserve makes way for another waits for it", async (t) => {
  const { disk, reserve } = bench(4, 2);
  await reserve.make();
  await disk.take(disk.left);
  const removing = Promise.withResolvers<void>();
  const mayRemove = Promise.withResolvers<void>();
  disk.beforeRemove = () => {
    removing.resolve();
    return mayRemove.promise;
  };
  const first = reserve.use(() => disk.take(1_000));
  await removing.promise;
  const tried = Promise.withResolvers<void>();
  const second = reserve.use(() => {
    tried.resolve();
    return disk.take(1_000);
  });
  await tried.promise;
  setImmediate(mayRemove.resolve);
  await t.notThrowsAsync(Promise.all([first, second]));
});

test("a reserve that is being made gives the last room to who needs it", async (t) => {
  const { disk, clock, reserve } = bench(4, 4);
  await disk.take(mebibyte);
  await clock.advance(60_000);
  let isWritten: Promise<void> | undefined;
  disk.grown = async (bytes) => {
    // It has taken all that was left, and does not know yet that there is no more.
    if (bytes === 3 * mebibyte) isWritten = reserve.use(() => disk.take(1_000));
  };
  await reserve.make();
  t.false(reserve.isThere);
  t.not(isWritten, undefined);
  await t.notThrowsAsync(isWritten as Promise<void>);
});

test("one that is made meanwhile makes way", async (t) => {
  const { disk, reserve } = bench(4, 4);
  let isWritten: Promise<void> | undefined;
  disk.grown = async (bytes) => {
    if (bytes === 4 * mebibyte) isWritten = reserve.use(() => disk.take(1_000));
  };
  await reserve.make();
  t.not(isWritten, undefined);
  await t.notThrowsAsync(isWritten as Promise<void>);
  t.false(reserve.isThere);
  // And where there is none to make way, a full disk is told as such.
  await disk.take(disk.left);
  await t.throwsAsync(
    reserve.use(() => disk.take(1_000)),
    { code: "ENOSPC" },
  );
});

test("all pieces of a reserve are written from the same memory", async (t) => {
  const { disk, reserve } = bench(4, 4);
  await reserve.make();
  t.true(reserve.isThere);
  t.is(disk.left, 0);
  t.is(disk.written.size, 1);
});
