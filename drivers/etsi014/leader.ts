/**
 * The end that takes new keys: they are on its disk before their IDs are told, and blocks once the follower
 * has them too. What the follower cannot have is destroyed. Pure.
 */
import { Fault } from "../../src/base/errors.ts";
import { type BlockRef, wipeMemory } from "../../src/port/key.ts";
import { type Batch, digestOf, roomOf } from "./batch.ts";
import type { Caution } from "./caution.ts";
import type { KmeKey, KmeStatus } from "./kme.ts";
import { compare, type Have, type Message, mostBits, mostKeys, type Not } from "./messages.ts";
import { assertOwn, type End, type EndParts, type Line } from "./parts.ts";

export interface LeaderOptions {
  /** Keys of a request, at most. */
  readonly batch: number;
  /** Bits of a key, where they are asked for. */
  readonly keyBits: number | undefined;
  /** A request for fewer than that waits so long for more to be wanted, ms. */
  readonly gather: number;
  /** 16 random bits. */
  readonly random: () => number;
  /** Of the link now, if that is known. */
  readonly qber: () => number | undefined;
  /** More is wanted than the KME was known to have: it should be asked what it has. */
  readonly dry: () => void;
  readonly caution: Caution;
}

/** Batches that the follower has not answered: more would grow old at its KME. */
const window = 4;
/** How long it waits when the KME has none, ms, and does not say itself. */
const emptyWait = 1_000;
/** What is longer is worth a line of the log, ms. */
const longWait = 10_000;
/** Bytes of key in a request's answer: one that is longer than answers may be would be lost. */
const longestBatch = 8 * 1024 * 1024;
/** key_IDs that were seen last: a KME that repeats itself hands the same key over again. */
const mostSeen = 16_384;

export class Leader implements End {
  readonly #parts: EndParts;
  readonly #options: LeaderOptions;
  #line: Line | undefined;
  /** Keys that the follower has room for. */
  #room = 0;
  #status: KmeStatus | undefined;
  /** What the KME was last known to have. */
  #stored = 0;
  #next: BlockRef | undefined;
  #drawing: Promise<void> | undefined;
  #notBefore = 0;
  /** Since when fewer keys are wanted than a request has. */
  #fewSince: number | undefined;
  readonly #seen = new Set<string>();
  #over = false;
  #held = 0;
  /** Answers of the follower, one after the other. */
  #hearing: Promise<void> = Promise.resolve();
  /** Counts up when all is destroyed: what was under way then is not kept. */
  #life = 0;

  constructor(parts: EndParts, options: LeaderOptions) {
    this.#parts = parts;
    this.#options = options;
    parts.shelf.onSpent = (batch) => this.#do(() => this.#spent(batch));
    parts.shelf.onUntidy = () => this.#do(() => parts.shelf.tidy());
    parts.shelf.onCredit = () => this.draw();
  }

  began(): void {
    const { shelf } = this.#parts;
    assertOwn(shelf, "open");
    const { newest } = shelf;
    if (newest !== undefined) this.#next = after(newest);
    for (const batch of shelf.batches()) {
      if (batch.gone.size >= batch.facts.count) this.#do(() => this.#spent(batch));
    }
  }

  /** No keys are asked for until the function that is returned is called. */
  hold(): () => void {
    this.#held++;
    return () => {
      this.#held--;
      this.draw();
    };
  }

  /** What the KME has, as it says. */
  stock(status: KmeStatus): void {
    this.#status = status;
    this.#stored = status.stored;
    this.draw();
  }

