/** Offers whose bytes are compared before they are bound: it takes the store's time, and their owner may give them up meanwhile. Pure. */

/** Keys that are checked at a time, of all offers, some 300 bytes each. */
const mostKeys = 16_384;

export class UnderCheck {
  #keys = 0;
  /** By name; without those that were given up. */
  readonly #offers = new Set<string>();

  hasRoom(keys: number): boolean {
    return this.#keys + keys <= mostKeys;
  }

  has(offer: string): boolean {
    return this.#offers.has(offer);
  }

  /** @returns to be called once, when it is checked: whether its owner still wants it */
  begin(offer: string, keys: number): () => boolean {
    this.#keys += keys;
    this.#offers.add(offer);
    return () => {
      this.#keys -= keys;
      return this.#offers.delete(offer);
    };
  }

  /** The owner was told that a key of it is void. Bound after that, nothing would end it here. */
  giveUp(offer: string): void {
    this.#offers.delete(offer);
  }
}
