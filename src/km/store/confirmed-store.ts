/**
 * A store whose QKD-keys leave the buffer no sooner than it is durable that their IDs were confirmed: a node may repeat a
 * key until it has noted that, and a key that is gone and not known would come in a second time (rule S1). Matching need
 * not wait for it, only the change that takes a key out; and what was to be written after that, for the order. Pure.
 */
import type { Range } from "../../wire/kx/messages.ts";
import type { ReceivedKeys } from "../keys/received.ts";
import type { BufferedKeys } from "./buffered.ts";
import type {
  Change,
  Fullness,
  Handle,
  Handles,
  KeyStore,
  NewExtent,
  StoreUse,
  TagKey,
} from "./port.ts";

interface Confirming {
  /** The first of its keys: those of the next have higher handles. */
  readonly from: Handle;
  isDurable: boolean;
}

export class ConfirmedStore implements KeyStore {
  readonly #store: KeyStore;
  /** Keys whose IDs are not on record yet, in the order in which they came. */
  readonly #confirming: Confirming[] = [];
  /** Changes that wait, in their order. */
  readonly #waiting: { readonly change: Change; readonly done: (() => void) | undefined }[] = [];

  constructor(store: KeyStore) {
    this.#store = store;
  }

  /**
   * Keys came into the buffer. To be called for all of them in the order of their handles.
   * @param confirmed calls back when it is durable that their IDs were confirmed
   */
  confirming(handles: Float64Array, confirmed: (done: () => void) => void): void {
    const keys = { from: handles[0] as Handle, isDurable: false };
    this.#confirming.push(keys);
    confirmed(() => {
      keys.isDurable = true;
      while (this.#confirming[0]?.isDurable) this.#confirming.shift();
      for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
        if (this.#mustWait(first.change)) return;
        this.#waiting.shift();
        this.#store.commit(first.change, first.done);
      }
    });
  }

  commit(change: Change, done?: () => void): void {
    if (this.#waiting.length === 0 && !this.#mustWait(change)) this.#store.commit(change, done);
    else this.#waiting.push({ change, done });
  }

  #mustWait({ extents, dropped }: Change): boolean {
    const [oldest] = this.#confirming;
    if (oldest === undefined) return false;
    const isOf = (handles: Handles) => highest(handles) >= oldest.from;
    const takes = ({ handles }: NewExtent) => isOf(handles);
    return (extents?.some(takes) ?? false) || (dropped !== undefined && isOf(dropped));
  }

  put(module: string, keys: ReceivedKeys, done: (stored: BufferedKeys | undefined) => void): void {
    this.#store.put(module, keys, done);
  }

  hurry(): void {
    this.#store.hurry();
  }

  full(): Fullness {
    return this.#store.full();
  }

  use(): StoreUse {
    return this.#store.use();
  }

  tagBuffered(handles: Handles, key: TagKey, done: (tag: Buffer | undefined) => void): void {
    this.#store.tagBuffered(handles, key, done);
  }

  tagRanges(...all: Parameters<KeyStore["tagRanges"]>): void {
    this.#store.tagRanges(...all);
  }

  equals(handle: Handle, bytes: Uint8Array, done: (equal: boolean) => void): void {
    this.#store.equals(handle, bytes, done);
  }

  read(link: string, ranges: readonly Range[], done: (bytes: Buffer | undefined) => void): void {
    this.#store.read(link, ranges, done);
  }

  forget(link: string, ranges: readonly Range[]): void {
    this.#store.forget(link, ranges);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

function highest(handles: Handles): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < handles.length; i++) most = Math.max(most, handles[i] as number);
  return most;
}
