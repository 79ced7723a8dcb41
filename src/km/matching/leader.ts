/**
 * The leader of a link proposes batches of QKD-keys (Y.3803 §8.2.1). A batch is Q proposed (in memory only),
 * then M matched, durably: that is the decision. Until then it can be given up, and its keys go back. Pure.
 */
import { digestOf } from "../../wire/kx/codec.ts";
import type { ExtentBook, Match, NoMatch, Propose } from "../../wire/kx/messages.ts";
import { idWords } from "../keys/masked-ids.ts";
import type { LinkContext } from "../peer/context.ts";
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

  /** @param modules pairs of QKD module IDs of the link, the leader's first */
  constructor(
    context: LinkContext,
    buffer: LinkBuffer,
    modules: readonly (readonly [string, string])[],
  ) {
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

  /** A session is ready: what was proposed is proposed again, under its number. */
  again(): void {
    for (const number of this.#open.keys()) this.#send(number);
    this.advance();
  }

  /** The follower has no use for a batch any more, or never had: its keys go back. */
  giveUp(number: number): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    this.#open.delete(number);
    this.#release(open.keys);
  }

  #gather(): Batch | undefined {
    const half = this.#halves.shift();
    if (half !== undefined) return half;
    const { limits } = this.#context;
    for (let i = 0; i < this.#queues.length; i++) {
      this.#turn = (this.#turn + 1) % this.#queues.length;
      const queue = this.#queues[this.#turn] as KeyQueue;
      const first = queue.first();
      if (first === undefined) continue;
      const due = this.#context.now() - this.#buffer.slots.since(first) >= limits.holdMs;
      if (due || queue.bytes >= limits.readyBytes || queue.length >= limits.readyKeys) {
        return queue.take(limits.batchKeys, limits.batchBytes);
      }
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
    this.#open.set(number, { keys, length, proposal, digest });
    this.#send(number);
  }

  #send(number: number): void {
    const open = this.#open.get(number);
    const { ready, generation, tagKey, store } = this.#context;
    if (open === undefined || !ready) return;
    const key = { key: tagKey, nonce: batchNonce(number) };
    store.tagBuffered(open.keys.handles, key, (tag) => {
      const context = this.#context;
      if (context.generation !== generation || this.#open.get(number) !== open) return;
      if (tag === undefined) return this.giveUp(number);
      context.send({ type: "propose", ...open.proposal, tag });
    });
  }

  heardMatch({ number, digest }: Match): void {
    const context = this.#context;
    const open = this.#open.get(number);
    if (open === undefined || !open.digest.equals(digest)) {
      // Matched already, and the answer was late: COMMIT says so again.
      if (context.books.stock.extent(number)?.digest.equals(digest)) this.commit(number);
      else context.tell({ type: "odd", message: "match" });
      return;
    }
    this.#open.delete(number);
    const { keys, length, proposal } = open;
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
    this.#open.delete(number);
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
