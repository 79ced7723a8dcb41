/**
 * Keys upon request (Kq-1 §7.2): held until a KM asks, then given for that one request of that one KM.
 *
 * There is no third message: no KM tells that a response arrived. So a key counts as delivered when
 * the kernel took the whole answer for a connection that was still open. A KM that names its request
 * by a token can ask for the same answer again within {@link answerKept}; then the keys are kept until
 * that is over. What never left is free again. What may have left and cannot be asked for again is kept
 * back until an operator decides.
 *
 * What a key was given for is on disk before a byte of it leaves: a crash at any point can make a key
 * useless, but never give it to two, nor under two IDs.
 */
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { type BlockRef, blockName, type KeyBlock, QkdKey } from "../../port/key.ts";
import type { CustodyCounters } from "../keys/counters.ts";
import { type IdSource, keyIdOf } from "../keys/key-id.ts";
import type {
  BlockRecord,
  KeyReply,
  KeyRequest,
  Ledger,
  OnRequestKeys,
  Sending,
} from "../keys/ports.ts";
import { interrupted, unclaimed } from "../keys/ports.ts";
import { Answer, Answers } from "./answers.ts";
import { isAskedFor, isUnsettled, LeftOver } from "./left-over.ts";
import { claimantOfToken } from "./request-claimant.ts";
import { type Given, type Holding, type Piece, Stock } from "./stock.ts";
import { placesOf } from "./unit-pieces.ts";

export interface OnRequestParts<Owner> {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly counters: CustodyCounters;
  /** No key may leave now. */
  readonly halted: () => boolean;
  /** Bits of a unit: blocks are cut into units, and a unit into pieces of one size. */
  readonly unitBits: number;
  readonly ids: () => IdSource;
  /** Records that a key is kept back until an operator decides, and tells of it. */
  readonly quarantine: (ref: BlockRef, keyId: string, reason: string) => void;
  /** Every unit of the block is settled. @param keptBack whether some of it is kept back */
  readonly done: (owner: Owner, keptBack: boolean) => void;
  /**
   * In proactive mode: called when no request of the block is open any more; it is supplied unasked.
   * Default: KMs ask.
   */
  readonly over?: ((owner: Owner) => void) | undefined;
}

const refuse = (response: string, text = ""): KeyReply => ({
  response,
  keys: [],
  ...(text !== "" && { text }),
});

export class OnRequestStore<Owner> implements OnRequestKeys {
  readonly #parts: OnRequestParts<Owner>;
  readonly #stock = new Stock<Owner>();
  readonly #answers: Answers<Owner>;
  /** Blocks with pieces that are kept back, by their names. */
  readonly #keptBack = new Map<string, Holding<Owner>>();
  #leftOver: LeftOver | undefined;
  #stopped = false;

  constructor(parts: OnRequestParts<Owner>) {
    this.#parts = parts;
    this.#answers = new Answers(parts.clock, (answer) => this.#settle(answer));
  }

  get unitBits(): number {
    return this.#parts.unitBits;
  }

  get stored(): number {
    return this.#stock.units;
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
    const places = placesOf(block.bits, unitBits, record);
    const unsettled = places.reduce((sum, { length }) => sum + length, 0);
    const holding: Holding<Owner> = { owner, block, unitBits, unsettled, keptBack: new Map() };
    for (const { offset, length, begun } of places) {
      const piece = { holding, offset, length };
      if (begun) this.#addPiece(piece, record as BlockRecord);
      else this.#stock.addUnit(piece);
    }
    if (holding.keptBack.size > 0) this.#keptBack.set(blockName(block.ref), holding);
    if (holding.unsettled === 0) this.#done(holding);
  }

