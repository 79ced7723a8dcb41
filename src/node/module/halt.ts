/**
 * Whether keys may be supplied at all. Several things may stand against it at once; supply goes on
 * when none is left.
 */

export type HaltReason =
  /** The chassis was opened. */
  | "tamper"
  /** Modules are being zeroized. */
  | "zeroize"
  /** The chassis panel is lost. */
  | "panel";

export class Halt {
  readonly #reasons = new Map<HaltReason, string>();
  readonly #listeners: ((on: boolean) => void)[] = [];

  get on(): boolean {
    return this.#reasons.size > 0;
  }

  /** For a person; empty if keys may be supplied. */
  get why(): string {
    return [...this.#reasons.values()].join("; ");
  }

  /** Has `listener` called at once whenever anything about it changes. */
  watch(listener: (on: boolean) => void): void {
    this.#listeners.push(listener);
  }

  /** Supply stops within this call. @param why for a person */
  set(reason: HaltReason, why: string): void {
    if (this.#reasons.get(reason) === why) return;
    this.#reasons.set(reason, why);
    this.#tell();
  }

  lift(reason: HaltReason): void {
    if (this.#reasons.delete(reason)) this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this.on);
  }
}
