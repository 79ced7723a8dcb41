/** Random numbers of the shapes that physics has, from uniform ones. Pure. */

/** Normally distributed with mean 0 and variance 1. @param draw uniform in [0, 1) */
export function normal(draw: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

/** How many of n happen, each with probability p: normal where n is large, counted where it is not. */
export function binomial(n: number, p: number, draw: () => number): number {
  if (n < 50) {
    let count = 0;
    for (let i = 0; i < n; i++) if (draw() < p) count++;
    return count;
  }
  const drawn = Math.round(n * p + Math.sqrt(n * p * (1 - p)) * normal(draw));
  return Math.min(n, Math.max(0, drawn));
}

/** A value that wanders and is drawn back to 0 (Ornstein-Uhlenbeck). */
export class Wandering {
  value = 0;
  readonly #deviation: number;
  readonly #seconds: number;
  readonly #draw: () => number;

  /**
   * @param deviation standard deviation in the long run
   * @param seconds time in which it forgets where it was
   */
  constructor(deviation: number, seconds: number, draw: () => number) {
    this.#deviation = deviation;
    this.#seconds = seconds;
    this.#draw = draw;
  }

  /** Goes on by that many seconds. */
  step(seconds: number): number {
    const kept = Math.exp(-seconds / this.#seconds);
    const spread = this.#deviation * Math.sqrt(1 - kept * kept);
    this.value = this.value * kept + spread * normal(this.#draw);
    return this.value;
  }
}
