/**
 * What one module's figures were: the last hour at the rate at which they came, the last day in
 * buckets. Pure, in typed arrays of bounded size.
 *
 * Times are those of the passed-in monotonic clock, so that a wall clock that jumps tears no plot.
 */

/** Values of a bucket without any are NaN. */
export interface Curve {
  readonly mean: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
}

export interface HistoryPart<Name extends string> {
  /** When the first bucket begins, ms; a multiple of `stepMs`. */
  readonly start: number;
  readonly stepMs: number;
  readonly curves: Readonly<Record<Name, Curve>>;
}

/** Statistics of one figure over a bucket of the day; undefined where it had no value. */
export type Tally =
  | { readonly count: number; readonly mean: number; readonly min: number; readonly max: number }
  | undefined;

/** One bucket of the day. */
export interface DayBucket {
  /** When it begins, ms. */
  readonly at: number;
  /** In the order of the history's names. */
  readonly tallies: readonly Tally[];
}

const hour = 3_600_000;
const day = 24 * hour;

/** Samples of the last hour that are kept at most: ten a second. */
const mostSamples = 36_000;
/**
 * Room from the start, at the usual one a second: all that the hour will need is in memory at once, and
 * a node that grows does so for another reason.
 */
const firstSamples = 4_096;
/** One bucket of the day, ms. */
export const dayStepMs = 30_000;
const dayBuckets = day / dayStepMs;
/** A question may ask for so many buckets. */
export const mostBuckets = 4_000;

/** One column of a day: running statistics by bucket. */
interface DayColumn {
  readonly sum: Float64Array;
  readonly count: Uint32Array;
  readonly min: Float32Array;
  readonly max: Float32Array;
}

/** Statistics that are being collected for an answer. */
class Collector {
  readonly curve: Curve;
  readonly #counts: Uint32Array;

  constructor(buckets: number) {
    const empty = () => new Float64Array(buckets).fill(Number.NaN);
    this.curve = { mean: empty(), min: empty(), max: empty() };
    this.#counts = new Uint32Array(buckets);
  }

  /** @param sum of `count` values */
  add(bucket: number, sum: number, count: number, min: number, max: number): void {
    const { curve } = this;
    const fresh = this.#counts[bucket] === 0;
    this.#counts[bucket] = (this.#counts[bucket] as number) + count;
    // The sums are in `mean` until `finish`.
    curve.mean[bucket] = fresh ? sum : (curve.mean[bucket] as number) + sum;
    curve.min[bucket] = fresh ? min : Math.min(curve.min[bucket] as number, min);
    curve.max[bucket] = fresh ? max : Math.max(curve.max[bucket] as number, max);
  }

  finish(): Curve {
    const { mean } = this.curve;
    for (let i = 0; i < mean.length; i++) {
      mean[i] = (mean[i] as number) / Math.max(1, this.#counts[i] as number);
    }
    return this.curve;
  }
}

export class TelemetryHistory<Name extends string> {
  readonly #names: readonly Name[];
  /** A ring of samples; grows up to {@link mostSamples}. */
  #times = new Float64Array(firstSamples).fill(Number.NaN);
  #values: Float32Array[];
  #first = 0;
  #length = 0;
  readonly #day: readonly DayColumn[];
  /** Which stretch of time a place in the day's ring holds. */
  readonly #stretch = new Float64Array(dayBuckets).fill(Number.NaN);
  /** When the first value of this process came: what is older was restored. */
  #began = Number.POSITIVE_INFINITY;

