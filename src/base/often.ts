/** Whether something comes so often that it is no chance: so many times within so long. Pure. */
export class Often {
  readonly #times: number;
  readonly #withinMs: number;
  #came: number[] = [];

  constructor(times: number, withinMs: number) {
    this.#times = times;
    this.#withinMs = withinMs;
  }

  /** It came. @param now monotonic, ms @returns whether that was often; then it is counted anew */
  came(now: number): boolean {
    this.#came = [...this.#came.filter((at) => now - at < this.#withinMs), now];
    if (this.#came.length < this.#times) return false;
    this.#came = [];
    return true;
  }
}
