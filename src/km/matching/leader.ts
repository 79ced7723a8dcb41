/**
 * The leader of a link proposes batches of QKD-keys (Y.3803 §8.2.1). A batch is Q proposed (in memory only),
 * then M matched, durably: that is the decision. Until then it can be given up, and its keys go back. Pure.
 */

import { digestOf } from "../../wire/kx/codec.ts";
import type { ExtentBook, Match, MatchMac, NoMatch, Propose } from "../../wire/kx/messages.ts";
import { idWords } from "../keys/masked-ids.ts";
import type { LinkContext } from "../peer/context.ts";
import { answerKey, isSealed } from "./answer-mac.ts";
import { type BatchPads, padOfProposal } from "./batch-pads.ts";
import { type Batch, type LinkBuffer, partOf } from "./buffer.ts";
import { becomeStock } from "./matched.ts";
import { KeyQueue } from "./queue.ts";
import { none } from "./slots.ts";
import { ownerSplit } from "./split.ts";
import { batchNonce } from "./tag.ts";

/** The digest leaves the tag out. */
const noTag = Buffer.alloc(16);

type Proposal = Omit<Propose, "tag" | "type">;

interface Open {
  readonly keys: Batch;
  readonly length: number;
  readonly proposal: Proposal;
  readonly digest: Buffer;
  /** What the follower's answer is to be under; undefined: the session's word is enough. */
  answer: Buffer | undefined;
}

export class Leader {
  readonly #context: LinkContext;
  readonly #buffer: LinkBuffer;
  readonly #modules: readonly (readonly [string, string])[];
  readonly #queues: readonly KeyQueue[];
  readonly #open = new Map<number, Open>();
  /** Halves of batches whose bytes differ: each is proposed for itself. */
  readonly #halves: Batch[] = [];
  /** Keys that the follower lacked, and when they may be proposed again. */
  #later: { readonly keys: Batch; readonly notBefore: number }[] = [];
  #lastNumber = 0;
  #turn = 0;
  readonly #pads: BatchPads;
  /** Numbers that wait for a pad of their own, in order: the follower takes none that is lower than the last. */
  #unsent: number[] = [];
  #isLending = false;

  /** @param modules pairs of QKD module IDs of the link, the leader's first */
  constructor(
    context: LinkContext,
    buffer: LinkBuffer,
    modules: readonly (readonly [string, string])[],
    pads: BatchPads,
  ) {
    this.#pads = pads;
    this.#context = context;
    this.#buffer = buffer;
    this.#modules = modules;
    this.#queues = modules.map(() => new KeyQueue(buffer));
  }

  /** Batches that are proposed and not decided. */
  get open(): number {
    return this.#open.size;
  }

