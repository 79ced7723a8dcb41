/**
 * Keys that this KM owns on their way to applications (Y.3803 §8.2.2, §8.2.4): offered, supplied or void. What
 * was ever offered is never free again; what this KM had begun before a restart is void. Pure.
 */

import { assert } from "../../base/assert.ts";
import { digestOf, keysThatFitOffer } from "../../wire/kx/codec.ts";
import type {
  Ack,
  FateTold,
  Offer,
  OfferedKeys,
  Take,
  VersionedRange,
} from "../../wire/kx/messages.ts";
import { isMatchUse } from "../matching/match-use.ts";
import { keyNonce } from "../matching/tag.ts";
import type { LinkContext } from "../peer/context.ts";
import { countOf, cutBytes, cutKeys, lengthOf } from "../store/key-run.ts";
import { bytesOf } from "../store/ranges.ts";
import { slavesOf } from "../store/sae-set.ts";
import { isOtp, type Use } from "../store/shapes.ts";
import { Ahead } from "./ahead.ts";
import { InOrder } from "./in-order.ts";
import { drawKsaId, drawKsaIds } from "./ksa-id.ts";
import { Limited } from "./limited.ts";
import { offeredUses } from "./offered.ts";
import { type Part, type Pending, supplied, usesOf } from "./pending.ts";
import type { Request, Shortage } from "./request.ts";

/** Of pre-offered keys each costs a message: a request for more is an offer of its own, and one round trip is little to it. */
export const mostPreOffered = 8;

export class Owner {
  readonly #context: LinkContext;
  readonly #incarnation: Buffer;
  #counter = 0;
  readonly #pending = new Set<Pending>();
  /** Prepared keys by their length, those that were prepared first in front; some may have ended since. */
  readonly #prepared = new Map<number, Use[]>();
  /** Keys of pre-offers without an answer, by their length. */
  readonly #preparing = new Map<number, number>();
  /** Offers, and words that they are void. */
  readonly #outgoing = new InOrder();
  /** By the ID of each offer. */
  readonly #offers = new Map<string, { readonly pending: Pending; readonly part: Part }>();

  /** The last acknowledgement of fates, and the turn in which it was made. */
  #fateOk: { readonly turn: number; number: number } | undefined;
  readonly #short: () => void;
  readonly #ahead: Ahead;
  readonly #limited: Limited;

