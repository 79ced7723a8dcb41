/**
 * Drift: a figure that moves away from its own past. Each scale compares a short average with a
 * long one, so that an hour's change and a month's are both seen, and noise and steps back are not.
 */

/** Average over the last `tau` ms or so, each sample weighing less the older it is. */
class Average {
  readonly #tau: number;
  #weight = 0;
  #sum = 0;
  #squares = 0;

  constructor(tau: number) {
    this.#tau = tau;
  }

  /** @param elapsed since the sample before, ms */
  add(value: number, elapsed: number): void {
    const keep = Math.exp(-elapsed / this.#tau);
    this.#weight = this.#weight * keep + 1;
    this.#sum = this.#sum * keep + value;
    this.#squares = this.#squares * keep + value * value;
  }

  /** Samples that count. */
  get weight(): number {
    return this.#weight;
  }

  get mean(): number {
    return this.#sum / this.#weight;
  }

  get deviation(): number {
    return Math.sqrt(Math.max(0, this.#squares / this.#weight - this.mean ** 2));
  }
}

/** Short and long averaging times, ms: changes within minutes, within hours, within weeks. */
const scales = [
  { short: 60_000, long: 30 * 60_000 },
  { short: 10 * 60_000, long: 24 * 3_600_000 },
  { short: 3_600_000, long: 14 * 24 * 3_600_000 },
] as const;

/** Samples that the two averages need before they are believed. */
const enough = { short: 5, long: 60 } as const;
/** The short average must be this many of its own standard errors away. */
const errors = 4;
/** For the long average a silence counts as this long at most, ms: a week off is not forgotten for. */
const longestGap = 60_000;
/** Once drifting, a figure must come back to this part of the limit. */
const clearPart = 0.5;

function scaleOf(index: 0 | 1 | 2) {
  const { short, long } = scales[index];
  return { short: new Average(short), long: new Average(long), settled: short * 5 };
}

export interface DriftReading {
  /** Relative distance of the short average from the long one, of the scale where it is largest. */
  readonly change: number;
  readonly drifting: boolean;
}

export class Trend {
  readonly #averages = [scaleOf(0), scaleOf(1), scaleOf(2)] as const;
  readonly #direction: 1 | -1;
  #first: number | undefined;
  #last = 0;
  #drifting = false;

  /** @param direction 1: rising is drift; -1: falling is */
  constructor(direction: 1 | -1) {
    this.#direction = direction;
  }

  /**
   * What the figure is usually, at its best: of the long averages the one farthest from drift, so that
   * a slow decline does not become usual within the hour. Undefined while there are too few samples.
   */
  get usual(): number | undefined {
    const means = this.#averages.flatMap(({ long }) =>
      long.weight >= enough.long ? long.mean * -this.#direction : [],
    );
    return means.length === 0 ? undefined : Math.max(...means) * -this.#direction;
  }

  /**
   * Takes a sample.
   * @param now monotonic ms
   * @param limit relative change that counts as drift
   */
  add(value: number, now: number, limit: number): DriftReading {
    this.#first ??= now;
    const elapsed = now - this.#last;
    this.#last = now;
    const bound = this.#drifting ? limit * clearPart : limit;
    let largest = 0;
    let drifting = false;
    const [{ short: recent }] = this.#averages;
    for (const { short, long, settled } of this.#averages) {
      short.add(value, elapsed);
      long.add(value, Math.min(elapsed, longestGap));
      if (short.weight < enough.short || long.weight < enough.long) continue;
      if (now - this.#first < settled || long.mean === 0) continue;
      const distance = (short.mean - long.mean) * this.#direction;
      const change = distance / Math.abs(long.mean);
      largest = Math.max(largest, change);
      const noise = long.deviation / Math.sqrt(short.weight);
      const stands = this.#drifting || distance > errors * noise;
      // What was and is over is no drift, also where the average has not forgotten it yet.
      const still =
        (recent.mean - long.mean) * this.#direction > clearPart * bound * Math.abs(long.mean);
      if (change > bound && stands && still) drifting = true;
    }
    this.#drifting = drifting;
    return { change: largest, drifting };
  }
}
