/**
 * Keys that the other KM owns, bound here to the set of applications that it names: taken, expired or void.
 * Only this end expires them, and it tells the owner what became of each. Pure.
 */
import { timingSafeEqual } from "node:crypto";
import { always } from "../../base/wanted.ts";
import { digestOf } from "../../wire/kx/codec.ts";
import type { Assign, Offer, Refusal, Taken, Void } from "../../wire/kx/messages.ts";
import { keyNonce } from "../matching/tag.ts";
import type { LinkContext } from "../peer/context.ts";
import { countOf, idsOf } from "../store/key-run.ts";
import { isFinal } from "../store/life.ts";
import { allOf, slavesOf } from "../store/sae-set.ts";
import { noOffer, type Use } from "../store/shapes.ts";
import { Fates } from "./fates.ts";
import { areBound, areFree, isTwice, offeredUses, singleKeys, whyNot } from "./offered.ts";
import { type OpenTake, OpenTakes } from "./open-take.ts";
import { PadsOfBatches } from "./pads-of-batches.ts";
import { PickUp } from "./pick-up.ts";
import { isPromised, keepPromised, promise, promisedKeys, promisedTo } from "./promised.ts";
import { UnderCheck } from "./under-check.ts";
import { voidUnbound } from "./void-unbound.ts";

/** Whether the other application is served only with the owner's word (km README, "The witness"). */
export type Takes = "witnessed" | "local";

export class Peer {
  /** What batches are authenticated with. */
  readonly forBatches = new PadsOfBatches();
  readonly fates: Fates;
  readonly #context: LinkContext;
  readonly #takes: Takes;
  readonly #mayBind: (use: string | undefined) => boolean;
  /** Bound keys; after a start each waits anew. */
  readonly #waiting = new PickUp();
  readonly #open = new OpenTakes();
  /** Keys that no application gets any more, and that end as soon as no take of theirs is open. */
  readonly #givenUp = new Set<Use>();
  readonly #checks = new UnderCheck();
  /** A restored disk shows keys that both ends have voided: nothing is served before the first comparison. */
  #compared = false;
  /** See `lastTakes`. */
  #isLast = false;

  /** @param mayBind whether policy allows this set of applications here */
  constructor(context: LinkContext, takes: Takes, mayBind: (use: string | undefined) => boolean) {
    this.#context = context;
    this.fates = new Fates(context);
    this.#takes = takes;
    this.#mayBind = mayBind;
    this.#waiting.beginAll(context.books.uses.values(), context.now());
  }

  get openTakes(): number {
    return this.#open.size;
  }

