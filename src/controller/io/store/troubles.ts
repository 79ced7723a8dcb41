/**
 * Why nothing can be kept, of two that see it apart: a connection that answers says nothing of a full disk, and a write
 * that went well before says nothing of a connection that is over now. It is good again when both are.
 */

export type TroubleSource = "connection" | "writing";

export class Troubles {
  readonly #onTrouble: (why: string | undefined) => void;
  readonly #open = new Map<TroubleSource, string>();

  /** @param onTrouble told each time; undefined: there is none */
  constructor(onTrouble: (why: string | undefined) => void) {
    this.#onTrouble = onTrouble;
  }

  /** @param why undefined: this source is good */
  tell(source: TroubleSource, why: string | undefined): void {
    if (why === undefined) this.#open.delete(source);
    else this.#open.set(source, why);
    this.#onTrouble(this.#open.get("connection") ?? this.#open.get("writing"));
  }
}
