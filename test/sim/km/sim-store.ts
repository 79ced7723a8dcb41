/**
 * A store in simulated time: what was not committed when the machine died is gone, what was committed is there
 * whole. Each byte knows where it came from, so that an oracle can tell two uses of one byte.
 */
import { tagOf } from "../../../src/km/io/engine/tag.ts";
import type { ReceivedKeys } from "../../../src/km/keys/received.ts";
import type { Buffered, BufferedKeys } from "../../../src/km/store/buffered.ts";
import type {
  Change,
  Fullness,
  Handle,
  Handles,
  KeyStore,
  Loaded,
  Row,
  StoreUse,
  TagKey,
} from "../../../src/km/store/port.ts";
import type { Range } from "../../../src/wire/kx/messages.ts";
import { columnsOf, eachReceived } from "../../rig/stored-keys.ts";
import type { Clockwork } from "./clockwork.ts";

interface Stored {
  readonly buffered: Buffered;
  readonly bytes: Buffer;
}

/** Bytes of an extent, and the origin of each: number of its QKD-key times 64, and its place in it. */
export interface Cells {
  readonly bytes: Buffer;
  readonly origins: Float64Array;
}

class Content {
  rows = new Map<string, Row>();
  buffered = new Map<Handle, Stored>();
  extents = new Map<number, Cells>();
  /** IDs that were ever confirmed: an old disk knows fewer. */
  confirmed = new Set<string>();
  nextHandle = 1;

  copy(): Content {
    const copy = new Content();
    copy.rows = new Map(this.rows);
    copy.buffered = new Map(this.buffered);
    copy.extents = new Map(this.extents);
    copy.confirmed = new Set(this.confirmed);
    copy.nextHandle = this.nextHandle;
    return copy;
  }
}

interface Operation {
  readonly apply: (content: Content) => void;
  readonly done: () => void;
}

/** What becomes durable in the order in which it was asked for; another lane may be ahead of it. */
interface Lane {
  /** How long a flush takes, about, ms. */
  readonly slowness: number;
  queue: Operation[];
  isFlushing: boolean;
}

/** What outlives a process. */
export class SimDisk {
  content = new Content();
  #copy: Content | undefined;

  /** Damage: bytes of extents are gone. */
  lose(which: (number: number) => boolean): void {
    for (const number of this.content.extents.keys()) {
      if (which(number)) this.content.extents.delete(number);
    }
  }

  /** An operator copies the disk. */
  copy(): void {
    this.#copy = this.content.copy();
  }

  /** The copy is put back. @returns whether there was one */
  restore(): boolean {
    if (this.#copy === undefined) return false;
    this.content = this.#copy;
    this.#copy = undefined;
    return true;
  }
}

export interface SimStoreOptions {
  /** A text is given a tag under this key of a one-time MAC. */
  readonly oneTime?: ((key: Buffer, text: Buffer) => void) | undefined;
  readonly clock: Clockwork;
  readonly random: () => number;
  /** Number of a QKD-key by its ID, for the origin of bytes. */
  readonly numberOf: (id: Uint8Array) => number;
  /** A planted mistake: what follows from this change happens before it is durable. */
  readonly noSync?: ((change: Change | "put") => boolean) | undefined;
  /** A planted mistake: confirmed IDs are not remembered. */
  readonly forgetful?: boolean;
  /** Origins of one QKD-key: no key has more bytes. */
  readonly span?: number;
  /** Whether the disk has room for what its books need and for no key more. */
  readonly isFull?: (() => boolean) | undefined;
}

export class SimStore implements KeyStore {
  readonly #disk: SimDisk;
  readonly #live: Content;
  readonly #options: SimStoreOptions;
  readonly #lanes: Record<"put" | "commit" | "ids", Lane> = {
    put: { slowness: 1, queue: [], isFlushing: false },
    commit: { slowness: 1, queue: [], isFlushing: false },
    ids: { slowness: 10, queue: [], isFlushing: false },
  };
  /** Something was answered that is not durable: the disk takes its time with it. */
  #slow = false;
  #dead = false;
  commits = 0;

