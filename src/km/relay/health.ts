/**
 * Health tests of a source of random bits (NIST SP 800-90B §4.4): repetition count and adaptive proportion, over its
 * bytes as they come. They find a source that is stuck or strongly biased, and no more. Pure.
 */

/** Entropy that a byte is taken to have at least, bits; a good source fails once in 2³⁰ windows. */
const leastEntropy = 4;
const falseAlarmBits = 30;

/** As many equal bytes in a row are a failure. */
export const mostRepeats = 1 + Math.ceil(falseAlarmBits / leastEntropy);
/** Of so many bytes … */
export const windowBytes = 512;
/** … as many that are the first of them. */
export const mostAlike = criticalValue(windowBytes, 2 ** -leastEntropy, 2 ** -falseAlarmBits);

/** The least count that a binomial distribution reaches with less than a probability, and one more. */
function criticalValue(tries: number, chance: number, least: number): number {
  let term = (1 - chance) ** tries;
  let left = 1;
  for (let count = 0; count < tries; count++) {
    left -= term;
    if (left <= least) return count + 1;
    term *= ((tries - count) / (count + 1)) * (chance / (1 - chance));
  }
  return tries;
}

export type HealthFailure = "repeats" | "bias";

export class HealthTests {
  #last = -1;
  #repeats = 0;
  #first = -1;
  #alike = 0;
  #seen = 0;

  /** @returns what failed; undefined if all is well so far */
  check(bytes: Uint8Array): HealthFailure | undefined {
    for (const byte of bytes) {
      this.#repeats = byte === this.#last ? this.#repeats + 1 : 1;
      this.#last = byte;
      if (this.#repeats >= mostRepeats) return "repeats";
      if (this.#seen === 0) {
        this.#first = byte;
        this.#alike = 0;
      }
      if (byte === this.#first && ++this.#alike >= mostAlike) return "bias";
      this.#seen = (this.#seen + 1) % windowBytes;
    }
    return undefined;
  }
}
