/**
 * The zeroize button: held for five seconds it is meant. The controller tells press and release, the
 * time is taken here. Pure: time is passed in.
 */

/** Held this long it is meant, ms. */
export const holdMs = 5_000;

export class HoldButton {
  #since: number | undefined;
  #presses: number | undefined;
  /** It was seen released: a button that is stuck, or held since before, counts as not pressed. */
  #armed = false;

  /**
   * What the controller tells now.
   * @param presses its count of presses: another one means that it was released in between
   * @param now monotonic ms
   */
  seen(pressed: boolean, presses: number, now: number): void {
    if (!pressed) {
      this.#armed = true;
      this.#since = undefined;
    } else if (this.#armed && (this.#since === undefined || presses !== this.#presses)) {
      this.#since = now;
    }
    this.#presses = presses;
  }

  /** The controller is silent: the button's state is not known. */
  lost(): void {
    this.#armed = false;
    this.#since = undefined;
  }

  /** It is being held, and not yet long enough. */
  get held(): boolean {
    return this.#since !== undefined;
  }

  /** True once for each hold that was long enough. */
  fired(now: number): boolean {
    if (this.#since === undefined || now - this.#since < holdMs) return false;
    // Once: it must be released before it can be meant again.
    this.#armed = false;
    this.#since = undefined;
    return true;
  }

  /** ms until {@link fired} can be true; undefined while it is not held. */
  left(now: number): number | undefined {
    return this.#since === undefined ? undefined : Math.max(0, this.#since + holdMs - now);
  }
}
