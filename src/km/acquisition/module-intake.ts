/**
 * QKD-keys of one module, from the message to the buffer. An ID is in one of four states: unknown; on its way
 * to the disk; in the buffer; or remembered, when its key has left the buffer. A fifth is contested: see `contested.ts`.
 */
import { keyMemory, wipeMemory } from "../../port/key.ts";
import type { SupplyResponse } from "../../wire/kq1/supply-answer.ts";
import type { SupplyReader } from "../../wire/kq1/supply-reader.ts";
import { IdTable } from "../keys/id-table.ts";
import { type IdMask, idWords } from "../keys/masked-ids.ts";
import type { BufferedKeys } from "../store/buffered.ts";
import type { Handle, KeyStore } from "../store/port.ts";
import { Contested } from "./contested.ts";
import { Gathered } from "./gathered.ts";
import type { IdMemory } from "./id-memory.ts";
import type { IntakeModule, Line } from "./line.ts";

/** What intake tells, and asks of matching, which works with what is in the buffer. */
export interface IntakeEvents {
  /**
   * Keys came into the buffer, durably. When they leave it {@link ModuleIntake.left} is to be told.
   * @param confirmed calls back when it is durable that their IDs were confirmed: they leave it no sooner
   */
  stored(buffered: BufferedKeys, confirmed: (done: () => void) => void): void;
  /**
   * Another key came under the ID of this one, which is to be dropped unless a batch has it.
   * @param id 16 bytes
   * @returns whether it is: it has left the buffer then, without a call of {@link ModuleIntake.left}
   */
  keepOut(module: string, id: Uint8Array): boolean;
  /** The same, for an alarm; each time that another key comes. */
  conflict(module: string, id: Uint8Array): void;
}

export interface IntakeCounts {
  /** Keys that came into the buffer, and bits of them. */
  keys: number;
  bits: number;
  /** Keys that came again: in the buffer, or gone from there already. */
  repeats: number;
  repeatsOfGone: number;
  /** Other keys under an ID that is held. */
  conflicts: number;
  /** Keys of less than a byte, which are not kept. */
  tooShort: number;
}

interface Parts {
  readonly module: IntakeModule;
  readonly memory: IdMemory;
  readonly store: KeyStore;
  readonly mask: IdMask;
  readonly random: (bytes: number) => Buffer;
  readonly events: IntakeEvents;
  readonly answer: (line: Line, ticket: number, bytes: number, response: SupplyResponse) => void;
}

/** A key whose ID is held already; its bytes are a copy, wiped when it is answered. */
interface Repeat {
  readonly line: Line;
  readonly ticket: number;
  /** As it was counted. */
  readonly size: number;
  readonly id: Buffer;
  readonly words: Uint32Array;
  readonly bytes: Buffer;
}