  /** All keys of an offer are bound, or none is. */
  heardOffer(message: Offer): void {
    const { keys, offer } = message;
    const digest = message.digest ?? digestOf(message);
    const acknowledge = (refused: readonly (Refusal | undefined)[]) => {
      const { turn, send } = this.#context;
      turn.whenDurable(() => send({ type: "ack", offer, digest, refused }));
    };
    const all = (why: Refusal | undefined) => acknowledge(Array(countOf(keys)).fill(why));
    const name = offer.toString("hex");
    const { books } = this.#context;
    // It comes again.
    if (areBound(books, name, keys)) return all(undefined);
    // A name is of one offer, at either end.
    if (name === noOffer || books.hasOffer(name) || this.#checks.has(name)) return all("used");
    const isAllowed = this.#mayBind(message.use);
    if (!isAllowed || !areFree(books, keys)) {
      const no = isAllowed ? undefined : "policy";
      const refused = singleKeys(keys).map((key) => whyNot(books, key) ?? no);
      if (refused.some((why) => why !== undefined)) return acknowledge(refused);
    }
    this.#bind(message, name, all);
  }

  #bind(message: Offer, offer: string, done: (why: Refusal | undefined) => void): void {
    const { books, turn, store, link } = this.#context;
    const { keys, use: request, pickUp } = message;
    const versioned = keys.flatMap((key) => key.ranges);
    if (isTwice(keys, versioned)) return done("used");
    const count = countOf(keys);
    const isFull = books.uses.size + count > this.#context.limits.underWay;
    if (isFull || !this.#checks.hasRoom(count)) return done("limit");
    // Used from here on, whatever the hash says: no other offer may have these bytes.
    books.stock.markUsed(versioned);
    turn.changed();
    const isStillWanted = this.#checks.begin(offer, count);
    books.stock.pin(versioned);
    const { generation, tagKey: key } = this.#context;
    const nonce = keyNonce(Buffer.from(keys[0]?.id as string, "hex"));
    const check = (tag: Buffer | undefined) => {
      const isWanted = isStillWanted();
      books.stock.unpin(versioned);
      turn.changed();
      // The offer comes again in the next session, and finds the bytes used: void, at both ends.
      if (this.#context.generation !== generation) return;
      if (tag === undefined || !timingSafeEqual(tag, message.tag)) return done("hash");
      // Another offer of this name, or with these IDs, was checked meanwhile.
      const isTaken = books.hasOffer(offer) || keys.some((entry) => books.uses.hasAny(entry));
      if (isTaken || !isWanted) return done("used");
      const uses = offeredUses(keys, { offer, owner: false, state: "B", request, pickUp });
      this.#waiting.beginAll(uses, this.#context.now());
      books.addUses(uses);
      this.forBatches.bound(request, keys[0]?.id);
      done(undefined);
    };
    const hash = () => store.tagRanges(link, versioned, { key, nonce }, check);
    // The owner may offer what it has just matched: here its bytes may not be on the disk yet.
    if (books.stock.areOpen(versioned)) hash();
    else turn.whenDurable(hash);
  }

  heardAssign({ id, offer, use: request }: Assign): void {
    const { books, turn } = this.#context;
    const use = books.uses.get(id.toString("hex"));
    if (use === undefined || use.owner || use.offer !== offer.toString("hex")) return;
    if (use.state !== "B" || use.request !== undefined) return;
    if (!this.#mayBind(request)) return this.#end(use, "void");
    this.assign(use, request);
    this.forBatches.bound(request, use.id);
    turn.changed();
  }

  /** For whom it was prepared is known: its application has all of its time from here on. */
  assign(use: Use, request: string): void {
    this.#context.books.assign(use, request);
    this.#waiting.begin(use, this.#context.now());
  }

  heardVoid(message: Void): void {
    const { id, offer } = message;
    const use = this.#context.books.uses.get(id.toString("hex"));
    if (use !== undefined && !use.owner) {
      if (use.offer !== offer.toString("hex")) return;
      if (use.state === "B") this.#end(use, "void");
      else this.fates.tell(use);
      return;
    }
    if (use !== undefined) return;
    this.#checks.giveUp(offer.toString("hex"));
    voidUnbound(this.#context, message);
  }

  /**
   * An application asks for keys that were offered to it.
   * @param slave its place among the slaves of the set
   * @param done once: the keys, which are its own now; `unknown` if not all of them are bound to this set
   */
  take(
    request: string,
    ids: readonly string[],
    deadline: number,
    done: OpenTake["done"],
    slave = 0,
    isWanted = always,
  ): void {
    const uses: Use[] = [];
    const now = this.#context.now();
    for (const id of ids) {
      const use = this.#context.books.uses.get(id);
      const its = use !== undefined && !use.owner && use.state === "B" && use.request === request;
      const isHad = its && (use.had & (2 ** slave)) !== 0;
      if (
        !its ||
        isHad ||
        this.#givenUp.has(use) ||
        uses.includes(use) ||
        this.#waiting.isLate(use, now)
      ) {
        return done("unknown");
      }
      uses.push(use);
    }
    // A key for an answer that is not heard would be lost. Of who asks twice at once it is not gone.
    if (!isWanted()) return done("late");
    for (const open of this.#open.unheard(ids, slave)) this.#fail(open, "late");
    if (ids.some((id) => this.#open.of(id, slave) !== undefined)) return done("late");
    if (uses.length === 0 || slave >= slavesOf(request)) return done("unknown");
    if (this.#takes === "local")
      return this.#compared ? this.#hand(uses, slave, done) : done("late");
    if (!this.#isAnswerable(uses, slave)) return done("late");
    const open: OpenTake = { uses, slave, left: new Set(), deadline, isWanted, done };
    this.#open.begin(open);
    this.#goOn(open);
  }

  /**
   * Applications are about to have their last answers: the owner is asked nothing more, since its answer may come too late,
   * and a KM that began anew could only burn the key. What it was asked in this session it still answers.
   */
  lastTakes(): void {
    this.#isLast = true;
  }

  /** Keys that their application has not been given, and that the owner counts as taken, or may: with this process they are lost. */
  get inDoubt(): number {
    return this.#open.unanswered + promisedKeys(this.#context.books.uses.values());
  }

  /** The owner is there, and what it answers can be handed on; or it has answered for all of them. */
  #isAnswerable(uses: readonly Use[], slave: number): boolean {
    return (this.#context.ready && !this.#isLast) || uses.every((use) => isPromised(use, slave));
  }

  /** A relay or a batch takes a pad: the owner's message, which leaves only when it has supplied it, is the witness. */
  claim(id: string, request: string, done: (use: Use) => void): boolean {
    const use = this.#context.books.uses.get(id);
    if (use?.owner !== false || use.state !== "B" || use.request !== request) return false;
    this.#grant(use, 0);
    this.#context.turn.whenDurable(() => done(use));
    return true;
  }

  #hand(uses: readonly Use[], slave: number, done: OpenTake["done"]): void {
    for (const use of uses) this.#grant(use, slave);
    this.#context.turn.whenDurable(() => done(uses));
  }

  /** Asks the owner for what it has not promised; one that has promised all ends. */
  #goOn(open: OpenTake): void {
    const { uses, slave, left } = open;
    for (const use of uses) {
      if (isPromised(use, slave)) continue;
      left.add(use.id);
      this.#sendTake(use, slave);
    }
    if (left.size === 0) this.#finishTake(open);
  }

  /** All of its keys end together, so that all of their bytes are there. */
  #finishTake(open: OpenTake): void {
    if (!open.isWanted()) return this.#fail(open, "late");
    this.#open.end(open);
    this.#hand(open.uses, open.slave, open.done);
  }

  #sendTake({ id, offer }: Use, slave: number): void {
    this.#open.asked(id, slave);
    this.#context.send({
      type: "take",
      id: Buffer.from(id, "hex"),
      offer: Buffer.from(offer, "hex"),
      slave,
    });
  }

  heardTaken({ id, offer, slave, yes }: Taken): void {
    const use = this.#context.books.uses.get(id.toString("hex"));
    if (use === undefined || use.owner || use.offer !== offer.toString("hex")) return;
    this.#open.answered(use.id, slave);
    if (use.state !== "B") return;
    if (!yes) return this.#end(use, "void");
    // If who asked has given up, the next question has it.
    promise(use, slave);
    const open = this.#open.of(use.id, slave);
    if (open?.left.delete(use.id) && open.left.size === 0) this.#finishTake(open);
  }

  #burn(use: Use, slave: number): void {
    this.#had(use, slave);
    if (isFinal(use.state)) this.#forget(use);
  }

  /** The slave has it, and reads its bytes next. */
  #grant(use: Use, slave: number): void {
    use.readers = (use.readers ?? 0) + 1;
    this.#had(use, slave);
  }

  /** Its bytes are not needed any more, unless by a slave that is about to read them: then who reads last forgets them. */
  #forget({ ranges, readers = 0 }: Use): void {
    if (readers === 0) this.#context.store.forget(this.#context.link, ranges);
  }

