/**
 * Keys that are bound at the other KM before an application asks, so that an answer costs no round trip (README of the
 * KM link, pre-offers). They end with the process: there are few of them, and only where stock is plenty. Pure.
 */
import type { LinkBooks } from "../store/books.ts";
import type { Owner } from "../supply/owner.ts";

/** A link, as far as preparing keys concerns it. */
export interface PreparingLink {
  readonly core: {
    readonly phase: string;
    readonly books: LinkBooks;
    readonly owner: Pick<Owner, "preOffer" | "prepared">;
  };
}

/** Keys of one pre-offer: its row is written whenever one of them changes. */
const atOnce = 8;
/** Stock is plenty if it is so many times what is prepared. */
const plenty = 8;

export interface PreparedOptions {
  /** Keys of each link. */
  readonly keys: number;
  /** Of each, bytes. */
  readonly length: number;
  /** s, as of a request's */
  readonly pickUp: number;
  readonly deadlineMs: number;
  readonly now: () => number;
}

export class Prepared {
  readonly #options: PreparedOptions;

  constructor(options: PreparedOptions) {
    this.#options = options;
  }

  /** Prepares keys again if half of them are gone. */
  fill({ core }: PreparingLink): void {
    const { keys, length, pickUp, deadlineMs, now } = this.#options;
    if (keys === 0 || core.phase !== "ready") return;
    const { books, owner } = core;
    let there = owner.prepared(length);
    if (there > keys / 2) return;
    while (there < keys && books.stock.free(books.side) >= plenty * keys * length) {
      owner.preOffer(atOnce, length, pickUp, now() + deadlineMs);
      there += atOnce;
    }
  }
}
