/**
 * Keys upon request (Kq-1 §7.2): held until a KM asks, then given to it and to nobody else ever.
 *
 * There is no third message: nobody tells that a response arrived. So a key counts as delivered when
 * its answer can no longer be asked for again: a repeat of the request is given the same keys for 60 s,
 * or until that KM's next request, whichever is later. What a key was given away for is on disk before
 * a byte of it leaves: a crash at any point can make a key useless, but never give it to two, nor
 * under two IDs.
 */
import type { Clock, Timer } from "../port/clock.ts";
import { type KeyBlock, QkdKey } from "../port/key.ts";
import type { CustodyCounters } from "./counters.ts";
import { type IdSource, keyIdOf } from "./key-id.ts";
import type { Assignment, BlockRecord, KeyDesk, KeyReply, KeyRequest, Ledger } from "./ports.ts";
import { Queue } from "./queue.ts";

/** An answer can be asked for again for this long, ms. */
export const answerKept = 60_000;
/** Answers kept; KMs that ask for more in a minute are told to wait. */
const maxAnswers = 16_384;

export interface DeskParts<Owner> {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly counters: CustodyCounters;
  /** No key may leave now. */
  readonly halted: () => boolean;
  /** Bits of a unit: blocks are cut into units, and a unit into pieces of one size. */
  readonly unitBits: number;
  readonly ids: () => IdSource;
  /** Every unit of the block was delivered. */
  readonly done: (owner: Owner) => void;
}

interface Holding<Owner> {
  readonly owner: Owner;
  readonly block: KeyBlock;
  /** Bits in units, not yet delivered. */
  undelivered: number;
}

interface Piece<Owner> {
  readonly holding: Holding<Owner>;
  readonly offset: number;
  readonly length: number;
}

interface Given<Owner> {
  readonly key: QkdKey;
  readonly holding: Holding<Owner>;
}

interface Answer<Owner> {
  readonly slot: string;
  readonly at: number;
  /** Counts the requests; 0: from before a restart. */
  readonly order: number;
  readonly given: Given<Owner>[];
  /** On disk. */
  ready: boolean;
}

/** The part of a slot that names its KM. */
const kmOf = (slot: string) => slot.slice(0, 12);