export class ModuleIntake {
  readonly module: IntakeModule;
  readonly counts: IntakeCounts = {
    keys: 0,
    bits: 0,
    repeats: 0,
    repeatsOfGone: 0,
    conflicts: 0,
    tooShort: 0,
  };
  readonly #parts: Parts;
  readonly #gathered = new Gathered();
  /** Handles of what is in the buffer; below zero: number of what is on its way there. */
  readonly #table = new IdTable();
  #onWay = 0;
  /** What came again while its first is on its way, by that number. */
  readonly #waiting = new Map<number, Repeat[]>();
  readonly #contested: Contested;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.module = parts.module;
    this.#contested = new Contested(parts.store, parts.random);
  }

  /** Keys in the buffer, and on their way. */
  get held(): number {
    return this.#table.size;
  }

  /**
   * Takes note of what was in the buffer at the start.
   * @param done when it is durable that these IDs were confirmed: matching may hear of the keys then
   */
  load(buffered: readonly BufferedKeys[], done: () => void): void {
    for (const { ids, handles } of buffered) this.#hold(this.#parts.mask.of(ids), handles);
    // What was stored last before a crash may not have been written down.
    this.confirmed(buffered, done);
  }

  /** Their IDs are known from now on. @param done when that is durable */
  confirmed(keys: readonly BufferedKeys[], done: () => void): void {
    for (const { ids } of keys) this.#parts.memory.remember(this.#parts.mask.of(ids));
    this.#parts.memory.settled(done);
  }

  /** Keys have left the buffer: matched, expired or void. @param ids 16 bytes each, one after the other */
  left(ids: Uint8Array): void {
    const words = this.#parts.mask.of(ids);
    for (let i = 0; i < words.length / idWords; i++) this.#table.delete(words, i);
  }

  /** Keys of a batch that was given up are in the buffer again, after {@link left} was told of them. */
  returned({ ids, handles }: BufferedKeys): void {
    this.#hold(this.#parts.mask.of(ids), handles);
  }

  #hold(words: Uint32Array, handles: Float64Array): void {
    for (let i = 0; i < handles.length; i++) this.#table.set(words, i, handles[i] as Handle);
  }

  gather(line: Line, ticket: number, reader: SupplyReader): void {
    if (!this.#gathered.hasRoom(reader.byteLength)) this.flush();
    this.#gathered.add(line, ticket, reader);
  }

  /** Decides on what was gathered, and has the store take what is new. */
  flush(): void {
    const gathered = this.#gathered;
    if (gathered.size === 0) return;
    const words = this.#parts.mask.of(gathered.ids);
    const isFull = this.#parts.store.full() !== undefined;
    const { memory, store } = this.#parts;
    const before = this.#onWay;
    let kept = 0;
    for (let i = 0; i < gathered.size; i++) {
      const value = this.#table.get(words, i);
      if (value !== undefined || this.#contested.has(gathered, i)) {
        this.#again(repeatOf(gathered, words, i), value);
      } else if (memory.remembers(words, i)) {
        this.counts.repeatsOfGone++;
        this.#say(gathered, i, "success");
      } else if (isFull) {
        this.#say(gathered, i, "storage_full");
      } else {
        this.#onWay--;
        this.#table.set(words, i, this.#onWay);
        if (kept < i) {
          gathered.move(i, kept);
          words.copyWithin(kept * idWords, i * idWords, (i + 1) * idWords);
        }
        kept++;
      }
    }
    if (kept > 0) {
      const put: Put = {
        before,
        words: words.subarray(0, kept * idWords),
        lines: gathered.lines.slice(0, kept),
        tickets: gathered.tickets.slice(0, kept),
        sizes: gathered.sizes.slice(0, kept),
      };
      store.put(this.module.name, gathered.keys(kept), (stored) => this.#stored(put, stored));
    }
    gathered.wipe();
  }

  #say({ lines, tickets, sizes }: Waiters, i: number, response: SupplyResponse): void {
    const { answer } = this.#parts;
    answer(lines[i] as Line, tickets[i] as number, sizes[i] as number, response);
  }

  #stored(put: Put, stored: BufferedKeys | undefined): void {
    if (stored === undefined) return this.#hadNoRoom(put);
    const { memory, events } = this.#parts;
    const { words } = put;
    const { handles, bits } = stored;
    this.#hold(words, handles);
    for (let i = 0; i < bits.length; i++) this.counts.bits += bits[i] as number;
    this.counts.keys += handles.length;
    memory.remember(words);
    events.stored(stored, (done) => memory.settled(done));
    for (let i = 0; i < handles.length; i++) this.#say(put, i, "success");
    if (this.#waiting.size === 0) return;
    for (const [i, handle] of handles.entries()) {
      for (const repeat of this.#cameMeanwhile(put, i)) this.#again(repeat, handle);
    }
  }

  /** What came again while the key was on its way. */
  #cameMeanwhile({ before }: Put, i: number): readonly Repeat[] {
    const number = before - 1 - i;
    const waiting = this.#waiting.get(number) ?? [];
    this.#waiting.delete(number);
    return waiting;
  }

  /** The disk was full: who supplied these keys keeps them, and gives them again. */
  #hadNoRoom(put: Put): void {
    for (let i = 0; i < put.lines.length; i++) {
      this.#table.delete(put.words, i);
      this.#say(put, i, "storage_full");
      for (const repeat of this.#cameMeanwhile(put, i)) this.#done(repeat, "storage_full");
    }
  }

  /** @param value of the table: what is held under the ID */
  #again(repeat: Repeat, value: number | undefined): void {
    const { id, words, bytes } = repeat;
    if (this.#contested.hasId(id)) {
      this.#contested.compare(id, bytes, (isFirst) => this.#compared(repeat, isFirst));
    } else if (value === undefined) {
      // It has left the buffer meanwhile, and was confirmed.
      this.counts.repeatsOfGone++;
      this.#done(repeat, "success");
    } else if (value < 0) {
      const waiting = this.#waiting.get(value) ?? [];
      waiting.push(repeat);
      this.#waiting.set(value, waiting);
    } else {
      this.#parts.store.equals(value, bytes, (equal) => {
        // A store does not compare with what has left it.
        const now = this.#table.get(words, 0);
        if (!equal && now !== value) this.#again(repeat, now);
        else if (equal) this.#compared(repeat, true);
        else this.#conflict(repeat, value);
      });
    }
  }

  #compared(repeat: Repeat, isFirst: boolean): void {
    if (isFirst) {
      this.counts.repeats++;
      return this.#done(repeat, "success");
    }
    this.counts.conflicts++;
    this.#parts.events.conflict(this.module.name, repeat.id);
    this.#done(repeat, "duplicate_key_ID");
  }

  /** Which of the two is right is not known: neither is used, if that is still possible. */
  #conflict(repeat: Repeat, handle: Handle): void {
    const { events } = this.#parts;
    const { id, words } = repeat;
    const compared = () => this.#compared(repeat, false);
    if (this.#contested.hasId(id)) return compared();
    this.#contested.add(id, handle, () => {
      if (!events.keepOut(this.module.name, id)) this.#contested.delete(id);
      else if (this.#table.get(words, 0) === handle) this.#table.delete(words, 0);
      compared();
    });
  }

  #done({ line, ticket, size, bytes }: Repeat, response: SupplyResponse): void {
    wipeMemory(bytes);
    this.#parts.answer(line, ticket, size, response);
  }
}

/** Who waits for answers: by which ticket, and bytes of each key as they were counted. */
interface Waiters {
  readonly lines: readonly Line[];
  readonly tickets: Float64Array;
  readonly sizes: Uint32Array;
}

/** Keys that go to the store together, and who waits for it. */
interface Put extends Waiters {
  /** Number before that of the first of them; they count down. */
  readonly before: number;
  /** Masked IDs. */
  readonly words: Uint32Array;
}

function repeatOf(gathered: Gathered, words: Uint32Array, i: number): Repeat {
  const own = gathered.bytesOf(i);
  const bytes = keyMemory(own.length);
  bytes.set(own);
  return {
    line: gathered.lines[i] as Line,
    ticket: gathered.tickets[i] as number,
    size: gathered.sizes[i] as number,
    id: Buffer.from(gathered.idOf(i)),
    words: words.slice(i * idWords, (i + 1) * idWords),
    bytes,
  };
}