  met(line: Line, newest: BlockRef | undefined): void {
    this.#line = line;
    this.#room = 0;
    if (newest !== undefined && this.#next !== undefined && compare(newest, this.#next) >= 0) {
      const text = "the follower knows of keys that this end does not: its disk was older, or lost";
      this.#parts.outOfStep(text);
    }
    if (newest !== undefined && (this.#next === undefined || compare(newest, this.#next) >= 0)) {
      this.#next = this.#newEpoch(newest.epoch);
    }
    for (const batch of this.#told()) this.#take(batch);
    this.tick();
  }

  parted(line: Line): void {
    if (this.#line === line) this.#line = undefined;
  }

  hear(message: Message): void {
    if (message.type === "have") {
      this.#room = message.room;
      this.#do(() => this.#have(message));
    } else if (message.type === "not") {
      this.#do(() => this.#not(message));
    } else if (message.type === "alive") {
      this.#room = message.room ?? 0;
      this.draw();
    } else {
      throw new Fault("peer.message", "the other end does not follow", { type: message.type });
    }
  }

  tick(): void {
    const { shelf } = this.#parts;
    for (const batch of shelf.batches()) {
      const isOld = batch.facts.state === "spent" && batch !== shelf.newest;
      if (isOld) this.#do(() => shelf.remove(batch));
    }
    const oldest = shelf.oldest?.first ?? this.#next;
    this.#line?.send({ type: "alive", ...(oldest !== undefined && { oldest }) });
    this.draw();
  }

  forget(): void {
    this.#life++;
    // The next keys are of another epoch: nothing tells any more what was.
    this.#next = undefined;
    this.#seen.clear();
  }

  async close(): Promise<void> {
    this.#over = true;
    await this.#drawing;
    await this.#hearing;
  }

  /** Asks the KME for keys, if some are wanted, and there is nothing against it. */
  draw(): void {
    if (this.#drawing !== undefined || this.#over || this.#held > 0) return;
    const number = this.#number();
    if (number < 1) return;
    this.#drawing = this.#draw(number)
      .catch((error: unknown) => this.#parts.fail(error))
      .finally(() => {
        this.#drawing = undefined;
        this.draw();
      });
  }

  /** How many keys to ask for now. */
  #number(): number {
    const { shelf, clock } = this.#parts;
    const { batch, gather, keyBits } = this.#options;
    const status = this.#status;
    const told = this.#told();
    if (this.#line === undefined || status === undefined || told.length >= window) return 0;
    const { caution } = this.#options;
    const notBefore = Math.max(this.#notBefore, caution.notBefore);
    if (clock.now() < notBefore) {
      // Another session's wait has no timer here.
      if (this.#notBefore < notBefore) {
        this.#notBefore = notBefore;
        clock.after(notBefore - clock.now(), () => this.draw());
      }
      return 0;
    }
    const untold = told.reduce((sum, { facts }) => sum + facts.count, 0);
    const bytes = Math.max(1, Math.ceil((keyBits ?? status.keySize) / 8));
    const wanted = Math.min(
      shelf.wanted - untold,
      Math.floor(shelf.wantedBytes / bytes),
      this.#room - untold,
      Math.floor(shelf.room / roomOf(bytes)),
    );
    const inAnswer = Math.floor(longestBatch / bytes);
    const most = caution.most(
      Math.max(1, Math.min(batch, status.maxPerRequest, mostKeys, inAnswer)),
    );
    const number = Math.min(wanted, most, this.#stored);
    if (this.#stored < Math.min(wanted, most)) this.#options.dry();
    if (number < 1) return 0;
    if (number >= most) this.#fewSince = undefined;
    else if (this.#fewSince === undefined) {
      this.#fewSince = clock.now();
      clock.after(gather, () => this.draw());
      return 0;
    } else if (clock.now() - this.#fewSince < gather) return 0;
    return number;
  }

  async #draw(number: number): Promise<void> {
    const { kme, books, clock, log } = this.#parts;
    this.#fewSince = undefined;
    const life = this.#life;
    const { caution } = this.#options;
    const asked = await kme.take(number).catch((error: unknown) => {
      books.count("unanswered", number);
      caution.unanswered();
      throw error;
    });
    if (asked.kind === "unanswered") caution.unanswered();
    else caution.answered();
    switch (asked.kind) {
      case "keys":
        if (asked.keys.length === 0) break;
        this.#stored = Math.max(0, this.#stored - asked.keys.length);
        books.count("taken", asked.keys.length);
        return this.#keep(this.#usable(asked.keys), life);
      case "unanswered":
        books.count("unanswered", number);
        log.warn("no answer of the KME: keys that it handed over are lost", { keys: number });
        break;
      case "later":
        if (asked.ms !== undefined && asked.ms > longWait)
          log.warn("the KME says when to ask again", { wait_ms: asked.ms });
        break;
      case "unknown":
        break;
    }
    this.#notBefore = clock.now() + ((asked.kind === "later" && asked.ms) || emptyWait);
    clock.after(this.#notBefore - clock.now(), () => this.draw());
  }

  /** Those that are new, and of the length that was asked for; the others are wiped. */
  #usable(keys: readonly KmeKey[]): KmeKey[] {
    const { shelf, books, log } = this.#parts;
    const { keyBits } = this.#options;
    const good: KmeKey[] = [];
    for (const key of keys) {
      const bits = key.bytes.length * 8;
      const isNew = !this.#seen.has(key.id) && !shelf.knows(key.id);
      const isAsked = keyBits === undefined || bits === keyBits;
      if (isNew && isAsked && bits > 0 && bits <= mostBits && good.length < mostKeys) {
        this.#seen.add(key.id);
        good.push(key);
        continue;
      }
      wipeMemory(key.bytes);
      books.count("refused", 1);
      const facts = { key_ID: key.id, bits, known: !isNew };
      log.warn("a key of the KME is of no use", { ...facts, ...(keyBits && { wanted: keyBits }) });
    }
    for (const id of this.#seen) {
      if (this.#seen.size <= mostSeen) break;
      this.#seen.delete(id);
    }
    return good;
  }

  async #keep(keys: readonly KmeKey[], life: number): Promise<void> {
    if (keys.length === 0) return;
    const { shelf, clock, books } = this.#parts;
    const names = keys.map(({ id, bytes }) => ({ id, bits: bytes.length * 8 }));
    const first = this.#next ?? this.#newEpoch("");
    this.#next = { epoch: first.epoch, number: first.number + keys.length };
    const qber = this.#options.qber();
    const facts = {
      version: 1,
      state: "told",
      keys: names,
      digest: digestOf(names),
      lost: [],
      gone: [],
      count: keys.length,
      at: Math.max(0, Math.round(clock.wall())),
      ...(qber !== undefined && { qber }),
    } as const;
    try {
      if (life !== this.#life) return;
      const batch = await shelf.put(
        first,
        facts,
        keys.map(({ bytes }) => bytes),
      );
      if (life !== this.#life) return;
      this.#take(batch);
    } catch (error) {
      books.count("lost", keys.length);
      throw error;
    } finally {
      for (const { bytes } of keys) wipeMemory(bytes);
    }
  }

  #take({ first, facts }: Batch): void {
    const { keys, at, qber } = facts;
    const oldest = this.#parts.shelf.oldest?.first ?? first;
    const told = { type: "take", first, oldest, at, keys } as const;
    this.#line?.send(qber === undefined ? told : { ...told, qber });
  }

  async #have({ first, lost }: Have): Promise<void> {
    const { shelf, books, log } = this.#parts;
    const batch = shelf.get(first);
    if (batch?.facts.state !== "told") return;
    const { count, keys } = batch.facts;
    if (lost.some((place) => place >= count)) throw new Fault("peer.message", "a place of no key");
    const bytes = await shelf.bytesOf(batch);
    // It may have been destroyed meanwhile.
    if (bytes === undefined || shelf.get(first) !== batch) return;
    const left = bytes.map((one, place) => (lost.includes(place) ? undefined : one));
    try {
      await shelf.put(first, { ...batch.facts, state: "both", lost }, left);
    } finally {
      for (const one of bytes) if (one !== undefined) wipeMemory(one);
    }
    books.count("both", count - lost.length);
    books.count("lost", lost.length);
    for (const place of lost)
      log.warn("a key is lost at the follower", { key_ID: keys[place]?.id ?? "" });
    this.#parts.outOfStep(undefined);
    shelf.ready(batch);
    this.draw();
  }

  async #not({ first, why }: Not): Promise<void> {
    const { shelf, books, outOfStep, log } = this.#parts;
    const batch = shelf.get(first);
    if (batch?.facts.state !== "told") return;
    books.count("lost", batch.facts.count);
    if (why === "other") {
      const text = "the follower has other keys under the same references: these are destroyed";
      outOfStep(text);
      this.#next = this.#newEpoch(this.#next?.epoch ?? first.epoch);
    } else {
      log.warn("keys that were done with are there again: they are destroyed", {
        keys: batch.facts.count,
      });
    }
    await shelf.remove(batch);
    this.draw();
  }

  /** All keys of a batch are gone. The newest stays, without its keys: it says which number is next. */
  async #spent(batch: Batch): Promise<void> {
    const { shelf } = this.#parts;
    if (shelf.newest === batch) await shelf.spend(batch);
    else await shelf.remove(batch);
  }

  #told(): Batch[] {
    return [...this.#parts.shelf.batches()].filter(({ facts }) => facts.state === "told");
  }

  /** After all that was: an epoch begins with the time, ms since 1970 UTC in 12 hex digits. */
  #newEpoch(known: string): BlockRef {
    const time = Math.max(0, Math.round(this.#parts.clock.wall()));
    const random = (this.#options.random() & 0xffff).toString(16).padStart(4, "0");
    const epoch = `${time.toString(16).padStart(12, "0").slice(-12)}${random}`;
    if (epoch > known) return { epoch, number: 0 };
    const later = (BigInt(`0x${known}`) + 1n).toString(16).padStart(16, "0");
    return { epoch: later, number: 0 };
  }

  #do(act: () => Promise<void>): void {
    this.#hearing = this.#hearing.then(act).catch((error: unknown) => this.#parts.fail(error));
  }
}

function after({ first, facts }: Batch): BlockRef {
  return { epoch: first.epoch, number: first.number + facts.count };
}