  async request(request: KeyRequest): Promise<KeyReply> {
    const { ledger, halted } = this.#parts;
    const { token, number, size, cut } = request;
    if (halted() || this.#stopped) return refuse("busy");
    let { claimant } = request;
    if (token !== undefined) {
      claimant = claimantOfToken(claimant, token, number, size);
      const known = this.#repeat(claimant, cut);
      if (known !== undefined) return known;
    }
    if (ledger.failure !== undefined || this.#answers.full) return refuse("busy");
    const divides = this.#parts.unitBits % size === 0 || this.#stock.has(size);
    if (size % 8 !== 0 || !divides) return refuse("key_length_unsupported");
    const given: Given<Owner>[] = [];
    const most = Math.min(number, request.most);
    while (given.length < most) {
      const piece = this.#stock.next(size);
      if (piece === undefined) break;
      given.push(this.#give(piece, claimant));
    }
    if (given.length === 0) return refuse("no_keys_available");
    const answer = new Answer(claimant, given, token !== undefined);
    this.#answers.add(answer);
    await new Promise<void>((resolve) => ledger.whenDurable(resolve));
    if (answer.forgotten) return refuse("busy");
    this.#answers.ready(answer);
    if (!halted()) return this.#reply(answer, cut);
    this.#answers.ended(answer);
    return refuse("busy");
  }

  /** Whether it has this block, and pieces of it are kept back: they can be decided upon. */
  keepsBack(block: string): boolean {
    return this.#keptBack.has(block);
  }

  /**
   * An operator decided about pieces that are kept back; what, the ledger has.
   * @returns false if the block is not here
   */
  decided(block: string): boolean {
    const holding = this.#keptBack.get(block);
    if (holding === undefined) return false;
    const record = this.#parts.ledger.get(block);
    for (const [keyId, piece] of holding.keptBack) {
      if (record?.quarantined.has(keyId)) continue;
      holding.keptBack.delete(keyId);
      if (record?.gone.has(keyId)) {
        overwrite(piece);
        continue;
      }
      holding.unsettled += piece.length;
      this.#stock.putBack([piece]);
    }
    if (holding.keptBack.size === 0) this.#keptBack.delete(block);
    return true;
  }

  /** Gives nothing more; what was given stays with the ledger. Wipes every key. */
  wipe(): void {
    this.forget();
    this.#stopped = true;
  }

  /** Wipes every key; what may have left stays with the ledger. */
  forget(): void {
    for (const { given, outcome, sendings, cuts } of this.#answers.clear()) {
      for (const cut of [...cuts]) cut();
      for (const { key, piece } of given) {
        if (outcome === "unsent" && sendings === 0) this.#record("returned", piece, key.id);
        key.wipe();
        piece.holding.block.wipe();
      }
    }
    for (const { block } of this.#keptBack.values()) block.wipe();
    this.#keptBack.clear();
    this.#leftOver = undefined;
    this.#stock.wipe();
  }

  /** What was given away and is not settled; read once, before anything else is given. */
  get #before(): LeftOver {
    this.#leftOver ??= new LeftOver(this.#parts.ledger);
    return this.#leftOver;
  }

  /** @returns undefined if this token is not known any more, or never was */
  #repeat(claimant: string, cut: KeyRequest["cut"]): KeyReply | undefined {
    const answer = this.#answers.withTokenOf(claimant);
    if (answer === undefined) {
      // Before a restart, and not yet back from the module.
      return this.#before.hasTokenOf(claimant) ? refuse("busy") : undefined;
    }
    if (answer.claimant !== claimant) {
      return refuse("invalid_message", "this token is that of a request for other keys");
    }
    const all = answer.restored ? (this.#before.get(claimant)?.pieces.length ?? 0) : 0;
    const whole = answer.given.length >= all;
    if (!answer.ready || !answer.repeatable || !whole) return refuse("busy");
    return { ...this.#reply(answer, cut), repeated: true };
  }

  #reply(answer: Answer<Owner>, cut: () => void = () => {}): KeyReply {
    this.#answers.begun(answer);
    answer.cuts.add(cut);
    let over = false;
    const tell = (how: Sending) => () => {
      answer.cuts.delete(cut);
      if (!over) this.#told(answer, how);
      over = true;
    };
    const keys = answer.given.map(({ key }) => key);
    assert(
      keys.every((key) => !key.wiped),
      "a wiped key is never sent",
    );
    const [sent, unsent, torn] = [tell("sent"), tell("unsent"), tell("torn")];
    return { response: "success", keys, sent, unsent, torn };
  }

  /** A sending of the answer ended. */
  #told(answer: Answer<Owner>, how: Sending): void {
    const { counters } = this.#parts;
    if (this.#stopped) return;
    const { given, forgotten, repeatable } = answer;
    if (how === "torn") answer.torn = true;
    if (how === "sent") {
      counters[answer.counted ? "repeats" : "supplied"] += given.length;
      answer.counted = true;
      const marked = answer.sent || !repeatable;
      answer.sent = true;
      for (const { key, piece } of given) {
        // Without its bytes it is settled at once.
        if (forgotten) this.#conclude(how, piece.holding.block.ref, key.id);
        else if (!marked) this.#record("sent", piece, key.id);
      }
    }
    this.#answers.ended(answer);
  }

  #addPiece(piece: Piece<Owner>, record: BlockRecord): void {
    const { holding, offset, length } = piece;
    const keyId = keyIdOf(this.#parts.ids(), holding.block.facts, offset, length);
    const claimant = record.assigned.get(keyId)?.claimant ?? unclaimed;
    if (record.quarantined.has(keyId)) {
      holding.keptBack.set(keyId, piece);
      holding.unsettled -= length;
    } else if (isDone(record, keyId, piece)) {
      overwrite(piece);
      holding.unsettled -= length;
    } else if (claimant === unclaimed) this.#stock.addPiece(piece);
    else this.#restore(piece, keyId, claimant);
  }

  #give(piece: Piece<Owner>, claimant: string): Given<Owner> {
    // Before the first is given: what is given now is not left over.
    void this.#before;
    const { holding, offset, length } = piece;
    const { ref, facts } = holding.block;
    const keyId = keyIdOf(this.#parts.ids(), facts, offset, length);
    this.#parts.ledger.append({ kind: "assigned", ref, keyId, offset, length, claimant });
    return { key: keyOf(piece, keyId), piece };
  }

  /** A key that was given away before a restart: kept for a repeat of that request. */
  #restore(piece: Piece<Owner>, keyId: string, claimant: string): void {
    const known = this.#answers.withTokenOf(claimant);
    const given = { key: keyOf(piece, keyId), piece };
    if (known?.claimant === claimant && known.restored) {
      known.given.push(given);
      return;
    }
    const answer = new Answer(claimant, [given], true);
    answer.sent = this.#before.get(claimant)?.sent === true;
    answer.torn = true;
    answer.restored = true;
    this.#answers.add(answer);
    this.#answers.ready(answer);
  }

  /** Nothing more can happen to the answer: its keys are delivered, free again or kept back. */
  #settle(answer: Answer<Owner>): void {
    const { given, outcome, claimant } = answer;
    for (const { key, piece } of given) this.#conclude(outcome, piece.holding.block.ref, key.id);
    const before = answer.restored ? this.#before.get(claimant) : undefined;
    // Those that the module has not offered again share the fate of the others.
    for (const { ref, keyId } of before?.pieces ?? []) this.#conclude(outcome, ref, keyId);
    if (before !== undefined) this.#before.delete(claimant);
    if (outcome === "unsent") {
      this.#stock.putBack(given.map(({ piece }) => piece));
      return this.#over(given);
    }
    for (const { key, piece } of given) {
      const { holding, length } = piece;
      if (outcome === "sent") key.wipe();
      else {
        holding.keptBack.set(key.id, piece);
        this.#keptBack.set(blockName(holding.block.ref), holding);
      }
      holding.unsettled -= length;
      if (holding.unsettled === 0) this.#done(holding);
    }
    this.#over(given);
  }

  /** In proactive mode a block leaves this store once no request of it is open. */
  #over(given: readonly Given<Owner>[]): void {
    const { over, ledger } = this.#parts;
    if (over === undefined) return;
    for (const holding of new Set(given.map(({ piece }) => piece.holding))) {
      const name = blockName(holding.block.ref);
      // What was bound to a KM may be free by now, by an operator's word, and is kept for a repeat all the same.
      const isOpen = this.#answers.hasOf(holding) || isAskedFor(ledger.get(name));
      if (holding.unsettled === 0 || isOpen) continue;
      this.#keptBack.delete(name);
      this.#stock.remove(holding);
      over(holding.owner);
    }
  }

