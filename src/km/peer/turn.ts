/**
 * What one turn of a link changes becomes durable as one transaction, and what depends on it happens after that:
 * a message that says so, an answer. Pure.
 */

import { assert } from "../../base/assert.ts";
import type { LinkBooks } from "../store/books.ts";
import type { Handle, Handles, KeyStore, NewExtent, Row } from "../store/port.ts";
import type { LinkEvent } from "./events.ts";

export class Turn {
  readonly #store: KeyStore;
  readonly #books: LinkBooks;
  readonly #soon: (fn: () => void) => void;
  readonly #tell: (event: LinkEvent) => void;
  #scheduled = false;
  #number = 0;
  #after: (() => void)[] = [];
  #events: LinkEvent[] = [];
  #extents: NewExtent[] = [];
  #dropped: Handle[] = [];
  #rows: Row[] = [];

  /** @param soon calls back at the end of this turn; @param tell is told what has become durable */
  constructor(
    store: KeyStore,
    books: LinkBooks,
    soon: (fn: () => void) => void,
    tell: (event: LinkEvent) => void,
  ) {
    this.#store = store;
    this.#books = books;
    this.#soon = soon;
    this.#tell = tell;
  }

  /** Of this turn: what is changed under one number becomes durable together. */
  get number(): number {
    return this.#number;
  }

  /** The books changed: they are written at the end of this turn. */
  changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#soon(() => this.#end());
  }

  /** Calls back when all that has changed so far is durable. */
  whenDurable(fn: () => void): void {
    this.#after.push(fn);
    this.changed();
  }

  /** Tells of it when all that has changed so far is durable. */
  told(event: LinkEvent): void {
    this.#events.push(event);
    this.changed();
  }

  newExtent(extent: NewExtent): void {
    this.#extents.push(extent);
    this.changed();
  }

  drop(handles: Handles): void {
    for (let i = 0; i < handles.length; i++) this.#dropped.push(handles[i] as Handle);
    this.changed();
  }

  row(row: Row): void {
    this.#rows.push(row);
    this.changed();
  }

  #end(): void {
    this.#scheduled = false;
    this.#number++;
    const link = this.#books.link;
    const { rows, gone } = this.#books.rows();
    const after = this.#after;
    const events = this.#events;
    if (gone.length > 0) events.push({ type: "gone", numbers: gone });
    const change = {
      rows: [...this.#rows, ...rows],
      extents: this.#extents,
      dropped: this.#dropped,
      gone: gone.map((number) => ({ link, number })),
      canWait: after.length === 0,
    };
    this.#after = [];
    this.#events = [];
    this.#extents = [];
    this.#dropped = [];
    this.#rows = [];
    const { mark } = this.#books.state;
    this.#store.commit(change, () => {
      this.#books.durableMark = mark;
      for (const event of events) this.#tell(event);
      for (const fn of after) fn();
    });
    assert(!this.#scheduled, "writing the books does not change them");
  }
}
