/** Looks at something again and again while a show runs: the next time some while after the last came to its end. */
export class Looking {
  readonly #everyMs: number;
  readonly #look: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;

  /** @param look must not reject */
  constructor(everyMs: number, look: () => Promise<void>) {
    this.#everyMs = everyMs;
    this.#look = look;
    this.#next();
  }

  #next(): void {
    this.#timer = setTimeout(async () => {
      await this.#look();
      if (this.#timer !== undefined) this.#next();
    }, this.#everyMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