  /** Records what became of a key, unless that is recorded. */
  #conclude(outcome: Sending, ref: BlockRef, keyId: string): void {
    const { ledger, counters, quarantine } = this.#parts;
    const place = ledger.get(blockName(ref))?.assigned.get(keyId);
    if (place === undefined || !isUnsettled(ledger.get(blockName(ref)), keyId)) return;
    if (outcome === "torn") return quarantine(ref, keyId, interrupted);
    ledger.append({ kind: outcome === "sent" ? "delivered" : "returned", ref, keyId });
    if (outcome === "unsent") return;
    counters.confirmed++;
    counters.bits += place.length;
  }

  #record(kind: "sent" | "returned", piece: Piece<Owner>, keyId: string): void {
    const { ledger } = this.#parts;
    const { ref } = piece.holding.block;
    if (isUnsettled(ledger.get(blockName(ref)), keyId)) ledger.append({ kind, ref, keyId });
  }

  /** Nothing of the block will be given any more. What is left behind its last unit is not given. */
  #done({ block, owner, keptBack }: Holding<Owner>): void {
    this.#keptBack.delete(blockName(block.ref));
    block.wipe();
    this.#parts.done(owner, keptBack.size > 0);
  }
}

/** Delivered, or given up. */
function isDone(
  { delivered, deliveredBits, gone }: BlockRecord,
  keyId: string,
  { offset }: { readonly offset: number },
): boolean {
  return delivered.has(keyId) || gone.has(keyId) || offset < deliveredBits;
}

/** A key whose bytes are those of its block. */
function keyOf<Owner>({ holding, offset, length }: Piece<Owner>, keyId: string): QkdKey {
  const { block } = holding;
  return new QkdKey(keyId, block.facts, bytesOf(block, offset, length), length);
}

function bytesOf(block: KeyBlock, offset: number, length: number): Uint8Array {
  return block.expose().subarray(offset / 8, (offset + length) / 8);
}

/** Overwrites the bytes of a piece that nothing will be done with any more. */
function overwrite<Owner>({ holding, offset, length }: Piece<Owner>): void {
  bytesOf(holding.block, offset, length).fill(0);
}
