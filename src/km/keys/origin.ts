/** Where QKD-keys came from, as records tell it (Y.3803 Table 1, item 1). No key byte is in it. */

export interface Origin {
  /** Name of the module in the configuration. */
  readonly module: string;
  /** Length of the QKD-key as it came. */
  readonly bits: number;
  /** When it was stored, ms since 1970 UTC by this machine's clock. */
  readonly at: number;
  /** ms since 1970 UTC by the module's clock, if it has one. */
  readonly generatedAt?: number;
  /** Quantum bit error ratio, 0 to 1. */
  readonly qber?: number;
}

/** So many QKD-keys, one after the other, that came alike. */
export interface Run {
  readonly count: number;
  readonly origin: Origin;
}

export function sameOrigin(a: Origin, b: Origin): boolean {
  return (
    a === b ||
    (a.module === b.module &&
      a.bits === b.bits &&
      a.at === b.at &&
      a.generatedAt === b.generatedAt &&
      a.qber === b.qber)
  );
}

/** A stretch of time, ms since 1970 UTC; both ends are in it. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

/** Whether a QKD-key was received or generated in a period. */
export function cameIn({ at, generatedAt }: Omit<Origin, "module">, { from, to }: Period): boolean {
  const isIn = (time: number) => from <= time && time <= to;
  return isIn(at) || (generatedAt !== undefined && isIn(generatedAt));
}
