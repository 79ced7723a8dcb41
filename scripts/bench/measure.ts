/** What a benchmark is made of: rounds of a subject and of its bare baseline, side by side. */

/** One run of one thing. */
export interface Sample {
  /** The figure itself, in the benchmark's unit. */
  readonly value: number;
  /** CPU seconds per second that the process under test used; 1 is one core. */
  readonly cores?: number;
}

export interface Benchmark {
  readonly name: string;
  /** What is measured, for a person. */
  readonly about: string;
  readonly unit: string;
  /** What ought to be reached: of the value, or of its ratio to the baseline. */
  readonly reach?: {
    readonly value?: number;
    /** The value itself must not be more. */
    readonly most?: number;
    readonly ratio?: number;
    readonly cores?: number;
  };
  /** @param seconds how long a round should take, about */
  subject(seconds: number): Promise<Sample>;
  /** The least that the same work could cost; undefined where the value itself is a ratio. */
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
  readonly baseline?: number;
  readonly ratio?: number;
  /** Whether what ought to be reached was; absent where nothing was asked for. */
  readonly reached?: boolean;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
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
  const { name, about, unit, reach } = benchmark;
  const values = subject.map(({ value }) => value);
  const value = median(values);
  const used = subject.flatMap(({ cores }) => cores ?? []);
  const cores = used.length === 0 ? undefined : median(used);
  const bare = baseline.length === 0 ? undefined : median(baseline.map((one) => one.value));
  const ratio = bare === undefined ? undefined : value / bare;
  const reached =
    reach === undefined
      ? undefined
      : value >= (reach.value ?? 0) &&
        value <= (reach.most ?? Number.POSITIVE_INFINITY) &&
        (ratio ?? 1) >= (reach.ratio ?? 0) &&
        (cores ?? 0) <= (reach.cores ?? Number.POSITIVE_INFINITY);
  return {
    name,
    about,
    unit,
    median: value,
    spread: [Math.min(...values), Math.max(...values)],
    ...(cores !== undefined && { cores }),
    ...(bare !== undefined && { baseline: bare, ratio }),
    ...(reached !== undefined && { reached }),
  } as Figure;
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