  constructor(names: readonly Name[]) {
    this.#names = names;
    this.#values = names.map(() => new Float32Array(firstSamples).fill(Number.NaN));
    this.#day = names.map(() => ({
      sum: new Float64Array(dayBuckets),
      count: new Uint32Array(dayBuckets),
      min: new Float32Array(dayBuckets),
      max: new Float32Array(dayBuckets),
    }));
  }

  /** Everything that is remembered. */
  get names(): readonly Name[] {
    return this.#names;
  }

  /** How much memory the arrays take, bytes. */
  get bytes(): number {
    const days = this.#day.flatMap(({ sum, count, min, max }) => [sum, count, min, max]);
    return [this.#times, ...this.#values, this.#stretch, ...days].reduce(
      (sum, { byteLength }) => sum + byteLength,
      0,
    );
  }

  /** @param now not before that of the sample before, ms */
  add(values: Readonly<Partial<Record<Name, number>>>, now: number): void {
    this.#room(now);
    this.#began = Math.min(this.#began, now);
    const capacity = this.#times.length;
    const at = (this.#first + this.#length) % capacity;
    this.#length++;
    this.#times[at] = now;
    const place = this.#bucket(now);
    this.#names.forEach((name, i) => {
      const value = values[name] ?? Number.NaN;
      (this.#values[i] as Float32Array)[at] = value;
      if (!Number.isNaN(value)) addTo(this.#day[i] as DayColumn, place, value);
    });
  }

  /** Buckets of the day with values in them that begin at `from` or later and before `to`, oldest first. */
  buckets(from: number, to: number): DayBucket[] {
    const found: DayBucket[] = [];
    // A day at the most: what is older had the same places.
    const end = Math.ceil(to / dayStepMs);
    const first = Math.max(Math.ceil(from / dayStepMs), end - dayBuckets);
    for (let stretch = first; stretch < end; stretch++) {
      const place = placeOf(stretch);
      if (this.#stretch[place] !== stretch) continue;
      const at = stretch * dayStepMs;
      const tallies = this.#day.map(({ sum, count, min, max }): Tally => {
        const n = count[place] as number;
        if (n === 0) return undefined;
        const [s, least, most] = [sum[place], min[place], max[place]] as [number, number, number];
        return { count: n, mean: s / n, min: least, max: most };
      });
      if (tallies.some((one) => one !== undefined)) found.push({ at, tallies });
    }
    return found;
  }

  /** Puts back a bucket of before; what came since in the same time stays. */
  restore({ at, tallies }: DayBucket): void {
    const place = placeOf(Math.floor(at / dayStepMs));
    const held = this.#stretch[place] as number;
    if (held > Math.floor(at / dayStepMs)) return;
    this.#bucket(at);
    this.#day.forEach(({ sum, count, min, max }, i) => {
      const tally = tallies[i];
      if (tally === undefined || (count[place] as number) > 0) return;
      sum[place] = tally.mean * tally.count;
      count[place] = tally.count;
      min[place] = tally.min;
      max[place] = tally.max;
    });
  }

  /**
   * Buckets that cover the time before `now`. From steps of {@link dayStepMs} on it may be a day, for
   * shorter ones an hour.
   * @throws RangeError for more than {@link mostBuckets}
   */
  query(names: readonly Name[], now: number, windowMs: number, stepMs: number): HistoryPart<Name> {
    const buckets = Math.ceil(windowMs / stepMs);
    if (buckets < 1 || buckets > mostBuckets) throw new RangeError("too many buckets");
    const start = (Math.floor(now / stepMs) - buckets + 1) * stepMs;
    const collectors = names.map((name) => ({
      column: this.#names.indexOf(name),
      collector: new Collector(buckets),
    }));
    const bucketOf = (t: number) => Math.floor((t - start) / stepMs);
    for (const { column, collector } of collectors) {
      if (stepMs >= dayStepMs) this.#fromDay(column, collector, start, now, bucketOf);
      else {
        this.#fromSamples(column, collector, start, now, bucketOf);
        this.#fromBefore(column, collector, start, now, stepMs);
      }
    }
    const curves = names.map(
      (name, i) => [name, (collectors[i] as { collector: Collector }).collector.finish()] as const,
    );
    return { start, stepMs, curves: Object.fromEntries(curves) as Record<Name, Curve> };
  }

  #fromSamples(
    column: number,
    collector: Collector,
    start: number,
    now: number,
    bucketOf: (t: number) => number,
  ): void {
    const values = this.#values[column] as Float32Array;
    const capacity = this.#times.length;
    for (let i = this.#length - 1; i >= 0; i--) {
      const at = (this.#first + i) % capacity;
      const t = this.#times[at] as number;
      if (t < start || t < now - hour) break;
      const value = values[at] as number;
      if (!Number.isNaN(value)) collector.add(bucketOf(t), value, 1, value, value);
    }
  }

  /** Of the time before this process there are buckets only: each stands for all of its time. */
  #fromBefore(
    column: number,
    collector: Collector,
    start: number,
    now: number,
    stepMs: number,
  ): void {
    const { sum, count, min, max } = this.#day[column] as DayColumn;
    const end = Math.min(this.#began, now);
    for (let place = 0; place < dayBuckets; place++) {
      const at = (this.#stretch[place] as number) * dayStepMs;
      const n = count[place] as number;
      if (n === 0 || !(at + dayStepMs > start) || at + dayStepMs > end || at < now - hour) continue;
      const [least, most] = [min[place], max[place]] as [number, number];
      const first = Math.max(0, Math.ceil((at - start) / stepMs));
      const last = Math.ceil((at + dayStepMs - start) / stepMs);
      for (let i = first; i < last; i++) {
        collector.add(i, (sum[place] as number) / n, 1, least, most);
      }
    }
  }

  #fromDay(
    column: number,
    collector: Collector,
    start: number,
    now: number,
    bucketOf: (t: number) => number,
  ): void {
    const { sum, count, min, max } = this.#day[column] as DayColumn;
    for (let place = 0; place < dayBuckets; place++) {
      const t = (this.#stretch[place] as number) * dayStepMs;
      const n = count[place] as number;
      if (n === 0 || t < start || t > now || t <= now - day) continue;
      const [s, least, most] = [sum[place], min[place], max[place]] as [number, number, number];
      collector.add(bucketOf(t), s, n, least, most);
    }
  }

  /** Makes room for one more sample. */
  #room(now: number): void {
    const capacity = this.#times.length;
    while (this.#length > 0 && (this.#times[this.#first] as number) < now - hour) {
      this.#first = (this.#first + 1) % capacity;
      this.#length--;
    }
    if (this.#length < capacity) return;
    if (capacity >= mostSamples) {
      this.#first = (this.#first + 1) % capacity;
      this.#length--;
      return;
    }
    const larger = Math.min(capacity * 2, mostSamples);
    const grow = <A extends Float64Array | Float32Array>(from: A, to: A): A => {
      to.set(from.subarray(this.#first), 0);
      to.set(from.subarray(0, this.#first), capacity - this.#first);
      return to;
    };
    this.#times = grow(this.#times, new Float64Array(larger));
    this.#values = this.#values.map((values) => grow(values, new Float32Array(larger)));
    this.#first = 0;
  }

  /** The place of this moment in the day's ring, empty if it held another day's. */
  #bucket(now: number): number {
    const stretch = Math.floor(now / dayStepMs);
    const place = placeOf(stretch);
    if (this.#stretch[place] !== stretch) {
      this.#stretch[place] = stretch;
      for (const { sum, count } of this.#day) {
        sum[place] = 0;
        count[place] = 0;
      }
    }
    return place;
  }
}

/** Time before the process began is negative. */
function placeOf(stretch: number): number {
  return ((stretch % dayBuckets) + dayBuckets) % dayBuckets;
}

function addTo({ sum, count, min, max }: DayColumn, place: number, value: number): void {
  const fresh = count[place] === 0;
  sum[place] = (sum[place] as number) + value;
  count[place] = (count[place] as number) + 1;
  min[place] = fresh ? value : Math.min(min[place] as number, value);
  max[place] = fresh ? value : Math.max(max[place] as number, value);
}
