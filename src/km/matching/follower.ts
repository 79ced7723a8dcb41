/**
 * The follower of a link answers proposals. A batch is R prepared, durably: its keys are no more in the buffer,
 * and no byte of it can be used; then M matched, when the leader says that it decided so, or void again. Pure.
 */
import { timingSafeEqual } from "node:crypto";
import { assert } from "../../base/assert.ts";
import { digestOf } from "../../wire/kx/codec.ts";
import type { Abort, Commit, ExtentBook, NoMatchReason, Propose } from "../../wire/kx/messages.ts";
import type { LinkContext } from "../peer/context.ts";
import type { Row } from "../store/port.ts";
import { idsOf, type LinkBuffer, namesIn, runsOf, type Waiting } from "./buffer.ts";
import { type Agreed, becomeStock } from "./matched.ts";
import { decodeBatch, encodeBatch } from "./rows.ts";
import { batchNonce } from "./tag.ts";

interface Held {
  readonly message: Propose;
  readonly digest: Buffer;
  readonly until: number;
  /** IDs that are not here. */
  readonly missing: Set<string>;
}

/** IDs of keys that were not here are remembered up to this number. */
const maxLacked = 65_536;
const nothing = Buffer.alloc(0);

export class Follower {
  readonly #context: LinkContext;
  readonly #buffer: LinkBuffer;
  readonly #prepared = new Map<number, { facts: Agreed; keys: readonly Waiting[] }>();
  /** Proposals that wait for keys, and those whose hash is being computed. */
  readonly #held = new Map<number, Held>();
  /** By the ID of a key that one of them waits for. */
  readonly #awaited = new Map<string, Held>();
  readonly #checking = new Map<number, readonly Waiting[]>();
  /** IDs that were waited for once: a proposal with them is answered at once, and holds up no other. */
  readonly #lacked = new Set<string>();
  /** Highest number that was proposed in this session. */
  #proposed = 0;

  constructor(context: LinkContext, buffer: LinkBuffer, rows: readonly Row[]) {
    this.#context = context;
    this.#buffer = buffer;
    for (const row of rows) {
      if (row.kind !== "batch" || row.value === undefined) continue;
      const facts = decodeBatch(row.value);
      const keys = [...namesIn(facts.ids)].map((id) => buffer.get(id));
      // Only a damaged store gets here: the keys leave the buffer with this row.
      if (keys.some((key) => key === undefined)) this.#dropRow(facts.number);
      else this.#reserve(facts, keys as Waiting[]);
    }
  }

