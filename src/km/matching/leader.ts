/**
 * The leader of a link proposes batches of QKD-keys (Y.3803 §8.2.1). A batch is Q proposed (in memory only),
 * then M matched, durably: that is the decision. Until then it can be given up, and its keys go back. Pure.
 */
import { digestOf } from "../../wire/kx/codec.ts";
import type { ExtentBook, Match, NoMatch, Propose } from "../../wire/kx/messages.ts";
import type { LinkContext } from "../peer/context.ts";
import { idsOf, type LinkBuffer, namesIn, runsOf, type Waiting } from "./buffer.ts";
import { becomeStock } from "./matched.ts";
import { KeyQueue } from "./queue.ts";
import { ownerSplit } from "./split.ts";
import { batchNonce } from "./tag.ts";

/** The digest leaves the tag out. */
const noTag = Buffer.alloc(16);

type Proposal = Omit<Propose, "tag" | "type">;

interface Open {
  readonly keys: readonly Waiting[];
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
  readonly #halves: Waiting[][] = [];
  /** Keys that the follower lacked, and may be proposed again later. */
  #later: Waiting[] = [];
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
    this.#queues = modules.map(() => new KeyQueue());
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

  add(key: Waiting): void {
    this.#queues[key.pair]?.push(key);
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
      this.#back(due);
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
    this.#back(open.keys);
  }

  #gather(): Waiting[] | undefined {
    const half = this.#halves.shift()?.filter((key) => this.#buffer.has(key));
    if (half !== undefined) return half.length > 0 ? half : this.#gather();
    const { limits } = this.#context;
    for (let i = 0; i < this.#queues.length; i++) {
      this.#turn = (this.#turn + 1) % this.#queues.length;
      const queue = this.#queues[this.#turn] as KeyQueue;
      queue.clean((key) => this.#buffer.has(key) && key.batch === 0);
      const first = queue.first();
      if (first === undefined) continue;
      const due = this.#context.now() - first.since >= limits.holdMs;
      if (due || queue.bytes >= limits.readyBytes || queue.length >= limits.readyKeys) {
        return queue.take(limits.batchKeys, limits.batchBytes);
      }
    }
    return undefined;
  }

  #propose(keys: readonly Waiting[]): void {
    const { books, limits } = this.#context;
    const number = Math.max(this.#lastNumber, books.state.highest) + 1;
    this.#lastNumber = number;
    for (const key of keys) key.batch = number;
    let length = 0;
    const lengths = keys.map((key) => {
      length += key.length;
      return key.length;
    });
    const proposal: Proposal = {
      number,
      modules: this.#modules[keys[0]?.pair ?? 0] as readonly [string, string],
      ids: idsOf(keys),
      lengths,
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
    const handles = open.keys.map(({ handle }) => handle);
    store.tagBuffered(handles, key, (tag) => {
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
    if (reason === "lacking") this.#lacked(open.keys, new Set(namesIn(lacking)));
    else if (reason === "hash" || reason === "length") this.#halve(number, open.keys);
    else this.#postpone(open.keys, this.#context.limits.againMs);
    this.advance();
  }

  #lacked(keys: readonly Waiting[], names: ReadonlySet<string>): void {
    const { againMs, againMaxMs } = this.#context.limits;
    // The follower can't say which: all of them wait.
    if (names.size === 0) return this.#postpone(keys, againMs);
    const lacked = keys.filter(({ id }) => names.has(id));
    this.#back(keys.filter(({ id }) => !names.has(id)));
    for (const key of lacked) {
      key.lacked++;
      this.#postpone([key], Math.min(againMs * 2 ** (key.lacked - 1), againMaxMs));
    }
  }

  #postpone(keys: readonly Waiting[], ms: number): void {
    for (const key of keys) {
      key.batch = 0;
      key.notBefore = this.#context.now() + ms;
      this.#later.push(key);
    }
  }

  #halve(number: number, keys: readonly Waiting[]): void {
    const [only] = keys;
    if (keys.length === 1 && only !== undefined) return this.#differs(number, only);
    const middle = keys.length >> 1;
    for (const key of keys) key.batch = number;
    this.#halves.push(keys.slice(0, middle), keys.slice(middle));
  }

  /** One key whose bytes are not the same at both ends: void, here and there. */
  #differs(number: number, key: Waiting): void {
    const context = this.#context;
    this.#buffer.remove([key]);
    context.turn.drop([key.handle]);
    const ids = idsOf([key]);
    context.turn.whenDurable(() => {
      context.tell({ type: "differs", id: ids.toString("hex"), ids, runs: runsOf([key]) });
      context.send({ type: "abort", number, void: ids });
    });
  }

  #back(keys: readonly Waiting[]): void {
    for (const key of [...keys].reverse()) {
      key.batch = 0;
      if (this.#buffer.has(key)) this.#queues[key.pair]?.unshift(key);
    }
  }
}
