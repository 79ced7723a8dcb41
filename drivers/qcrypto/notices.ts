/**
 * From what the stack says to what counts: a line is on disk before a block is offered with what it
 * says, so that a node that is killed then puts the same to the quality gate again.
 */
import type { Journal } from "./journal.ts";
import { type Notification, NotificationReader } from "./notification.ts";
import type { Told } from "./stock.ts";

export class Notices {
  readonly #told: Told;
  readonly #journal: Journal;
  readonly #onNews: (notification: Notification) => void;
  readonly #reader = new NotificationReader((one) => this.#heard.push(one));
  /** Blocks that are there, while lines are read that were written before it was known. */
  only: ReadonlySet<number> | undefined;
  #heard: Notification[] = [];
  #last: Promise<void> = Promise.resolve();

  /** @param onNews a line is on disk, or cannot be */
  constructor(told: Told, journal: Journal, onNews: (notification: Notification) => void) {
    this.#told = told;
    this.#journal = journal;
    this.#onNews = onNews;
  }

  /** Lines that were none of the stack's. */
  get odd(): number {
    return this.#reader.odd;
  }

  /** Takes bytes from the stack. @returns once their lines are on disk and count; never rejects */
  push(chunk: Buffer): Promise<void> {
    this.#reader.push(chunk);
    const { only } = this;
    const lines = this.#heard.filter(({ epoch }) => only?.has(epoch) ?? true);
    this.#heard = [];
    if (lines.length > 0) this.#last = this.#last.then(() => this.#keep(lines));
    return this.#last;
  }

  /** Everything that was taken so far counts. */
  settled(): Promise<void> {
    return this.#last;
  }

  async #keep(lines: readonly Notification[]): Promise<void> {
    const news = lines.filter((one) => this.#told.isNews(one));
    await this.#journal.add(news);
    for (const one of news) this.#told.add(one);
    for (const one of lines) this.#onNews(one);
  }
}