  constructor(disk: SimDisk, options: SimStoreOptions) {
    this.#disk = disk;
    this.#live = disk.content.copy();
    this.#options = options;
  }

  load(): Loaded {
    const { rows, buffered, extents } = this.#live;
    return {
      rows: [...rows.values()],
      buffered: columnsOf([...buffered.values()].map((stored) => stored.buffered)),
      extents: [...extents].map(([number, { bytes }]) => ({
        link: "ab",
        number,
        length: bytes.length,
      })),
    };
  }

  /** The process dies: what was under way is durable as far as the disk had come. */
  die(): void {
    this.#dead = true;
    for (const lane of Object.values(this.#lanes)) {
      const durable = Math.floor(this.#options.random() * (lane.queue.length + 1));
      for (const { apply } of lane.queue.slice(0, durable)) apply(this.#disk.content);
      lane.queue = [];
    }
  }

  confirmed(id: string): boolean {
    return !this.#options.forgetful && this.#live.confirmed.has(id);
  }

  put(module: string, keys: ReceivedKeys, done: (stored: BufferedKeys | undefined) => void): void {
    const stored = eachReceived(keys).map(({ id, bits, bytes }): Stored => {
      const handle = this.#live.nextHandle++;
      const at = this.#options.clock.now;
      const buffered = { handle, module, id, length: bytes.length, bits, at };
      return { buffered, bytes: Buffer.from(bytes) };
    });
    this.#enqueue(
      "put",
      (content) => {
        for (const key of stored) {
          content.buffered.set(key.buffered.handle, key);
          content.nextHandle = Math.max(content.nextHandle, key.buffered.handle + 1);
        }
      },
      () => done(columnsOf(stored.map(({ buffered }) => buffered))[0]),
      this.#options.noSync?.("put"),
    );
  }

  /** What is remembered of IDs that were confirmed, in a file of its own. */
  remember(ids: readonly string[], done: () => void): void {
    const apply = (content: Content) => {
      for (const id of ids) content.confirmed.add(id);
    };
    this.#enqueue("ids", apply, done);
  }

  /** The same before anything begins. */
  rememberNow(ids: Iterable<string>): void {
    for (const id of ids) {
      this.#live.confirmed.add(id);
      this.#disk.content.confirmed.add(id);
    }
  }

  commit(change: Change, done: () => void = () => {}): void {
    const cells = (change.extents ?? []).map((extent) => {
      const origins = new Float64Array(extent.length);
      const bytes = Buffer.alloc(extent.length);
      let at = 0;
      for (const handle of extent.handles) {
        const stored = this.#live.buffered.get(handle);
        if (stored === undefined) throw new Error("an extent is made of keys that are there");
        const { numberOf, span = 64 } = this.#options;
        const number = numberOf(stored.buffered.id);
        for (let i = 0; i < stored.bytes.length; i++) origins[at + i] = number * span + i;
        at += stored.bytes.copy(bytes, at);
      }
      if (at !== extent.length) throw new Error("an extent has the length of its keys");
      return { extent, cells: { bytes, origins } };
    });
    this.#enqueue(
      "commit",
      (content) => {
        for (const { extent, cells: made } of cells) {
          content.extents.set(extent.number, made);
          for (const handle of extent.handles) content.buffered.delete(handle);
        }
        for (const handle of change.dropped ?? []) content.buffered.delete(handle);
        for (const { number } of change.gone ?? []) content.extents.delete(number);
        for (const row of change.rows ?? []) {
          const key = `${row.kind}/${row.link}/${row.key}`;
          if (row.value === undefined) content.rows.delete(key);
          else content.rows.set(key, row);
        }
      },
      done,
      this.#options.noSync?.(change),
    );
  }

  #enqueue(
    to: "put" | "commit" | "ids",
    apply: (content: Content) => void,
    done: () => void,
    early = false,
  ): void {
    if (this.#dead) return;
    const { clock } = this.#options;
    const lane = this.#lanes[to];
    apply(this.#live);
    if (early) {
      clock.after(0, () => !this.#dead && done());
      lane.queue.push({ apply, done: () => {} });
      this.#slow = true;
    } else lane.queue.push({ apply, done });
    if (!lane.isFlushing) this.#flush(lane);
  }

  #flush(lane: Lane): void {
    const { clock, random } = this.#options;
    lane.isFlushing = true;
    clock.after((this.#slow ? 300 : lane.slowness) * (0.2 + random()), () => {
      if (this.#dead) return;
      this.#slow = false;
      const group = lane.queue;
      lane.queue = [];
      this.commits++;
      for (const { apply } of group) apply(this.#disk.content);
      for (const { done } of group) if (!this.#dead) done();
      lane.isFlushing = false;
      if (lane.queue.length > 0) this.#flush(lane);
    });
  }

  /** A sync begins at once in any case, and takes as long as it does. */
  hurry(): void {}

  full(): Fullness {
    return this.#options.isFull?.() ? "full" : undefined;
  }

  use(): StoreUse {
    const { buffered } = this.#live;
    return {
      bufferedKeys: buffered.size,
      bufferedBytes: 0,
      diskBytes: 0,
      limitBytes: Number.POSITIVE_INFINITY,
    };
  }

  tagBuffered(handles: Handles, key: TagKey, done: (tag: Buffer | undefined) => void): void {
    const parts = Array.from(handles, (handle) => this.#live.buffered.get(handle)?.bytes);
    if (key.text !== undefined && !parts.includes(undefined)) {
      this.#options.oneTime?.(key.key, Buffer.concat([key.text, ...(parts as Buffer[])]));
    }
    this.#later(() => done(parts.includes(undefined) ? undefined : tagOf(parts as Buffer[], key)));
  }

  tagRanges(
    _link: string,
    ranges: readonly Range[],
    key: TagKey,
    done: (tag: Buffer | undefined) => void,
  ): void {
    const bytes = this.#bytes(ranges);
    this.#read(() => done(bytes && tagOf([bytes], key)));
  }

  equals(handle: Handle, bytes: Uint8Array, done: (equal: boolean) => void): void {
    const stored = this.#live.buffered.get(handle);
    const equal = stored?.bytes.equals(bytes.subarray(0, stored.bytes.length)) ?? false;
    this.#later(() => done(equal));
  }

  read(_link: string, ranges: readonly Range[], done: (bytes: Buffer | undefined) => void): void {
    const bytes = this.#bytes(ranges);
    this.#read(() => done(bytes));
  }

  /** Bytes of ranges with their origins. */
  cells(ranges: readonly Range[]): Cells | undefined {
    const bytes = this.#bytes(ranges);
    if (bytes === undefined) return undefined;
    const origins = new Float64Array(bytes.length);
    let at = 0;
    for (const { extent, start, end } of ranges) {
      const found = this.#live.extents.get(extent);
      if (found !== undefined) origins.set(found.origins.subarray(start, end), at);
      at += end - start;
    }
    return { bytes, origins };
  }

  #bytes(ranges: readonly Range[]): Buffer | undefined {
    const parts: Buffer[] = [];
    for (const { extent, start, end } of ranges) {
      const found = this.#live.extents.get(extent);
      if (found === undefined || end > found.bytes.length) return undefined;
      parts.push(found.bytes.subarray(start, end));
    }
    return Buffer.concat(parts);
  }

  forget(): void {}

  async close(): Promise<void> {}

  /** Most bytes were opened a moment ago; the others come from the disk, behind what is being written. */
  #read(fn: () => void): void {
    const drawn = this.#options.random();
    this.#options.clock.after(drawn < 0.9 ? drawn * 0.3 : (drawn - 0.9) * 200, () => {
      if (!this.#dead) fn();
    });
  }

  #later(fn: () => void): void {
    this.#options.clock.after(this.#options.random() * 0.3, () => {
      if (!this.#dead) fn();
    });
  }
}
