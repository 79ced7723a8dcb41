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

/** A byte in each of the four of a word; and the top bit of each. */
const each = 0x0101_0101;
const tops = 0x8080_8080;

export class HealthTests {
  #last = -1;
  #repeats = 0;
  #first = -1;
  #alike = 0;
  #seen = 0;

  /** @returns what failed; undefined if all is well so far */
  check(bytes: Uint8Array): HealthFailure | undefined {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + windowBytes - this.#seen);
      const isWhole = this.#seen === 0 && end - at === windowBytes;
      if (!isWhole || !this.#isPlainlyWell(bytes, at)) {
        const failure = this.#byByte(bytes, at, end);
        if (failure !== undefined) return failure;
      }
      at = end;
    }
    return undefined;
  }

  /**
   * Looks at a whole window, four bytes at a time. @returns false if it takes a closer look: about one in a hundred does
   * of good ones
   */
  #isPlainlyWell(bytes: Uint8Array, at: number): boolean {
    const start = bytes.byteOffset + at;
    const first = bytes[at] as number;
    // A run of equal bytes that began before goes on.
    if (start % 4 !== 0 || first === this.#last) return false;
    const words = new Uint32Array(bytes.buffer, start, windowBytes / 4);
    const alikes = first * each;
    let alike = 0;
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      // As many equal bytes as fail have a whole word of them.
      if (word === ((word << 8) | (word >>> 24)) >>> 0) return false;
      const other = word ^ alikes;
      // Borrows can show more zero bytes than there are, and never fewer, and none where there is none.
      if (((other - each) & ~other & tops) === 0) continue;
      for (let k = 0; k < 4; k++) if (bytes[at + 4 * i + k] === first) alike++;
    }
    if (alike >= mostAlike) return false;
    const end = at + windowBytes;
    this.#last = bytes[end - 1] as number;
    this.#repeats = 1;
    while (bytes[end - 1 - this.#repeats] === this.#last) this.#repeats++;
    this.#first = first;
    this.#alike = alike;
    return true;
  }

  /** No further than the end of the window. */
  #byByte(bytes: Uint8Array, from: number, to: number): HealthFailure | undefined {
    let [last, repeats, first, alike, seen] = [
      this.#last,
      this.#repeats,
      this.#first,
      this.#alike,
      this.#seen,
    ];
    let failure: HealthFailure | undefined;
    for (let i = from; i < to && failure === undefined; i++) {
      const byte = bytes[i] as number;
      repeats = byte === last ? repeats + 1 : 1;
      last = byte;
      if (seen === 0) {
        first = byte;
        alike = 0;
      }
      if (byte === first) alike++;
      if (++seen === windowBytes) seen = 0;
      if (repeats >= mostRepeats) failure = "repeats";
      else if (alike >= mostAlike) failure = "bias";
    }
    [this.#last, this.#repeats, this.#first, this.#alike, this.#seen] = [
      last,
      repeats,
      first,
      alike,
      seen,
    ];
    return failure;
  }
}