  /** A slave has the key; with the last of them it is taken. */
  #had(use: Use, slave: number): void {
    const { books } = this.#context;
    // One that a take waited for may have been forgotten by the comparison: its fate was told once.
    if (use.state !== "B" || !this.#isThere(use)) return;
    if (books.hand(use, 2 ** slave)) this.#finish(use, "take");
    else this.#context.turn.changed();
  }

  /**
   * Slaves that have it as the owner knows. After a start this end's disk may be older: they may have it, and don't get it
   * again. From then on this end knows whom it has answered: the owner's answer to a TAKE was lost with its session. A take
   * that is open goes on with it once all is compared.
   */
  handed(use: Use, had: number): void {
    keepPromised(use, had);
    for (let slave = 0; slave < slavesOf(use.request) && use.state === "B"; slave++) {
      if ((had & ~use.had & (2 ** slave)) === 0) continue;
      if (this.#compared) promise(use, slave);
      else this.#burn(use, slave);
    }
  }

  /** Ends a key without an application: open takes of it fail, with all their keys. */
  #end(use: Use, entry: "void" | "expire"): void {
    for (let slave = 0; slave < slavesOf(use.request); slave++) {
      const open = this.#open.of(use.id, slave);
      if (open !== undefined) this.#fail(open, "unknown");
    }
    // What the owner counts as had is had, also by a slave that never came back for it.
    if (entry === "expire") for (const slave of promisedTo(use)) this.#had(use, slave);
    if (!isFinal(use.state)) this.#finish(use, entry);
    this.#forget(use);
  }