export class Desk<Owner> implements KeyDesk {
  readonly #parts: DeskParts<Owner>;
  /** Whole units by their length, oldest first: blocks that were begun keep the units they had. */
  readonly #units = new Map<number, Queue<Piece<Owner>>>();
  /** Pieces of units that were begun, by their size. */
  readonly #cut = new Map<number, Queue<Piece<Owner>>>();
  /** By slot, oldest first. */
  readonly #answers = new Map<string, Answer<Owner>>();
  /** Order of each KM's newest request. */
  readonly #newest = new Map<string, number>();
  #order = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: DeskParts<Owner>) {
    this.#parts = parts;
  }

  get unitBits(): number {
    return this.#parts.unitBits;
  }

  get stored(): number {
    let units = 0;
    for (const queue of this.#units.values()) units += queue.length;
    return units;
  }

  /**
   * Takes a block; what the ledger says was given away is not given again.
   * @param unitBits of this block, if they are others than those of new blocks
   */
  add(
    block: KeyBlock,
    owner: Owner,
    record: BlockRecord | undefined,
    unitBits = this.#parts.unitBits,
  ): void {
    const { ids } = this.#parts;
    const units = Math.floor(block.bits / unitBits);
    const holding = { owner, block, undelivered: units * unitBits };
    const begun = new Map<number, number>();
    for (const { offset, length } of record?.assigned.values() ?? []) {
      begun.set(Math.floor(offset / unitBits), length);
    }
    for (let unit = 0; unit < units; unit++) {
      const offset = unit * unitBits;
      const size = begun.get(unit);
      if (size === undefined) {
        queueOf(this.#units, unitBits).push({ holding, offset, length: unitBits });
        continue;
      }
      for (let at = offset; at < offset + unitBits; at += size) {
        const keyId = keyIdOf(ids(), block.facts, at, size);
        const piece = { holding, offset: at, length: size };
        const assignment = record?.assigned.get(keyId);
        if (assignment === undefined) queueOf(this.#cut, size).push(piece);
        else if (record?.delivered.has(keyId)) holding.undelivered -= size;
        else this.#restore(piece, keyId, assignment);
      }
    }
    if (holding.undelivered === 0) this.#done(holding);
  }

  async request(request: KeyRequest): Promise<KeyReply> {
    const { ledger, halted } = this.#parts;
    const { slot, size } = request;
    const refuse = (response: string): KeyReply => ({ response, keys: [] });
    if (halted()) return refuse("busy");
    const known = this.#answers.get(slot);
    if (known !== undefined) return this.#repeat(known);
    if (this.#stopped || ledger.failure !== undefined) return refuse("busy");
    this.#expire();
    if (this.#answers.size >= maxAnswers) return refuse("busy");
    if (!this.#gives(size)) return refuse("key_length_unsupported");
    const given: Given<Owner>[] = [];
    const most = Math.min(request.number, request.most);
    while (given.length < most) {
      const piece = this.#next(size);
      if (piece === undefined) break;
      given.push(this.#give(piece, slot));
    }
    if (given.length === 0) return refuse("no_keys_available");
    const order = ++this.#order;
    const answer: Answer<Owner> = {
      slot,
      at: this.#parts.clock.now(),
      order,
      given,
      ready: false,
    };
    this.#answers.set(slot, answer);
    this.#newest.set(kmOf(slot), order);
    this.#expire();
    await new Promise<void>((resolve) => ledger.whenDurable(resolve));
    // Wiped meanwhile: the ledger has it for whoever asks again after the restart.
    if (this.#stopped || this.#answers.get(slot) !== answer) return refuse("busy");
    answer.ready = true;
    this.#arm();
    // It may ask again when keys may leave again.
    if (halted()) return refuse("busy");
    this.#parts.counters.supplied += given.length;
    const keys = given.map(({ key }) => key);
    if (request.repeatable) return { response: "success", keys };
    return { response: "success", keys, sent: () => this.#deliver(answer) };
  }

  /** Gives nothing more; what was given stays with the ledger. Wipes every key. */
  wipe(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.forget();
  }

  /** Wipes every key; what was given stays with the ledger. */
  forget(): void {
    const queues = [...this.#units.values(), ...this.#cut.values()];
    for (const queue of queues) for (const { holding } of queue.clear()) holding.block.wipe();
    for (const { given } of this.#answers.values()) {
      for (const { key, holding } of given) {
        key.wipe();
        holding.block.wipe();
      }
    }
    this.#answers.clear();
  }

  #repeat(answer: Answer<Owner>): KeyReply {
    const { ledger, counters } = this.#parts;
    let expected = answer.given.length;
    if (answer.order === 0) {
      expected = 0;
      for (const { assigned, delivered } of ledger.blocks()) {
        for (const [keyId, { slot }] of assigned) {
          if (slot === answer.slot && !delivered.has(keyId)) expected++;
        }
      }
    }
    // Not yet on disk, or not yet all back from the module after a restart.
    if (!answer.ready || answer.given.length < expected) return { response: "busy", keys: [] };
    counters.repeats += answer.given.length;
    return { response: "success", keys: answer.given.map(({ key }) => key) };
  }

  /** Whether units can be cut in pieces of that size. */
  #gives(size: number): boolean {
    if (size % 8 !== 0) return false;
    if (this.#parts.unitBits % size === 0) return true;
    for (const [length, units] of this.#units) {
      if (units.length > 0 && length % size === 0) return true;
    }
    return (this.#cut.get(size)?.length ?? 0) > 0;
  }

  #next(size: number): Piece<Owner> | undefined {
    const pieces = queueOf(this.#cut, size);
    const begun = pieces.shift();
    if (begun !== undefined) return begun;
    const unit = this.#nextUnit(size);
    if (unit === undefined) return undefined;
    const { holding, offset, length } = unit;
    for (let at = offset + size; at < offset + length; at += size) {
      pieces.push({ holding, offset: at, length: size });
    }
    return { holding, offset, length: size };
  }

  #nextUnit(size: number): Piece<Owner> | undefined {
    for (const [length, units] of this.#units) {
      const unit = length % size === 0 ? units.shift() : undefined;
      if (unit !== undefined) return unit;
    }
    return undefined;
  }

  #give(piece: Piece<Owner>, slot: string): Given<Owner> {
    const { block } = piece.holding;
    const { offset, length } = piece;
    const keyId = keyIdOf(this.#parts.ids(), block.facts, offset, length);
    this.#parts.ledger.append({ kind: "assigned", ref: block.ref, keyId, offset, length, slot });
    return this.#key(piece, keyId);
  }

  #key({ holding, offset, length }: Piece<Owner>, keyId: string): Given<Owner> {
    const { block } = holding;
    const bytes = block.expose().subarray(offset / 8, (offset + length) / 8);
    return { key: new QkdKey(keyId, block.facts, bytes, length), holding };
  }

  /** A key that was given away before a restart: for whoever repeats that request. */
  #restore(piece: Piece<Owner>, keyId: string, { slot }: Assignment): void {
    let answer = this.#answers.get(slot);
    if (answer === undefined) {
      const at = this.#parts.clock.now();
      answer = { slot, at, order: 0, given: [], ready: true };
      this.#answers.set(slot, answer);
      this.#arm();
    }
    answer.given.push(this.#key(piece, keyId));
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = this.#parts.clock.after(answerKept, () => {
      this.#timer = undefined;
      this.#expire();
      if (this.#answers.size > 0) this.#arm();
    });
  }

  /** Delivers the answers that nobody can ask for again. */
  #expire(): void {
    const now = this.#parts.clock.now();
    for (const answer of this.#answers.values()) {
      if (now - answer.at < answerKept) return;
      const { slot, order, ready } = answer;
      const askedAgain = (this.#newest.get(kmOf(slot)) ?? 0) > order;
      if (ready && askedAgain) this.#deliver(answer);
    }
  }

  #deliver({ slot, given }: Answer<Owner>): void {
    const { ledger, counters } = this.#parts;
    if (!this.#answers.delete(slot)) return;
    for (const { key, holding } of given) {
      const { block } = holding;
      ledger.append({ kind: "delivered", ref: block.ref, keyId: key.id });
      counters.confirmed++;
      counters.bits += key.bits;
      holding.undelivered -= key.bits;
      if (holding.undelivered === 0) this.#done(holding);
    }
  }

  /** Nothing of the block will be given any more. What is no whole unit is given to nobody. */
  #done({ block, owner }: Holding<Owner>): void {
    block.wipe();
    this.#parts.done(owner);
  }
}

function queueOf<T>(queues: Map<number, Queue<T>>, size: number): Queue<T> {
  let queue = queues.get(size);
  if (queue === undefined) {
    queue = new Queue();
    queues.set(size, queue);
  }
  return queue;
}
