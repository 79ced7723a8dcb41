/**
 * IDs under which two different keys came. The first was confirmed to its node, which may repeat it: so that it
 * still is a success, and the other still none, a keyed hash of the first is kept when its bytes are gone.
 */
import { gmac } from "../keys/gmac.ts";
import type { Handle, KeyStore, TagKey } from "../store/port.ts";
import type { Gathered } from "./gathered.ts";

/** Contested IDs; beyond that the oldest is forgotten, and a repeat of it is one of a key that is gone. */
const most = 1_024;

interface Contest {
  readonly key: TagKey;
  /** Undefined until the store has told it. */
  tag: Buffer | undefined;
  /** What came meanwhile. */
  readonly waiting: (() => void)[];
}

export class Contested {
  readonly #store: KeyStore;
  readonly #random: (bytes: number) => Buffer;
  readonly #byId = new Map<string, Contest>();

  /** @param random draws so many bytes */
  constructor(store: KeyStore, random: (bytes: number) => Buffer) {
    this.#store = store;
    this.#random = random;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** @param i which of those that were gathered */
  has(gathered: Gathered, i: number): boolean {
    return this.#byId.size > 0 && this.hasId(gathered.idOf(i));
  }

  /** @param id 16 bytes */
  hasId(id: Uint8Array): boolean {
    return this.#byId.has(nameOf(id));
  }

  /** The key of this handle is the first. @param done when it is not needed for comparing any more */
  add(id: Uint8Array, handle: Handle, done: () => void): void {
    const contest: Contest = {
      key: { key: this.#random(16), nonce: this.#random(12) },
      tag: undefined,
      waiting: [],
    };
    const [oldest] = this.#byId.keys();
    if (this.#byId.size >= most && oldest !== undefined) this.#byId.delete(oldest);
    this.#byId.set(nameOf(id), contest);
    this.#store.tagBuffered([handle], contest.key, (tag) => {
      contest.tag = tag ?? Buffer.alloc(0);
      done();
      for (const one of contest.waiting.splice(0)) one();
    });
  }

  /** It is not contested after all: the first is in use. */
  delete(id: Uint8Array): void {
    this.#byId.delete(nameOf(id));
  }

  /** Compares bytes with those of the first. */
  compare(id: Uint8Array, bytes: Uint8Array, done: (isFirst: boolean) => void): void {
    const contest = this.#byId.get(nameOf(id));
    if (contest === undefined) return done(true);
    const { key, nonce } = contest.key;
    const act = () => {
      done(contest.tag?.equals(gmac([bytes], key, nonce)) === true);
    };
    if (contest.tag === undefined) contest.waiting.push(act);
    else act();
  }
}

function nameOf(id: Uint8Array): string {
  return Buffer.from(id).toString("hex");
}
