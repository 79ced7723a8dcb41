/**
 * What is known of each QKD-key that waits, in columns of numbers: an object for each would be moved by the garbage
 * collector, with its texts, more often than it is looked at. Slots are in pages, which come and go. Pure.
 */
import type { Origin } from "../keys/origin.ts";
import type { Handle } from "../store/port.ts";

/** Slots of a page. */
const pageSlots = 1_024;
const pageBits = 10;
const inPage = pageSlots - 1;
/** Pages without a key that are kept for the next keys. */
const keptPages = 16;
/** 32-bit words of a QKD-key ID. */
const words = 4;
/** No slot. */
export const none = -1;

class Page {
  readonly handles = new Float64Array(pageSlots).fill(Number.NaN);
  readonly ids = new Uint32Array(pageSlots * words);
  readonly lengths = new Uint32Array(pageSlots);
  readonly batches = new Float64Array(pageSlots);
  readonly since = new Float64Array(pageSlots);
  readonly lacked = new Uint8Array(pageSlots);
  readonly pairs = new Uint16Array(pageSlots);
  readonly origins = new Array<Origin | undefined>(pageSlots).fill(undefined);
  /** The slots that came before and after; of a free slot, `after` is the next free one. */
  readonly before = new Int32Array(pageSlots);
  readonly after = new Int32Array(pageSlots);
  used = 0;
  #free = none;
  #fresh = 0;

  get isFull(): boolean {
    return this.used === pageSlots;
  }

  take(): number {
    this.used++;
    const place = this.#free;
    if (place === none) return this.#fresh++;
    this.#free = this.after[place] as number;
    return place;
  }

  giveBack(place: number): void {
    this.used--;
    this.handles[place] = Number.NaN;
    this.origins[place] = undefined;
    this.after[place] = this.#free;
    this.#free = place;
  }
}

/** Slots by number. All methods but {@link has} want one that is taken. */
export class Slots {
  readonly #pages: (Page | undefined)[] = [];
  /** Numbers of pages that are not full. */
  readonly #roomy: number[] = [];
  #emptyPages = 0;
  #oldest = none;
  #newest = none;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The slot that came first; `none` if there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /**
   * A slot for a key, whose ID is to be set.
   * @param pair index of its pair of modules @param since when it came here, or the process began; monotonic, ms
   */
  take(handle: Handle, length: number, origin: Origin, pair: number, since: number): number {
    const number = this.#roomy.at(-1) ?? this.#addPage();
    const page = this.#pageToTake(number);
    const place = page.take();
    if (page.isFull) this.#roomy.pop();
    const slot = number * pageSlots + place;
    page.handles[place] = handle;
    page.lengths[place] = length;
    page.origins[place] = origin;
    page.pairs[place] = pair;
    page.since[place] = since;
    page.batches[place] = 0;
    page.lacked[place] = 0;
    page.before[place] = this.#newest;
    page.after[place] = none;
    if (this.#newest === none) this.#oldest = slot;
    else this.#page(this.#newest).after[this.#newest & inPage] = slot;
    this.#newest = slot;
    this.#size++;
    return slot;
  }

  #addPage(): number {
    this.#pages.push(undefined);
    this.#roomy.push(this.#pages.length - 1);
    return this.#pages.length - 1;
  }

  #pageToTake(number: number): Page {
    const page = this.#pages[number];
    if (page === undefined) {
      const made = new Page();
      this.#pages[number] = made;
      return made;
    }
    if (page.used === 0) this.#emptyPages--;
    return page;
  }

  giveBack(slot: number): void {
    const number = slot >> pageBits;
    const page = this.#page(slot);
    const place = slot & inPage;
    const [before, after] = [page.before[place] as number, page.after[place] as number];
    if (before === none) this.#oldest = after;
    else this.#page(before).after[before & inPage] = after;
    if (after === none) this.#newest = before;
    else this.#page(after).before[after & inPage] = before;
    if (page.isFull) this.#roomy.push(number);
    page.giveBack(place);
    this.#size--;
    if (page.used > 0) return;
    if (this.#emptyPages < keptPages) this.#emptyPages++;
    else this.#pages[number] = undefined;
  }

  #page(slot: number): Page {
    return this.#pages[slot >> pageBits] as Page;
  }

  /** Whether the key with this handle is in the slot, and not another after it. */
  has(slot: number, handle: Handle): boolean {
    return this.#pages[slot >> pageBits]?.handles[slot & inPage] === handle;
  }

  /** The slot that came next; `none` after the last. */
  after(slot: number): number {
    return this.#page(slot).after[slot & inPage] as number;
  }

  handle(slot: number): Handle {
    return this.#page(slot).handles[slot & inPage] as Handle;
  }

  length(slot: number): number {
    return this.#page(slot).lengths[slot & inPage] as number;
  }

  origin(slot: number): Origin {
    return this.#page(slot).origins[slot & inPage] as Origin;
  }

  pair(slot: number): number {
    return this.#page(slot).pairs[slot & inPage] as number;
  }

  since(slot: number): number {
    return this.#page(slot).since[slot & inPage] as number;
  }

  /** Number of the batch that has it; 0: none. */
  batch(slot: number): number {
    return this.#page(slot).batches[slot & inPage] as number;
  }

  setBatch(slot: number, number: number): void {
    this.#page(slot).batches[slot & inPage] = number;
  }

  /** How often the other end lacked it; counted up to 255. */
  lacked(slot: number): number {
    return this.#page(slot).lacked[slot & inPage] as number;
  }

  countLacked(slot: number): void {
    this.#page(slot).lacked[slot & inPage] = Math.min(255, this.lacked(slot) + 1);
  }

  /** @param id its four words are at `at` of these */
  setId(slot: number, id: Uint32Array, at: number): void {
    const { ids } = this.#page(slot);
    const to = (slot & inPage) * words;
    for (let i = 0; i < words; i++) ids[to + i] = id[at + i] as number;
  }

  /** Writes the four words of its ID to `at`. */
  copyId(slot: number, to: Uint32Array, at: number): void {
    const { ids } = this.#page(slot);
    const from = (slot & inPage) * words;
    for (let i = 0; i < words; i++) to[at + i] = ids[from + i] as number;
  }
}
