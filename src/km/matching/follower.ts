/**
 * The follower of a link answers proposals. A batch is R prepared, durably: its keys are no more in the buffer,
 * and no byte of it can be used; then M matched, when the leader says that it decided so, or void again. Pure.
 */

import { timingSafeEqual } from "node:crypto";
import { assert } from "../../base/assert.ts";
import { digestOf } from "../../wire/kx/codec.ts";
import type {
  Abort,
  Commit,
  ExtentBook,
  Match,
  MatchMac,
  NoMatchReason,
  Propose,
} from "../../wire/kx/messages.ts";
import { IdTable } from "../keys/id-table.ts";
import { idBytes, idWords } from "../keys/masked-ids.ts";
import type { LinkContext } from "../peer/context.ts";
import type { KeysOfEvent } from "../peer/events.ts";
import type { Row } from "../store/port.ts";
import { answerKey, sealMatch } from "./answer-mac.ts";
import { type BatchPads, padOfProposal } from "./batch-pads.ts";
import type { Batch, LinkBuffer } from "./buffer.ts";
import { type Agreed, becomeStock } from "./matched.ts";
import { decodeBatch, encodeBatch } from "./rows.ts";
import { none } from "./slots.ts";
import { batchNonce } from "./tag.ts";

interface Held {
  readonly message: Propose;
  readonly digest: Buffer;
  readonly until: number;
  /** Its IDs, masked, and which of them were not here. */
  readonly masked: Uint32Array;
  readonly lacking: readonly number[];
  /** How many of those are not here yet. */
  missing: number;
}

/** For a moment a leader's books may have less than this end thinks; one that makes no one-time MAC goes on longer, ms. */
const longestBareMs = 10_000;
/** IDs of keys that were not here are remembered up to this number. */
const maxLacked = 65_536;
const nothing = Buffer.alloc(0);

/** @param pad that the proposal was under */
function answerTo(number: number, digest: Buffer, pad: Buffer | undefined): Match | MatchMac {
  const key = pad && answerKey(pad);
  if (key === undefined) return { type: "match", number, digest };
  const answer = sealMatch({ number, digest }, key);
  key.fill(0);
  return answer;
}

export class Follower {
  readonly #context: LinkContext;
  readonly #buffer: LinkBuffer;
  readonly #modules: readonly (readonly [string, string])[];
  readonly #pads: BatchPads;
  readonly #prepared = new Map<number, { facts: Agreed; keys: Batch }>();
  /** Proposals that wait for keys, and those whose hash is being computed. */
  readonly #held = new Map<number, Held>();
  /** From the masked ID of a key that one of them waits for to its number. */
  readonly #awaited = new IdTable();
  readonly #checking = new Map<number, Batch>();
  /** IDs that were waited for once: a proposal with them is answered at once, and holds up no other. */
  #lacked = new IdTable();
  /** Since when all proposals of this session came without the one-time MAC that they could have; and it was told. */
  #bareSince: number | undefined;
  #isBareTold = false;
  /** Highest number that was proposed in this session. */
  #proposed = 0;

  /** @param modules pairs of QKD module IDs of the link, the leader's first */
  constructor(
    context: LinkContext,
    buffer: LinkBuffer,
    modules: readonly (readonly [string, string])[],
    pads: BatchPads,
    rows: readonly Row[],
  ) {
    this.#context = context;
    this.#buffer = buffer;
    this.#modules = modules;
    this.#pads = pads;
    for (const row of rows) {
      if (row.kind !== "batch" || row.value === undefined) continue;
      const facts = decodeBatch(row.value);
      const keys = this.#reserve(facts.number, buffer.mask(facts.ids));
      // Of a store that was damaged, or a module that was taken out or renamed: the keys leave the buffer with this row.
      if (keys === undefined) this.#dropRow(facts.number);
      else this.#prepared.set(facts.number, { facts, keys });
    }
  }