  /**
   * @param incarnation 16 bytes, drawn at this start
   * @param short called when there was too little of this KM's own for a request
   */
  constructor(context: LinkContext, incarnation: Buffer, short: () => void) {
    this.#context = context;
    this.#incarnation = incarnation;
    this.#short = short;
    const chance = () => context.random(4).readUInt32BE() / 2 ** 32;
    this.#ahead = new Ahead(() => context.now(), chance);
    this.#limited = new Limited(() => context.now(), chance);
  }

  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Offers keys to the other KM and answers when they are bound there and supplied here, durably.
   * @param done once: the keys in the order in which they were made, several in an entry; or why there are none
   */
  request(request: Request, done: (result: Use[] | Shortage) => void): void {
    if (!this.#context.ready) return done("away");
    if (request.isWanted?.() === false) return done("late");
    const uses = request.agreed ? undefined : this.#preOffered(request);
    if (uses !== undefined) return this.#assign(uses, request, done);
    const { keys, length, pickUp, deadline } = request;
    this.#begin(keys, length, { request, pickUp, deadline, done });
  }

  /**
   * Offers keys without an application, so that a later request needs no round trip, unless such keys were not taken
   * of late. They end with the process.
   */
  preOffer(keys: number, length: number, pickUp: number, deadline: number): void {
    if (!this.#context.ready || !this.#ahead.isAllowed) return;
    this.#ahead.begun();
    const done = (result: Use[] | Shortage) => this.#ahead.ended(typeof result !== "string");
    this.#begin(keys, length, { request: undefined, pickUp, deadline, done });
  }

  #begin(
    keys: number,
    length: number,
    about: Pick<Pending, "request" | "pickUp" | "deadline" | "done">,
  ): void {
    const { books, turn } = this.#context;
    const wants = about.request?.otpOnly && !books.stock.isAllOtp ? isOtp : undefined;
    if (books.stock.free(books.side, wants) < keys * length) {
      this.#short();
      return about.done("stock");
    }
    const wait = this.#mayWait(about.request) ? this.#limited.shortage(keys) : undefined;
    if (wait !== undefined) return about.done(wait);
    // Fewer only where stock is in so many pieces that no message could name them.
    let ranges: readonly VersionedRange[] = books.stock.allocate(keys, length, wants);
    const made = bytesOf(ranges) / length;
    const parts: Part[] = [];
    for (let left = made; left > 0; ) {
      const fit = keysThatFitOffer(about.request?.use, ranges, length, left);
      assert(fit > 0, "a key fits an offer");
      const [its, others] = cutBytes(ranges, fit * length);
      parts.push(this.#part(its, fit, length, about));
      ranges = others;
      left -= fit;
    }
    turn.changed();
    const pending: Pending = { parts, ...about };
    if (made < keys) return this.#giveUp(pending, "stock");
    this.#pending.add(pending);
    this.#countPreparing(pending, 1);
    for (const part of parts) {
      this.#offers.set(part.offer.toString("hex"), { pending, part });
      this.#send(pending, part);
    }
  }

  /** Pads of batches do not: keys that wait for their match would expire meanwhile, and batches have waits of their own. */
  #mayWait(request: Request | undefined): boolean {
    return request !== undefined && !isMatchUse(request.use);
  }

  #part(
    ranges: readonly VersionedRange[],
    keys: number,
    length: number,
    { request, pickUp }: Pick<Pending, "request" | "pickUp">,
  ): Part {
    const offer = Buffer.alloc(24);
    this.#incarnation.copy(offer);
    const { books, random } = this.#context;
    let name: string;
    do {
      offer.writeBigUInt64BE(BigInt(++this.#counter), 16);
      name = offer.toString("hex");
      // The other KM may have taken a name of this one's.
    } while (books.hasOffer(name));
    // For whom each that is prepared is, is not known yet: who is told one is to know of no other.
    const cut = request === undefined ? [...cutKeys(ranges, length)] : [];
    const named: OfferedKeys[] = request
      ? [{ id: drawKsaId(random), count: keys, ranges }]
      : drawKsaIds(random, keys).map((id, i) => ({ id, count: 1, ranges: cut[i] ?? [] }));
    const begun = { offer: name, owner: true, state: "O", request: request?.use, pickUp } as const;
    const uses = offeredUses(named, begun);
    books.addUses(uses);
    return { offer, uses, keys: named, digest: undefined, isBound: false };
  }

  #send(pending: Pending, part: Part): void {
    const { generation, tagKey, store, link } = this.#context;
    const ranges = part.uses.flatMap((use) => use.ranges);
    const nonce = keyNonce(Buffer.from(part.uses[0]?.id as string, "hex"));
    const inTurn = this.#outgoing.place();
    store.tagRanges(link, ranges, { key: tagKey, nonce }, (tag) => {
      inTurn(() => {
        if (this.#context.generation !== generation || !this.#pending.has(pending)) return;
        if (tag === undefined) return this.#giveUp(pending, "stock");
        this.#sendOffer(pending, part, tag);
      });
    });
  }

  #sendOffer({ request, pickUp }: Pending, part: Part, tag: Buffer): void {
    const use = request && { use: request.use };
    const message: Offer = {
      type: "offer",
      offer: part.offer,
      pickUp,
      keys: part.keys,
      tag,
      ...use,
    };
    part.digest = digestOf(message);
    this.#context.send(message);
  }

  heardAck({ offer, digest, refused }: Ack): void {
    const { pending, part } = this.#offers.get(offer.toString("hex")) ?? {};
    if (pending === undefined || part === undefined || !part.digest?.equals(digest)) {
      return this.#context.tell({ type: "odd", message: "ack" });
    }
    const reason = refused.find((why) => why !== undefined);
    if (refused.length !== countOf(part.uses) || reason !== undefined) {
      if (reason) this.#context.tell({ type: "refused", reason, keys: refused.length });
      if (reason === "limit" && this.#mayWait(pending.request)) {
        this.#limited.refused(countOf(usesOf(pending)));
      }
      return this.#giveUp(pending, "refused");
    }
    // Else the key is supplied to no application, and held for it until it expires.
    if (pending.request?.isWanted?.() === false) return this.#giveUp(pending, "late");
    part.isBound = true;
    if (!pending.parts.every(({ isBound }) => isBound)) return;
    this.#limited.bound(countOf(usesOf(pending)));
    this.#forget(pending);
    const { books, turn } = this.#context;
    const entry = pending.request === undefined ? "prepare" : "supply";
    for (const one of pending.parts) books.stepAll(usesOf({ parts: [one] }), entry);
    if (pending.request === undefined) this.#keep(usesOf(pending));
    turn.whenDurable(() => pending.done(supplied(usesOf(pending))));
  }

  /** Prepared, and not before that is durable here: it ends with the process all the same. */
  #keep(uses: readonly Use[]): void {
    for (const use of uses) {
      const length = bytesOf(use.ranges);
      const all = this.#prepared.get(length);
      if (all === undefined) this.#prepared.set(length, [use]);
      else all.push(use);
    }
  }

