/** How often something went away lately: what comes back each time is not as it should be. Pure. */

/** Going away this often within the window is told, though it always came back. */
const often = 5;
const windowMs = 600_000;

export class Flaps {
  #times: number[] = [];

  /** It went away. @param now monotonic ms */
  went(now: number): void {
    this.#times = [...this.#times, now].slice(-often);
  }

  /** In words, if it was often; undefined if it was not. */
  told(now: number): string | undefined {
    this.#times = this.#times.filter((at) => now - at < windowMs);
    if (this.#times.length < often) return undefined;
    return `went away ${often} times within ${windowMs / 60_000} min`;
  }
}
