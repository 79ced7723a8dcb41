/**
 * One copy of each of many equal texts: a hundred thousand keys of one set of applications would have as many of its
 * name, each for the garbage collector to look at. Pure.
 */

/** Of so many texts at most; then they are gathered anew. */
const most = 1_024;

export class SameText {
  readonly #texts = new Map<string, string>();

  /** @returns an equal text that was given before, if it is known still */
  of(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= most) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }
}