  #reserve(facts: Agreed, keys: readonly Waiting[]): void {
    for (const key of keys) key.batch = facts.number;
    this.#prepared.set(facts.number, { facts, keys });
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
    if (known?.equals(digest)) return this.#match(number, digest);
    const highest = Math.max(context.books.state.highest, this.#proposed);
    if (known !== undefined || number <= highest) return this.#refuse(number, "number");
    this.#proposed = number;
    const missing = new Set<string>();
    for (const id of namesIn(message.ids)) {
      const key = this.#buffer.get(id);
      if (key === undefined || key.batch !== 0) missing.add(id);
    }
    if (missing.size === 0) return this.#check(message, digest);
    if ([...missing].every((id) => this.#lacked.has(id))) return this.#lacking(number, missing);
    const until = context.now() + context.limits.lackMs;
    this.#hold({ message, digest, until, missing });
  }

  /** A key came: a proposal that waits for it may be complete. */
  stored(key: Waiting): void {
    if (this.#lacked.size > 0) this.#lacked.delete(key.id);
    if (this.#awaited.size === 0) return;
    const held = this.#awaited.get(key.id);
    if (held === undefined) return;
    this.#awaited.delete(key.id);
    const { message, digest, missing } = held;
    missing.delete(key.id);
    if (missing.size > 0 || this.#held.get(message.number) !== held) return;
    this.#held.delete(message.number);
    this.#check(message, digest);
  }

  #hold(held: Held): void {
    this.#held.set(held.message.number, held);
    for (const id of held.missing) this.#awaited.set(id, held);
  }

  #unhold({ message, missing }: Held): void {
    this.#held.delete(message.number);
    for (const id of missing) this.#awaited.delete(id);
  }

  tick(): void {
    const now = this.#context.now();
    for (const [number, held] of this.#held) {
      if (held.until > now) continue;
      this.#unhold(held);
      this.#lacking(number, held.missing);
    }
  }

  #lacking(number: number, missing: ReadonlySet<string>): void {
    for (const id of missing) {
      if (this.#lacked.size >= maxLacked) this.#lacked.clear();
      this.#lacked.add(id);
    }
    this.#refuse(number, "lacking", Buffer.from([...missing].join(""), "latin1"));
  }

  /** The session ended: what is not prepared is as if it had never been proposed. */
  down(): void {
    this.#held.clear();
    this.#awaited.clear();
    for (const keys of this.#checking.values()) release(keys);
    this.#checking.clear();
    this.#proposed = 0;
  }

  #check(message: Propose, digest: Buffer): void {
    const { number, ids, lengths } = message;
    const context = this.#context;
    const keys: Waiting[] = [];
    for (const id of namesIn(ids)) {
      const key = this.#buffer.get(id);
      if (key !== undefined && key.batch === 0) keys.push(key);
    }
    // An ID that is there twice, or a key that expired meanwhile.
    if (keys.length * 16 !== ids.length || new Set(keys).size !== keys.length) {
      return this.#refuse(number, "lacking", nothing);
    }
    if (keys.length !== lengths.length || keys.some(({ length }, i) => length !== lengths[i])) {
      return this.#refuse(number, "length");
    }
    for (const key of keys) key.batch = number;
    this.#checking.set(number, keys);
    const { generation, tagKey } = context;
    const tagged = { key: tagKey, nonce: batchNonce(number) };
    const handles = keys.map(({ handle }) => handle);
    context.store.tagBuffered(handles, tagged, (tag) => {
      if (context.generation !== generation || this.#checking.get(number) !== keys) return;
      this.#checking.delete(number);
      const equal = tag !== undefined && timingSafeEqual(tag, message.tag);
      if (equal) return this.#prepare(message, digest, keys);
      release(keys);
      this.#refuse(number, "hash");
    });
  }

  #prepare(message: Propose, digest: Buffer, keys: readonly Waiting[]): void {
    const { number, modules, ids, unit, split } = message;
    const { books, turn, link } = this.#context;
    const length = keys.reduce((sum, key) => sum + key.length, 0);
    const facts: Agreed = { number, digest, modules, ids, length, unit, split };
    this.#prepared.set(number, { facts, keys });
    books.raiseHighest(number);
    turn.row({ kind: "batch", link, key: String(number), value: encodeBatch(facts) });
    this.#match(number, digest);
  }

  #match(number: number, digest: Buffer): void {
    this.#context.turn.whenDurable(() => this.#context.send({ type: "match", number, digest }));
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
    const keys = [...namesIn(ids)].map((id) => this.#buffer.get(id));
    for (const key of keys) {
      if (key === undefined || key.batch !== 0) continue;
      this.#buffer.remove([key]);
      this.#context.turn.drop([key.handle]);
      const lost = { ids: idsOf([key]), runs: runsOf([key]) };
      // Of no batch: keys that the other KM was told to give up.
      if (number === 0) this.#context.turn.told({ type: "dropped", reason: "order", ...lost });
      else this.#context.turn.told({ type: "differs", id: lost.ids.toString("hex"), ...lost });
    }
  }

  /** The leader did not decide and never will: the keys go back to the buffer. */
  release(number: number): void {
    const batch = this.#prepared.get(number);
    if (batch === undefined) return;
    this.#prepared.delete(number);
    release(batch.keys);
    this.#dropRow(number);
  }

  /** A batch that is matched at one end alone, after a disk was restored: its keys are void. */
  drop(number: number): void {
    const batch = this.#prepared.get(number);
    if (batch === undefined) return;
    this.release(number);
    this.#buffer.remove(batch.keys);
    this.#context.turn.drop(batch.keys.map(({ handle }) => handle));
    const lost = { ids: idsOf(batch.keys), runs: runsOf(batch.keys) };
    this.#context.turn.told({ type: "dropped", reason: "restored", ...lost });
  }

  #dropRow(number: number): void {
    const { turn, link } = this.#context;
    turn.row({ kind: "batch", link, key: String(number), value: undefined });
  }
}

function release(keys: readonly Waiting[]): void {
  for (const key of keys) key.batch = 0;
}