  #countPreparing({ request, parts }: Pending, by: 1 | -1): void {
    if (request !== undefined) return;
    for (const { uses } of parts) {
      for (const use of uses) {
        const length = lengthOf(use);
        this.#preparing.set(length, (this.#preparing.get(length) ?? 0) + by * use.count);
      }
    }
  }

  #forget(pending: Pending): void {
    if (this.#pending.delete(pending)) this.#countPreparing(pending, -1);
    for (const { offer } of pending.parts) this.#offers.delete(offer.toString("hex"));
  }

  #giveUp(pending: Pending, why: Shortage): void {
    this.#forget(pending);
    // The comparison of both books may have ended some of them before.
    for (const use of usesOf(pending)) if (use.state === "O") this.#void(use);
    this.#context.turn.whenDurable(() => pending.done(why));
  }

  #void(use: Use): void {
    this.#context.books.step(use, "void");
    this.#context.store.forget(this.#context.link, use.ranges);
    // Behind offers that were allocated before and have not left.
    this.#context.turn.whenDurable(() => this.#outgoing.place()(() => this.sendVoid(use)));
  }

  /** A word for each key. */
  sendVoid(use: Use): void {
    for (const { id, offer, ranges } of this.#context.books.part(use)) {
      this.#context.send({
        type: "void",
        id: Buffer.from(id, "hex"),
        offer: Buffer.from(offer, "hex"),
        ranges,
      });
    }
  }

  /** Keys of this length that an application could have without a round trip, or soon. */
  prepared(length: number): number {
    return this.#context.books.prepared(length) + (this.#preparing.get(length) ?? 0);
  }

  /** Pre-offered keys for all of a request, or none. */
  #preOffered({ keys, length, otpOnly = false }: Request): Use[] | undefined {
    const { books } = this.#context;
    if (keys > mostPreOffered || (otpOnly && !books.stock.isAllOtp)) return undefined;
    if (books.prepared(length) < keys) return undefined;
    const all = this.#prepared.get(length);
    const found: Use[] = [];
    while (found.length < keys) {
      const use = all?.shift();
      assert(use !== undefined, "prepared keys are where the books count them");
      if (use.state === "P") found.push(use);
    }
    return found;
  }

  #assign(uses: Use[], { use: request }: Request, done: (result: Use[] | Shortage) => void): void {
    const { books, turn } = this.#context;
    for (const use of uses) books.supplyPrepared(use, request);
    turn.whenDurable(() => {
      for (const use of uses) this.sendAssign(use);
      done(supplied(uses));
    });
  }

  sendAssign({ id, offer, request }: Use): void {
    if (request === undefined) return;
    this.#context.send({
      type: "assign",
      id: Buffer.from(id, "hex"),
      offer: Buffer.from(offer, "hex"),
      use: request,
    });
  }

  /** The witness of a take: the fate is durable here before the other application gets the key. */
  heardTake({ id, offer, slave }: Take): void {
    const { books, turn, send } = this.#context;
    const use = books.uses.get(id.toString("hex"));
    if (use === undefined || !use.owner || use.offer !== offer.toString("hex")) {
      return this.#context.tell({ type: "odd", message: "take" });
    }
    // Not decided: the answer to the application is not durable yet. TAKE comes again.
    if (use.state === "O" || use.state === "P") return;
    const isOpen = use.state === "S" && (use.fate === undefined || use.fate === "T");
    const yes = isOpen && slave < slavesOf(use.request);
    if (yes && books.hand(use, 2 ** slave)) books.setFate(use, "T");
    turn.whenDurable(() => send({ type: "taken", id, offer, slave, yes }));
  }

  /** What became of a key at the peer. */
  heardFate({ number, id, fate, length }: FateTold): void {
    const { books, turn } = this.#context;
    const { heard } = books.state;
    const use = books.uses.get(id.toString("hex"));
    if (number === 0) {
      // The answer to VOID about bytes of which the peer has no row left.
      if (use?.owner && use.state === "V") books.dropUse(use);
      return turn.changed();
    }
    if (number > heard.number + 1) return this.#context.tell({ type: "odd", message: "fate" });
    if (number === heard.number + 1) {
      heard.number = number;
      if (fate === "T") heard.taken += length;
      if (fate === "X") heard.expired += length;
      books.touchState();
      if (use?.owner) this.#settle(use, fate);
      const name = id.toString("hex");
      turn.whenDurable(() => this.#context.tell({ type: "fate", id: name, fate, bytes: length }));
    }
    this.#acknowledge(heard.number);
  }

  /** One word for all fates of a turn: what a later one brings is not durable with it. */
  #acknowledge(number: number): void {
    const { turn, send } = this.#context;
    if (this.#fateOk?.turn !== turn.number) {
      const ok = { turn: turn.number, number };
      this.#fateOk = ok;
      turn.whenDurable(() => send({ type: "fateOk", number: ok.number }));
    }
    this.#fateOk.number = number;
  }

  #settle(use: Use, fate: "T" | "X" | "V"): void {
    // The peer can only end what it bound: an offer that is still open is void then.
    const { books } = this.#context;
    const pending = this.#offers.get(use.offer)?.pending;
    if (pending !== undefined) this.#giveUp(pending, "refused");
    else if (use.state === "O" || use.state === "P") books.step(use, "void");
    // It had another one: told by mistake, and what this end has written down stays so.
    if (use.fate !== undefined && use.fate !== fate) {
      this.#context.tell({ type: "odd", message: "fate of a key that has another" });
    } else books.setFate(use, fate);
    books.dropUse(use);
  }

  tick(): void {
    const now = this.#context.now();
    for (const pending of this.#pending) {
      if (pending.deadline > now) continue;
      if (this.#mayWait(pending.request)) this.#limited.late();
      this.#giveUp(pending, "late");
    }
  }

  /** A session is ready: what the rows imply is sent again, in the order in which it was allocated. */
  again(): void {
    const { books, turn } = this.#context;
    this.#limited.begun();
    for (const use of books.uses.values()) {
      if (!use.owner) continue;
      const isVoid = use.state === "V" && use.fate === undefined;
      if (isVoid) turn.whenDurable(() => this.sendVoid(use));
      if (use.state === "S" && use.assigned) turn.whenDurable(() => this.sendAssign(use));
    }
    for (const pending of this.#pending) {
      const all = usesOf(pending).every(({ state }) => state === "O");
      if (!all) this.#giveUp(pending, "refused");
      else for (const part of pending.parts) this.#send(pending, part);
    }
  }
}
