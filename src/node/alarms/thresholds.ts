/**
 * What an operator may tune of the alarm rules of one module: names, units, ranges, defaults. The
 * configuration (`[module.alarms]`) and the command `set_threshold` take the same names.
 */

export interface ThresholdSpec {
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly standard: number;
  readonly about: string;
}

export const thresholds = {
  qber_warning: {
    unit: "1",
    min: 0,
    max: 0.5,
    standard: 0.08,
    about: "QBER above this is a warning; above the module's qber_limit it is critical",
  },
  qber_drift: {
    unit: "1",
    min: 0.01,
    max: 10,
    standard: 0.25,
    about: "QBER this part above its own average is drift",
  },
  detector_drift: {
    unit: "1",
    min: 0.01,
    max: 1,
    standard: 0.15,
    about:
      "detector counts this part below their own average are drift; dark counts thrice that above",
  },
  key_rate_min: {
    unit: "bit/s",
    min: 0,
    max: 1e12,
    standard: 0,
    about: "secret key rate below this is low; 0: half of its own average",
  },
  key_interval_s: {
    unit: "s",
    min: 0,
    max: 86_400,
    standard: 0,
    about: "expected seconds between keys; 0: learned",
  },
  no_key_intervals: {
    unit: "1",
    min: 2,
    max: 100_000,
    standard: 10,
    about: "so many expected intervals without a key (and a minute at least) are too many",
  },
  buffer_warning: {
    unit: "1",
    min: 0.01,
    max: 1,
    standard: 0.8,
    about: "filled part of the module's key buffer; above 0.95 it is major",
  },
  telemetry_stale_s: {
    unit: "s",
    min: 1,
    max: 86_400,
    standard: 30,
    about: "no telemetry for this long is stale",
  },
  settle_s: {
    unit: "s",
    min: 0,
    max: 3_600,
    standard: 120,
    about:
      "on an intermittent link, what the channel does within this long of a contact is no alarm",
  },
} as const satisfies Record<string, ThresholdSpec>;

export type ThresholdName = keyof typeof thresholds;
export type Thresholds = Readonly<Record<ThresholdName, number>>;

export const thresholdNames = Object.keys(thresholds) as readonly ThresholdName[];

export function isThresholdName(name: string): name is ThresholdName {
  return Object.hasOwn(thresholds, name);
}

export function standardThresholds(): Thresholds {
  const entries = thresholdNames.map((name) => [name, thresholds[name].standard]);
  return Object.fromEntries(entries) as Thresholds;
}

/** Whether a value may be set. */
export function allowed(name: ThresholdName, value: number): boolean {
  const { min, max } = thresholds[name];
  return value >= min && value <= max;
}