  /**
   * Has keys be this batch's.
   * @returns undefined if one of them is not here, is another batch's or is there twice: then none of them is
   */
  #reserve(number: number, masked: Uint32Array): Batch | undefined {
    const buffer = this.#buffer;
    const slots = new Int32Array(masked.length / idWords);
    for (let i = 0; i < slots.length; i++) {
      const slot = buffer.find(masked, i);
      if (slot === none || buffer.slots.batch(slot) !== 0) {
        for (const taken of slots.subarray(0, i)) buffer.slots.setBatch(taken, 0);
        return undefined;
      }
      buffer.slots.setBatch(slot, number);
      slots[i] = slot;
    }
    return buffer.batchOf(slots);
  }

  get prepared(): number {
    return this.#prepared.size;
  }

  /** What the books of a session say of batches that are prepared. */
  books(): ExtentBook[] {
    return [...this.#prepared].map(([number, { facts }]) => ({
      number,
      state: "R",
      digest: facts.digest,
      length: facts.length,
      regions: [],
    }));
  }

  heardPropose(message: Propose): void {
    const { number } = message;
    const context = this.#context;
    const digest = message.digest ?? digestOf(message);
    const known =
      context.books.stock.extent(number)?.digest ?? this.#prepared.get(number)?.facts.digest;
    if (known?.equals(digest)) return this.#matchAgain(number, digest);
    const highest = Math.max(context.books.state.highest, this.#proposed);
    if (known !== undefined || number <= highest) return this.#refuse(number, "number");
    this.#proposed = number;
    const masked = this.#buffer.mask(message.ids);
    const lacking: number[] = [];
    for (let i = 0; i < masked.length / idWords; i++) {
      if (this.#find(message, masked, i) === none) lacking.push(i);
    }
    if (lacking.length === 0) return this.#check(message, digest, masked);
    const until = context.now() + context.limits.lackMs;
    const held = { message, digest, until, masked, lacking, missing: lacking.length };
    const isKnown = lacking.every((i) => this.#lacked.get(masked, i) !== undefined);
    if (isKnown) this.#lacking(held, lacking);
    else this.#hold(held);
  }

  /**
   * A key that may be in a batch: of no other, and from the modules that the batch names. How a key came is part of what
   * applications are told of it, so another KM's word does not count for this one's keys.
   */
  #find({ modules: [first, second] }: Propose, masked: Uint32Array, i: number): number {
    const { slots } = this.#buffer;
    const slot = this.#buffer.find(masked, i);
    if (slot === none || slots.batch(slot) !== 0) return none;
    const own = this.#modules[slots.pair(slot)];
    return own !== undefined && own[0] === first && own[1] === second ? slot : none;
  }

  /** Keys came: a proposal that waits for them may be complete. @param masked their IDs */
  stored(masked: Uint32Array): void {
    const isLacked = this.#lacked.size > 0;
    if (!isLacked && this.#awaited.size === 0) return;
    for (let i = 0; i < masked.length / idWords; i++) {
      if (isLacked) this.#lacked.delete(masked, i);
      const number = this.#awaited.get(masked, i);
      if (number === undefined) continue;
      this.#awaited.delete(masked, i);
      const held = this.#held.get(number);
      if (held === undefined || --held.missing > 0) continue;
      this.#held.delete(number);
      const others = held.lacking.filter((k) => this.#find(held.message, held.masked, k) === none);
      if (others.length > 0) this.#lacking(held, others);
      else this.#check(held.message, held.digest, held.masked);
    }
  }

  #hold(held: Held): void {
    const { message, masked, lacking } = held;
    this.#held.set(message.number, held);
    for (const i of lacking) this.#awaited.set(masked, i, message.number);
    // They are about to come, as the leader's did. From then on both ends gather keys at the same times.
    this.#context.store.hurry();
  }

  /** @returns which of its IDs are still not here */
  #unhold({ message: { number }, masked, lacking }: Held): number[] {
    this.#held.delete(number);
    const missing = lacking.filter((i) => this.#awaited.get(masked, i) === number);
    for (const i of missing) this.#awaited.delete(masked, i);
    return missing;
  }

  tick(): void {
    const now = this.#context.now();
    for (const held of this.#held.values()) {
      if (held.until <= now) this.#lacking(held, this.#unhold(held));
    }
  }

  #lacking({ message: { number, ids }, masked }: Held, missing: readonly number[]): void {
    const lacking = Buffer.alloc(missing.length * idBytes);
    for (const [k, i] of missing.entries()) {
      if (this.#lacked.size >= maxLacked) this.#lacked = new IdTable();
      this.#lacked.set(masked, i, number);
      ids.copy(lacking, k * idBytes, i * idBytes, (i + 1) * idBytes);
    }
    this.#refuse(number, "lacking", lacking);
  }

  /** The session ended: what is not prepared is as if it had never been proposed. */
  down(): void {
    for (const held of this.#held.values()) this.#unhold(held);
    for (const keys of this.#checking.values()) this.#buffer.setBatch(keys, 0);
    this.#checking.clear();
    this.#proposed = 0;
    this.#bareSince = undefined;
    this.#isBareTold = false;
  }

  #check(message: Propose, digest: Buffer, masked: Uint32Array): void {
    const { number, lengths } = message;
    const context = this.#context;
    const buffer = this.#buffer;
    const keys = this.#reserve(number, masked);
    // An ID that is there twice, or a key that expired meanwhile.
    if (keys === undefined) return this.#refuse(number, "lacking", nothing);
    const { slots } = keys;
    const isAlike = slots.every((slot, i) => buffer.slots.length(slot) === lengths[i]);
    if (slots.length !== lengths.length || !isAlike) {
      buffer.setBatch(keys, 0);
      return this.#refuse(number, "length");
    }
    this.#checking.set(number, keys);
    const { generation } = context;
    const isStale = () => context.generation !== generation || this.#checking.get(number) !== keys;
    const isClaimed = this.#pads.claim(digest, (pad) => {
      if (isStale()) return void pad?.fill(0);
      if (pad === undefined) this.#later(number, keys);
      else this.#compare(message, digest, keys, pad, isStale);
    });
    // Only who has nothing to authenticate with is believed without it.
    const isBare = !isClaimed && this.#pads.wanted && this.#pads.there;
    this.#countBare(isBare);
    if (isClaimed) return;
    if (isBare) return this.#later(number, keys);
    this.#compare(message, digest, keys, undefined, isStale);
  }

  /** @param isBare a proposal came without the one-time MAC that it could have */
  #countBare(isBare: boolean): void {
    const context = this.#context;
    if (!isBare) this.#bareSince = undefined;
    else if (this.#bareSince === undefined) this.#bareSince = context.now();
    else if (!this.#isBareTold && context.now() - this.#bareSince > longestBareMs) {
      this.#isBareTold = true;
      context.tell({ type: "macMissing" });
    }
  }

  /** The leader is to propose them once more, under a pad. */
  #later(number: number, keys: Batch): void {
    this.#checking.delete(number);
    this.#buffer.setBatch(keys, 0);
    this.#refuse(number, "lacking", nothing);
  }

  /** @param pad of a one-time MAC, wiped; undefined: under the key of the session */
  #compare(
    message: Propose,
    digest: Buffer,
    keys: Batch,
    pad: Buffer | undefined,
    isStale: () => boolean,
  ): void {
    const { number } = message;
    const context = this.#context;
    const nonce = batchNonce(number);
    const first = pad?.subarray(0, padOfProposal);
    const key = first ? { key: first, nonce, text: digest } : { key: context.tagKey, nonce };
    context.store.tagBuffered(keys.handles, key, (tag) => {
      const answer = answerTo(number, digest, pad);
      pad?.fill(0);
      if (isStale()) return;
      this.#checking.delete(number);
      const equal = tag !== undefined && timingSafeEqual(tag, message.tag);
      if (equal) return this.#prepare(message, digest, keys, answer);
      this.#buffer.setBatch(keys, 0);
      this.#refuse(number, "hash");
    });
  }

  #prepare(message: Propose, digest: Buffer, keys: Batch, answer: Match | MatchMac): void {
    const { number, modules, ids, unit, split } = message;
    const { books, turn, link } = this.#context;
    const length = this.#buffer.bytesOf(keys);
    const facts: Agreed = { number, digest, modules, ids, length, unit, split };
    this.#prepared.set(number, { facts, keys });
    books.raiseHighest(number);
    turn.row({ kind: "batch", link, key: String(number), value: encodeBatch(facts) });
    this.#match(answer);
  }

  /** A proposal that comes again has a pad of its own, and so has the answer. */
  #matchAgain(number: number, digest: Buffer): void {
    const { generation } = this.#context;
    const isClaimed = this.#pads.claim(digest, (pad) => {
      const answer = answerTo(number, digest, pad);
      pad?.fill(0);
      if (this.#context.generation === generation) this.#match(answer);
    });
    if (!isClaimed) this.#match({ type: "match", number, digest });
  }

  #match(answer: Match | MatchMac): void {
    this.#context.turn.whenDurable(() => this.#context.send(answer));
  }

  #refuse(number: number, reason: NoMatchReason, lacking = nothing): void {
    this.#context.tell({ type: "unmatched", reason });
    this.#context.send({ type: "noMatch", number, reason, lacking });
  }

  heardCommit({ number }: Commit): void {
    if (this.#prepared.has(number)) this.matched(number);
    else if (this.#context.books.stock.extent(number) === undefined) {
      this.#context.tell({ type: "odd", message: "commit" });
    }
  }

  /** The leader has decided: the batch is stock. */
  matched(number: number): void {
    const batch = this.#prepared.get(number);
    assert(batch !== undefined, "only a prepared batch is matched");
    this.#prepared.delete(number);
    this.#dropRow(number);
    becomeStock(this.#context, this.#buffer, batch.facts, batch.keys);
  }

  heardAbort({ number, void: ids }: Abort): void {
    this.release(number);
    const held = this.#held.get(number);
    if (held !== undefined) this.#unhold(held);
    const buffer = this.#buffer;
    const masked = buffer.mask(ids);
    for (let i = 0; i < masked.length / idWords; i++) {
      const slot = buffer.find(masked, i);
      if (slot === none || buffer.slots.batch(slot) !== 0) continue;
      const lost = this.#drop(buffer.batchOf([slot]));
      // Of no batch: keys that the other KM was told to give up.
      if (number === 0) this.#context.turn.told({ type: "dropped", reason: "order", ...lost });
      else this.#context.turn.told({ type: "differs", id: lost.ids.toString("hex"), ...lost });
    }
  }

  /** Keys leave the buffer without a use. @returns which they were */
  #drop(keys: Batch): KeysOfEvent {
    const lost = { ids: this.#buffer.idsOf(keys), runs: this.#buffer.runsOf(keys) };
    this.#buffer.remove(keys, lost.ids);
    this.#context.turn.drop(keys.handles);
    return lost;
  }

  /** The leader did not decide and never will: the keys go back to the buffer. */
  release(number: number): void {
    const batch = this.#prepared.get(number);
    if (batch === undefined) return;
    this.#prepared.delete(number);
    this.#buffer.setBatch(batch.keys, 0);
    this.#dropRow(number);
  }

  /** A batch that is matched at one end alone, after a disk was restored: its keys are void. */
  drop(number: number): void {
    const batch = this.#prepared.get(number);
    if (batch === undefined) return;
    this.release(number);
    const lost = this.#drop(batch.keys);
    this.#context.turn.told({ type: "dropped", reason: "restored", ...lost });
  }

  #dropRow(number: number): void {
    const { turn, link } = this.#context;
    turn.row({ kind: "batch", link, key: String(number), value: undefined });
  }
}