  #fail(open: OpenTake, why: "unknown" | "late"): void {
    this.#open.end(open);
    this.#context.turn.whenDurable(() => open.done(why));
  }

  #finish(use: Use, entry: "take" | "void" | "expire"): void {
    this.#context.books.step(use, entry);
    this.#waiting.end(use);
    this.fates.tellWhenDurable(use);
  }

  /** Ends bound keys that are known not to be fetched any more, before their time. */
  abandon(uses: readonly Use[]): void {
    const { books, ready } = this.#context;
    if (!ready) return;
    for (const use of uses.flatMap((one) => books.part(one))) this.#expire(use);
  }

  /** Unless a take of it is open. */
  #expire(use: Use): void {
    if (!use.owner && use.state === "B" && !this.#open.isOpen(use)) this.#end(use, "expire");
  }

  /** No application gets these any more, whatever the owner says of them; they end as soon as they can. @param ids bound keys */
  giveUp(ids: readonly string[]): void {
    for (const id of ids) {
      const use = this.#context.books.uses.get(id);
      if (use?.owner === false && use.state === "B") this.#givenUp.add(use);
    }
    this.#endGivenUp();
  }

  #endGivenUp(): void {
    if (!this.#context.ready) return;
    for (const use of this.#givenUp) {
      if (this.#open.isOpen(use)) continue;
      this.#givenUp.delete(use);
      if (this.#isThere(use)) this.#expire(use);
    }
  }

  /** The comparison of both books may have forgotten it. */
  #isThere(use: Use): boolean {
    return this.#context.books.uses.entry(use.id) === use;
  }

  /** Steps that the comparison of both books asks for. */
  settle(use: Use, fate: "T" | "X" | "V"): void {
    if (use.state !== "B") return;
    if (fate !== "T") return this.#end(use, fate === "X" ? "expire" : "void");
    this.handed(use, allOf(use.request));
  }

  tick(): void {
    const now = this.#context.now();
    for (const open of this.#open.all()) {
      if (open.deadline <= now) this.#fail(open, "late");
    }
    if (!this.#context.ready) return;
    this.#endGivenUp();
    for (const late of this.#waiting.late(now)) {
      const its = idsOf([late]).flatMap((id) => this.#context.books.uses.get(id) ?? []);
      const left = its.filter((use) => use === late || use.run === late);
      // Forgotten since the comparison of both books.
      if (left.length === 0) this.#waiting.end(late);
      for (const use of left) if (this.#waiting.isLate(use, now)) this.#expire(use);
    }
  }

  /** A session is ready: fates and open takes are sent again. */
  again(): void {
    this.#compared = true;
    this.#open.allAnswered();
    this.fates.again();
    for (const open of this.#open.all()) {
      open.left.clear();
      const { uses, slave } = open;
      // All of its keys, or none.
      if (!uses.every((use) => this.#isThere(use))) this.#fail(open, "unknown");
      else if (this.#isAnswerable(uses, slave)) this.#goOn(open);
      else this.#fail(open, "late");
    }
  }
}
