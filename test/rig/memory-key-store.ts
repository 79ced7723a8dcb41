/** A store of a key manager in memory: what `src/km/store/port.ts` asks for, without a disk. */
import { timingSafeEqual } from "node:crypto";
import { tagOf } from "../../src/km/io/engine/tag.ts";
import { type ReceivedKeys, wholeBytes } from "../../src/km/keys/received.ts";
import type { Buffered, BufferedKeys } from "../../src/km/store/buffered.ts";
import type {
  Change,
  Fullness,
  Handle,
  Handles,
  KeyStore,
  StoreUse,
  TagKey,
} from "../../src/km/store/port.ts";
import { columnsOf, eachReceived } from "./stored-keys.ts";

interface Entry {
  readonly buffered: Buffered;
  readonly bytes: Buffer;
}

export class MemoryKeyStore implements KeyStore {
  readonly entries = new Map<Handle, Entry>();
  fullness: Fullness;
  /** Changes that were committed, in their order. */
  readonly changes: Change[] = [];
  readonly puts: number[] = [];
  #handle = 0;
  readonly #queue: (() => void)[] = [];
  readonly #schedule: ((act: () => void) => void) | undefined;

  /**
   * @param schedule has something done later, when it is "durable": by default in the next turn;
   *   undefined: only {@link sync} does it
   */
  constructor(schedule: ((act: () => void) => void) | undefined = setImmediate) {
    this.#schedule = schedule;
  }

  get buffered(): Buffered[] {
    return Array.from(this.entries.values(), ({ buffered }) => buffered);
  }

  /** What was written so far is durable. @param most so many steps of it, the oldest first */
  sync(most = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < most; i++) {
      const act = this.#queue.shift();
      if (act === undefined) return;
      act();
    }
  }

  put(module: string, keys: ReceivedKeys, done: (stored: BufferedKeys | undefined) => void): void {
    this.puts.push(keys.count);
    const entries = eachReceived(keys).map(({ id, bits, bytes, generatedAt, qber }) => ({
      bytes: Buffer.from(bytes),
      buffered: {
        handle: ++this.#handle,
        module,
        id: Buffer.from(id),
        length: wholeBytes(bits),
        bits,
        at: 0,
        ...(generatedAt !== undefined && { generatedAt }),
        ...(qber !== undefined && { qber }),
      },
    }));
    this.#later(() => {
      for (const entry of entries) this.entries.set(entry.buffered.handle, entry);
      done(columnsOf(entries.map(({ buffered }) => buffered))[0]);
    });
  }

  commit(change: Change, done?: () => void): void {
    this.#later(() => {
      this.changes.push(change);
      for (const handle of change.dropped ?? []) this.entries.delete(handle);
      for (const { handles } of change.extents ?? []) {
        for (const handle of handles) this.entries.delete(handle);
      }
      done?.();
    });
  }

  hurry(): void {}

  full(): Fullness {
    return this.fullness;
  }

  use(): StoreUse {
    const bytes = this.buffered.reduce((sum, { length }) => sum + length, 0);
    return {
      bufferedKeys: this.entries.size,
      bufferedBytes: bytes,
      diskBytes: bytes,
      limitBytes: Number.POSITIVE_INFINITY,
    };
  }

  tagBuffered(handles: Handles, key: TagKey, done: (tag: Buffer | undefined) => void) {
    this.#later(() => {
      const entries = Array.from(handles, (handle) => this.entries.get(handle)?.bytes);
      if (entries.some((bytes) => bytes === undefined)) return done(undefined);
      done(tagOf(entries as Buffer[], key));
    });
  }

  tagRanges(): void {
    throw new Error("no extents here");
  }

  equals(handle: Handle, bytes: Uint8Array, done: (equal: boolean) => void): void {
    const copy = Buffer.from(bytes);
    this.#later(() => {
      const own = this.entries.get(handle)?.bytes;
      done(own !== undefined && own.length === copy.length && timingSafeEqual(own, copy));
    });
  }

  read(): void {
    throw new Error("no extents here");
  }

  forget(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }

  #later(act: () => void): void {
    this.#queue.push(act);
    this.#schedule?.(() => this.sync(1));
  }
}
