/**
 * The end that takes the keys of which the leader tells: it answers once they are on its disk, the same however
 * often it is asked, until the leader has heard it. Pure.
 */
import { Fault } from "../../src/base/errors.ts";
import { type BlockRef, wipeMemory } from "../../src/port/key.ts";
import { type Batch, type BatchFacts, digestOf, roomOf } from "./batch.ts";
import { fetchKeys } from "./fetch.ts";
import { compare, type Message, type Take } from "./messages.ts";
import { assertOwn, type End, type EndParts, type Line } from "./parts.ts";

export interface FollowerOptions {
  /** So long a key may be missing at the KME before it is lost, ms. */
  readonly patience: number;
  /** Bits of a key, as the KME says. */
  readonly keySize: () => number;
}

/** Batches that may wait: a leader asks for fewer. */
const mostWaiting = 16;
/** Bytes on disk of a short key, for the room that is told. */
const leastOfKey = 512;
/** A leader that leads gives back what it is told of: no more than that is of use. */
const mostRoom = 65_536;

export class Follower implements End {
  readonly #parts: EndParts;
  readonly #options: FollowerOptions;
  #line: Line | undefined;
  #waiting: Take[] = [];
  #work: Promise<void> | undefined;
  readonly #closing = new AbortController();
  /** The leader never asks for one before this again. */
  #oldest: BlockRef | undefined;
  #life = 0;
  /** Of the leader's keys, the longest, bits. */
  #longest = 0;
  #sweeping = false;

  constructor(parts: EndParts, options: FollowerOptions) {
    this.#parts = parts;
    this.#options = options;
    parts.shelf.onSpent = () => this.#sweep();
    parts.shelf.onUntidy = () => this.#then(() => parts.shelf.tidy());
  }

  began(): void {
    assertOwn(this.#parts.shelf, "told");
    this.#sweep();
  }

  met(line: Line): void {
    this.#line = line;
    this.tick();
  }

  parted(line: Line): void {
    if (this.#line !== line) return;
    this.#line = undefined;
    this.#waiting = [];
  }

  hear(message: Message): void {
    if (message.type === "alive") {
      if (message.oldest !== undefined) this.#settled(message.oldest);
    } else if (message.type === "take") {
      if (this.#waiting.length >= mostWaiting) throw new Fault("peer.message", "too many batches");
      this.#settled(message.oldest);
      for (const { bits } of message.keys) this.#longest = Math.max(this.#longest, bits);
      this.#waiting.push(message);
      this.#next();
    } else {
      throw new Fault("peer.message", "the other end does not lead", { type: message.type });
    }
  }

  tick(): void {
    this.#line?.send({ type: "alive", room: this.#room() });
    this.#sweep();
  }

  forget(): void {
    this.#life++;
    this.#waiting = [];
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#waiting = [];
    await this.#work;
  }

  #room(): number {
    const { shelf } = this.#parts;
    const bytes = Math.ceil(Math.max(this.#longest, this.#options.keySize()) / 8);
    const each = Math.max(leastOfKey, roomOf(bytes));
    return Math.min(mostRoom, Math.floor(shelf.room / each));
  }

  #settled(oldest: BlockRef): void {
    if (this.#oldest === undefined || compare(oldest, this.#oldest) > 0) this.#oldest = oldest;
  }

  /** What became of batches is kept until the leader knows it; of the newest for ever. */
  #sweep(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#then(async () => {
      this.#sweeping = false;
      const { shelf } = this.#parts;
      const { newest } = shelf;
      for (const batch of [...shelf.batches()]) {
        if (batch.gone.size < batch.facts.count || batch.facts.state === "open") continue;
        const isSettled = this.#oldest !== undefined && compare(batch.first, this.#oldest) < 0;
        if (isSettled && batch !== newest) await shelf.remove(batch);
        else await shelf.spend(batch);
      }
    });
  }

  #next(): void {
    this.#then(async () => {
      const take = this.#waiting.shift();
      if (take !== undefined && !this.#closing.signal.aborted) await this.#take(take);
    });
  }

  async #take(take: Take): Promise<void> {
    const { shelf } = this.#parts;
    const { first } = take;
    const known = shelf.get(first);
    if (known === undefined) {
      const newest = shelf.newest?.first;
      const isOld = newest !== undefined && compare(first, newest) <= 0;
      if (isOld) return this.#send({ type: "not", first, why: "done" });
      if (this.#overlaps(take)) return this.#send({ type: "not", first, why: "other" });
    } else if (known.facts.digest !== digestOf(take.keys)) {
      return this.#send({ type: "not", first, why: "other" });
    } else if (known.facts.state !== "open") {
      return this.#have(known);
    }
    const batch = await this.#fetch(take, known);
    if (batch === undefined) return;
    const { books, log } = this.#parts;
    const { lost, count } = batch.facts;
    books.count("both", count - lost.length);
    books.count("lost", lost.length);
    for (const place of lost) {
      log.warn("a key is lost at this end", { key_ID: take.keys[place]?.id ?? "" });
    }
    this.#have(batch);
    shelf.ready(batch);
  }

  /** Whether a key of it is of another batch that is here. */
  #overlaps({ keys }: Take): boolean {
    return keys.some(({ id }) => this.#parts.shelf.knows(id));
  }

  /** @returns undefined if it was ended */
  async #fetch(take: Take, known: Batch | undefined): Promise<Batch | undefined> {
    const { shelf, kme, clock, books } = this.#parts;
    const { first, keys, at, qber } = take;
    const life = this.#life;
    const bytes: (Buffer | undefined)[] =
      (known && (await shelf.bytesOf(known))) ?? keys.map(() => undefined);
    const places = new Map(keys.map(({ id }, place) => [id, place]));
    let isNew = false;
    const put = async (state: "open" | "both") => {
      if (life !== this.#life) return undefined;
      isNew = false;
      const lost = keys.flatMap((_, place) => (bytes[place] === undefined ? place : []));
      const facts: BatchFacts = {
        version: 1,
        state,
        keys,
        digest: digestOf(keys),
        lost,
        gone: [],
        count: keys.length,
        at,
        ...(qber !== undefined && { qber }),
      };
      const batch = await shelf.put(first, facts, bytes);
      if (state === "open") batch.gone.clear();
      return batch;
    };
    try {
      const wanted = keys.flatMap(({ id }, place) => (bytes[place] === undefined ? id : []));
      const lost = await fetchKeys(wanted, {
        kme,
        clock,
        patience: this.#options.patience,
        signal: this.#closing.signal,
        got: (id, key) => {
          const place = places.get(id) as number;
          books.count("taken", 1);
          if (key.length * 8 === keys[place]?.bits && bytes[place] === undefined) {
            bytes[place] = key;
            isNew = true;
            return;
          }
          books.count("refused", 1);
          wipeMemory(key);
        },
        pause: async () => void (isNew && (await put("open"))),
      });
      if (lost !== undefined) return await put("both");
      if (isNew) await put("open");
      return undefined;
    } catch (error) {
      if (isNew) await put("open");
      throw error;
    } finally {
      for (const one of bytes) if (one !== undefined) wipeMemory(one);
    }
  }

  #have({ first, facts }: Batch): void {
    this.#send({ type: "have", first, lost: facts.lost, room: this.#room() });
  }

  #send(message: Message): void {
    this.#line?.send(message);
  }

  #then(act: () => Promise<void>): void {
    const done = (this.#work ?? Promise.resolve()).then(act).catch((error: unknown) => {
      // What comes behind a batch that could not be taken must wait for it.
      this.#closing.abort();
      this.#parts.fail(error);
    });
    this.#work = done;
  }
}
