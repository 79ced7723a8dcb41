/**
 * Messages that leave in the order in which their bytes were allocated, though the store gives one hash sooner than another:
 * of a region the peer keeps one mark, and to it all bytes before those that it has heard of are used. Pure.
 */

interface Place {
  /** Undefined: it is not known yet what happens in its turn. */
  act: (() => void) | undefined;
}

export class InOrder {
  readonly #places: Place[] = [];

  /**
   * Takes the next place.
   * @returns to be called once with what happens when all places before have had their turn; they wait for it
   */
  place(): (act: () => void) => void {
    const place: Place = { act: undefined };
    this.#places.push(place);
    return (act) => {
      place.act = act;
      for (let next = this.#places[0]; next?.act !== undefined; next = this.#places[0]) {
        this.#places.shift();
        next.act();
      }
    };
  }
}
