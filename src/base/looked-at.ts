/** Conditions that are looked at again and again, each by its code: what is to be told after a look. Pure. */

/** `absent`: it is not so at the first look, so what a session or a process before told of it is over. */
export type Change = "begins" | "ends" | "absent";

export class LookedAt {
  /** Codes that were looked at, and whether they are so. */
  readonly #on = new Map<string, boolean>();

  isOn(code: string): boolean {
    return this.#on.get(code) === true;
  }

  /** Whether it was looked at. */
  isKnown(code: string): boolean {
    return this.#on.has(code);
  }

  /** @returns what changed; undefined: nothing did */
  look(code: string, on: boolean): Change | undefined {
    const before = this.#on.get(code);
    if (on === before) return undefined;
    this.#on.set(code, on);
    if (on) return "begins";
    return before === undefined ? "absent" : "ends";
  }
}
