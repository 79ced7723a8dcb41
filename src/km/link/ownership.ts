/**
 * Free bytes change their owner in two durable steps: the giver's, then the taker's. A version per region makes
 * late and doubled messages harmless. Pure.
 */
import type { Ask, Give, Given, VersionedRange } from "../../wire/kx/messages.ts";
import type { LinkContext } from "../peer/context.ts";

/** A side asks again only after this, ms: what it asked for is on its way until then. */
const askAgainMs = 200;
/** Asked for at a time, at most: the ranges of a gift are told one by one, bytes. */
const mostAsked = 67_108_864;

export class Ownership {
  readonly #context: LinkContext;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(context: LinkContext) {
    this.#context = context;
  }

  /** Gives so many free bytes to the other KM, or as many as there are. */
  give(bytes: number): void {
    const { books, turn } = this.#context;
    const gifts = books.stock.give(bytes);
    for (const gift of gifts) this.#send(gift);
    if (gifts.length > 0) turn.told({ type: "gave", ranges: gifts });
  }

  #send(range: VersionedRange): void {
    this.#context.turn.whenDurable(() => this.#context.send({ type: "give", range }));
  }

  heardGive({ range }: Give): void {
    const { books, turn, send, tell } = this.#context;
    const before = books.stock.free(books.side);
    if (!books.stock.receive(range)) return tell({ type: "odd", message: "give" });
    // One that comes again changes nothing.
    if (books.stock.free(books.side) > before) turn.told({ type: "got", ranges: [range] });
    turn.whenDurable(() => send({ type: "given", range }));
  }

  heardGiven({ range }: Given): void {
    this.#context.books.stock.given(range);
    this.#context.turn.changed();
  }

  /** The other side runs dry: it gets up to half of what this one has more. */
  heardAsk({ bytes }: Ask): void {
    const { books, limits } = this.#context;
    const more = books.stock.free(books.side) - books.stock.free(books.stock.peerSide);
    const gift = Math.floor(Math.min(bytes, more / 2) / limits.unit) * limits.unit;
    if (gift > 0) this.give(gift);
  }

  tick(): void {
    const { books, limits } = this.#context;
    if (books.stock.free(books.side) < limits.lowWater) this.ask();
  }

  /** This side runs dry, or an application was refused for want of stock: asks for half of what the other has more. */
  ask(): void {
    const { books, limits, ready, now, send } = this.#context;
    const mine = books.stock.free(books.side);
    const theirs = books.stock.free(books.stock.peerSide);
    if (!ready || theirs < mine + 2 * limits.unit) return;
    if (now() - this.#askedAt < askAgainMs) return;
    this.#askedAt = now();
    send({ type: "ask", bytes: Math.floor(Math.min(mostAsked, (theirs - mine) / 2)) });
  }

  /** A session is ready: gifts on their way are told again. */
  again(): void {
    for (const gift of this.#context.books.stock.gifts()) this.#send(gift);
  }
}