  /** What the books of a session say of batches that are proposed. */
  books(): ExtentBook[] {
    return [...this.#open].map(([number, { digest, length }]) => ({
      number,
      state: "Q",
      digest,
      length,
      regions: [],
    }));
  }

  /** Keys came. @param pair of modules, of all of them */
  add(keys: Batch, pair: number): void {
    this.#queues[pair]?.push(keys);
  }

  /** Proposes what is due, as far as the window goes. */
  advance(): void {
    const { ready, limits } = this.#context;
    if (!ready) return;
    while (this.#open.size < limits.window) {
      const keys = this.#gather();
      if (keys === undefined) return;
      this.#propose(keys);
    }
  }

  /** Moves on with time. */
  tick(): void {
    const now = this.#context.now();
    if (this.#later.some(({ notBefore }) => notBefore <= now)) {
      const due = this.#later.filter(({ notBefore }) => notBefore <= now);
      this.#later = this.#later.filter(({ notBefore }) => notBefore > now);
      for (const { keys } of due.reverse()) this.#back(this.#free(keys));
    }
    this.advance();
  }

  /**
   * The session ended. What is to be under a one-time pad is proposed under a new number next time: the pad is bound to the
   * digest, so the follower could take one of this session for that of the next, and find keys different that are not.
   */
  down(): void {
    this.#unsent = [];
    this.#isLending = false;
    if (this.#pads.wanted)
      for (const number of [...this.#open.keys()].reverse()) this.giveUp(number);
  }

  /** A session is ready: what was proposed is proposed again, under its number. */
  again(): void {
    for (const number of this.#open.keys()) this.#send(number);
    this.advance();
  }

  /** The follower has no use for a batch any more, or never had: its keys go back. */
  giveUp(number: number): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    this.#close(number, open);
    this.#release(open.keys);
  }

  #gather(): Batch | undefined {
    const half = this.#halves.shift();
    if (half !== undefined) return half;
    const { limits } = this.#context;
    for (let i = 0; i < this.#queues.length; i++) {
      this.#turn = (this.#turn + 1) % this.#queues.length;
      const queue = this.#queues[this.#turn] as KeyQueue;
      if (queue.first() === undefined) continue;
      return queue.take(limits.batchKeys, limits.batchBytes);
    }
    return undefined;
  }

  #propose(keys: Batch): void {
    const { books, limits } = this.#context;
    const buffer = this.#buffer;
    const number = Math.max(this.#lastNumber, books.state.highest) + 1;
    this.#lastNumber = number;
    buffer.setBatch(keys, number);
    const length = buffer.bytesOf(keys);
    const pair = buffer.slots.pair(keys.slots[0] as number);
    const proposal: Proposal = {
      number,
      modules: this.#modules[pair] as readonly [string, string],
      ids: buffer.idsOf(keys),
      lengths: buffer.lengthsOf(keys),
      unit: limits.unit,
      split: ownerSplit(books.state, length, limits.unit),
    };
    const digest = digestOf({ type: "propose", ...proposal, tag: noTag });
    this.#open.set(number, { keys, length, proposal, digest, answer: undefined });
    this.#send(number);
  }

  #send(number: number): void {
    if (this.#open.get(number) === undefined || !this.#context.ready) return;
    if (!this.#pads.wanted) return this.#sendUnder(number, undefined);
    this.#unsent.push(number);
    this.#lend();
  }

  /** One pad after the other. */
  #lend(): void {
    if (this.#isLending) return;
    const number = this.#unsent.shift();
    const open = number === undefined ? undefined : this.#open.get(number);
    if (number === undefined) return;
    if (open === undefined) return this.#lend();
    this.#isLending = true;
    const { generation } = this.#context;
    this.#pads.lend(open.digest, (pad) => {
      const isStale = this.#context.generation !== generation;
      if (isStale || this.#open.get(number) !== open) {
        if (typeof pad !== "string") pad.fill(0);
        if (isStale) return;
      } else if (typeof pad !== "string") this.#sendUnder(number, pad);
      // Nothing of its own to authenticate with, as at the first batch of a link: the follower knows whether that is so.
      else if (pad === "stock") this.#sendUnder(number, undefined);
      else {
        this.#close(number, open);
        this.#postpone(open.keys, this.#context.limits.againMs);
      }
      this.#isLending = false;
      this.#lend();
    });
  }

  /** @param pad of a one-time MAC, wiped; undefined: under the key of the session */
  #sendUnder(number: number, pad: Buffer | undefined): void {
    const open = this.#open.get(number);
    const { generation, tagKey, store } = this.#context;
    if (open === undefined) return void pad?.fill(0);
    const nonce = batchNonce(number);
    this.#setAnswer(open, pad && answerKey(pad));
    const first = pad?.subarray(0, padOfProposal);
    const key = first ? { key: first, nonce, text: open.digest } : { key: tagKey, nonce };
    store.tagBuffered(open.keys.handles, key, (tag) => {
      pad?.fill(0);
      const context = this.#context;
      if (context.generation !== generation || this.#open.get(number) !== open) return;
      if (tag === undefined) return this.giveUp(number);
      context.send({ type: "propose", ...open.proposal, tag });
    });
  }

  #setAnswer(open: Open, key: Buffer | undefined): void {
    open.answer?.fill(0);
    open.answer = key;
  }

  /** A batch is open no more. */
  #close(number: number, open: Open): void {
    this.#open.delete(number);
    this.#setAnswer(open, undefined);
  }

  heardMatch(message: Match | MatchMac): void {
    const { number, digest } = message;
    const context = this.#context;
    const open = this.#open.get(number);
    if (open === undefined || !open.digest.equals(digest)) {
      // Matched already, and the answer was late: COMMIT says so again.
      if (context.books.stock.extent(number)?.digest.equals(digest)) this.commit(number);
      else context.tell({ type: "odd", message: "match" });
      return;
    }
    const { keys, length, proposal, answer } = open;
    // It is proposed again in the next session.
    if (answer !== undefined && !isSealed(message, answer)) {
      return context.tell({ type: "odd", message: "match" });
    }
    this.#close(number, open);
    becomeStock(context, this.#buffer, { ...proposal, digest, length }, keys);
    this.commit(number);
    this.advance();
  }

  /** Tells the follower that a batch is matched, once that is durable. */
  commit(number: number): void {
    this.#context.turn.whenDurable(() => this.#context.send({ type: "commit", number }));
  }

  heardNoMatch({ number, reason, lacking }: NoMatch): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    this.#close(number, open);
    this.#context.tell({ type: "unmatched", reason });
    if (reason === "lacking") this.#lacked(open.keys, lacking);
    else if (reason === "hash" || reason === "length") this.#halve(number, open.keys);
    else this.#postpone(open.keys, this.#context.limits.againMs);
    this.advance();
  }

  /** @param ids of those that the follower lacks, 16 bytes each */
  #lacked(keys: Batch, ids: Buffer): void {
    const { againMs, againMaxMs } = this.#context.limits;
    // The follower can't say which: all of them wait.
    if (ids.length === 0) return this.#postpone(keys, againMs);
    const buffer = this.#buffer;
    const number = buffer.slots.batch(keys.slots[0] as number);
    const masked = buffer.mask(ids);
    const byTimes = new Map<number, number[]>();
    for (let i = 0; i < masked.length / idWords; i++) {
      const slot = buffer.find(masked, i);
      if (slot === none || buffer.slots.batch(slot) !== number) continue;
      buffer.slots.setBatch(slot, 0);
      buffer.slots.countLacked(slot);
      const times = buffer.slots.lacked(slot);
      const alike = byTimes.get(times);
      if (alike === undefined) byTimes.set(times, [slot]);
      else alike.push(slot);
    }
    const rest = Array.from(keys.slots).filter((slot) => buffer.slots.batch(slot) === number);
    this.#release(buffer.batchOf(rest));
    for (const [times, slots] of byTimes) {
      this.#postpone(buffer.batchOf(slots), Math.min(againMs * 2 ** (times - 1), againMaxMs));
    }
  }

  #postpone(keys: Batch, ms: number): void {
    this.#buffer.setBatch(keys, 0);
    this.#later.push({ keys, notBefore: this.#context.now() + ms });
  }

  #halve(number: number, keys: Batch): void {
    const { length } = keys.slots;
    if (length === 1) return this.#differs(number, keys);
    const middle = length >> 1;
    this.#halves.push(partOf(keys, 0, middle), partOf(keys, middle));
  }

  /** One key whose bytes are not the same at both ends: void, here and there. */
  #differs(number: number, key: Batch): void {
    const context = this.#context;
    const ids = this.#buffer.idsOf(key);
    const runs = this.#buffer.runsOf(key);
    this.#buffer.remove(key, ids);
    context.turn.drop(key.handles);
    context.turn.whenDurable(() => {
      context.tell({ type: "differs", id: ids.toString("hex"), ids, runs });
      context.send({ type: "abort", number, void: ids });
    });
  }

  /** Those that are still here, and in no batch. */
  #free(keys: Batch): Batch {
    const free = Array.from(keys.slots).filter((_, i) => this.#buffer.isFree(keys, i));
    return free.length === keys.slots.length ? keys : this.#buffer.batchOf(free);
  }

  #release(keys: Batch): void {
    this.#buffer.setBatch(keys, 0);
    this.#back(keys);
  }

  /** @param keys that are here, of one pair of modules */
  #back(keys: Batch): void {
    const [first] = keys.slots;
    if (first !== undefined) this.#queues[this.#buffer.slots.pair(first)]?.unshift(keys);
  }
}
