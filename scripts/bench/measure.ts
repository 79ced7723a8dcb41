/** What a benchmark is made of: rounds of a subject and of its bare baseline, side by side. */

/** One run of one thing. */
export interface Sample {
  /** The figure itself, in the benchmark's unit. */
  readonly value: number;
  /** CPU seconds per second that the process under test used; 1 is one core. */
  readonly cores?: number;
  /** More that was seen, by name with unit: percentiles, memory. */
  readonly notes?: Readonly<Record<string, number>>;
}

/** What ought to be reached. */
export interface Reach {
  readonly least?: number;
  readonly most?: number;
  /** Of the value to that of the baseline. */
  readonly ratio?: number;
  readonly mostRatio?: number;
  readonly cores?: number;
  /** CPU time of each unit of a rate, µs. */
  readonly mostEach?: number;
}

export interface Benchmark {
  readonly name: string;
  /** What is measured, for a person. */
  readonly about: string;
  readonly unit: string;
  readonly reach?: Reach;
  /** For the rates of `keys/s`: CPU time is told per key. */
  readonly each?: string;
  /** Left out of the quick mode. */
  readonly slow?: boolean;
  /** One round is as good as many: the figure is counted or is a ratio of CPU times. */
  readonly steady?: boolean;
  /** @param seconds how long a round should take, about */
  subject(seconds: number): Promise<Sample>;
  /** The least that the same work could cost, or the same at the smallest size. */
  baseline?(seconds: number): Promise<Sample>;
}

export interface Figure {
  readonly name: string;
  readonly about: string;
  readonly unit: string;
  readonly median: number;
  /** Least and most of the rounds. */
  readonly spread: readonly [number, number];
  readonly cores?: number;
  /** CPU time of each unit, µs. */
  readonly each?: number;
  readonly baseline?: number;
  readonly baselineEach?: number;
  /** Value to baseline. */
  readonly ratio?: number;
  readonly notes: Readonly<Record<string, number>>;
  /** Whether what ought to be reached was; absent where nothing was asked for. */
  readonly reached?: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** @param sorted ascending @param part 0 to 1 */
export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** Runs subject and baseline in turn, so that what else the machine does falls on both. */
export async function measure(
  benchmark: Benchmark,
  rounds: number,
  seconds: number,
): Promise<Figure> {
  const subject: Sample[] = [];
  const baseline: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    if (benchmark.baseline !== undefined) baseline.push(await benchmark.baseline(seconds));
    subject.push(await benchmark.subject(seconds));
  }
  const { name, about, unit, reach, each: counted } = benchmark;
  const values = subject.map(({ value }) => value);
  const value = median(values);
  const cores = medianOf(subject, ({ cores: used }) => used);
  const perUnit = (one: Sample) =>
    counted === undefined || one.cores === undefined ? undefined : (one.cores / one.value) * 1e6;
  const each = medianOf(subject, perUnit);
  const bare = medianOf(baseline, (one) => one.value);
  const baselineEach = medianOf(baseline, perUnit);
  const ratio = bare === undefined ? undefined : value / bare;
  const notes: Record<string, number> = {};
  for (const note of Object.keys(subject[0]?.notes ?? {})) {
    notes[note] = median(subject.map((one) => one.notes?.[note] ?? Number.NaN));
  }
  return {
    name,
    about,
    unit,
    median: value,
    spread: [Math.min(...values), Math.max(...values)],
    ...(cores !== undefined && { cores }),
    ...(each !== undefined && { each }),
    ...(bare !== undefined && { baseline: bare }),
    ...(ratio !== undefined && { ratio }),
    ...(baselineEach !== undefined && { baselineEach }),
    notes,
    ...(reach !== undefined && { reached: isReached(reach, { value, ratio, cores, each }) }),
  };
}

function medianOf(
  samples: readonly Sample[],
  of: (one: Sample) => number | undefined,
): number | undefined {
  const values = samples.flatMap((one) => of(one) ?? []);
  return values.length === 0 ? undefined : median(values);
}

function isReached(
  reach: Reach,
  found: {
    readonly value: number;
    readonly ratio: number | undefined;
    readonly cores: number | undefined;
    readonly each: number | undefined;
  },
): boolean {
  const most = Number.POSITIVE_INFINITY;
  const { value, ratio = 1, cores = 0, each = 0 } = found;
  return (
    value >= (reach.least ?? -most) &&
    value <= (reach.most ?? most) &&
    ratio >= (reach.ratio ?? 0) &&
    ratio <= (reach.mostRatio ?? most) &&
    cores <= (reach.cores ?? most) &&
    each <= (reach.mostEach ?? most)
  );
}

/** CPU seconds of this process per second since the call. */
export function cpuMeter(): () => number {
  const before = process.cpuUsage();
  const begun = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 / (performance.now() - begun);
  };
}
