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

/** A stretch of time as it is asked for, ms since 1970 UTC; without `to` it ends now. */
export interface AskedPeriod {
  readonly from: number;
  readonly to?: number | undefined;
}

/** A stretch of time, ms since 1970 UTC; both ends are in it. */
export interface Period {
  readonly from: number;
  readonly to: number;
  /** In it is also what is stamped later than this, ms since 1970 UTC. */
  readonly ahead?: number;
}

/**
 * What came up to now has every stamp that is later than now, too: this machine's clock ran ahead when it was put
 * on, and was set right since.
 * @param wall ms since 1970 UTC
 */
export function periodAt({ from, to }: AskedPeriod, wall: number): Period {
  return to === undefined ? { from, to: wall, ahead: wall } : { from, to };
}

/** Whether a QKD-key was received or generated in a period. */
export function cameIn(
  { at, generatedAt }: Omit<Origin, "module">,
  { from, to, ahead = Number.POSITIVE_INFINITY }: Period,
): boolean {
  const isIn = (time: number) => from <= time && time <= to;
  // A module's clock may be ahead of this one at any time, and says nothing of it.
  return isIn(at) || at > ahead || (generatedAt !== undefined && isIn(generatedAt));
}
