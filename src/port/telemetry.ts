/**
 * The figures a QKD module reports, with fixed names, units and ranges. A module reports what it
 * has; what it lacks is absent, never zero.
 *
 * Sources: ITU-T Y.3803 §6 and §8.2.5 (QBER, key rate, alarms on QBER rise), IMDA RS QKDN §4.2.1 and
 * §8 (performance and fault management).
 */

export interface FigureSpec {
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  /** True where a module reports one value per detector. */
  readonly list?: boolean;
  readonly about: string;
}

export const figures = {
  qber: { unit: "1", min: 0, max: 0.5, about: "quantum bit error ratio of the last block" },
  visibility: { unit: "1", min: 0, max: 1, about: "interference visibility" },
  secret_key_rate: { unit: "bit/s", min: 0, max: 1e12, about: "distilled key" },
  sifted_rate: { unit: "bit/s", min: 0, max: 1e12, about: "sifted bits" },
  raw_rate: { unit: "1/s", min: 0, max: 1e12, about: "raw detection events" },
  detector_counts: { unit: "1/s", min: 0, max: 1e10, list: true, about: "counts per detector" },
  dark_counts: { unit: "1/s", min: 0, max: 1e10, list: true, about: "dark counts per detector" },
  detector_temperature: { unit: "°C", min: -273.15, max: 100, about: "single-photon detector" },
  laser_power: { unit: "dBm", min: -200, max: 30, about: "optical power of the source" },
  laser_bias: { unit: "mA", min: 0, max: 10_000, about: "laser bias current" },
  channel_loss: { unit: "dB", min: 0, max: 100, about: "loss of the quantum channel" },
  key_buffer_fill: { unit: "1", min: 0, max: 1, about: "key buffer of the module, filled part" },
  key_buffer_bits: { unit: "bit", min: 0, max: 1e15, about: "key held by the module" },
  module_temperature: { unit: "°C", min: -100, max: 200, about: "case or board of the module" },
} as const satisfies Record<string, FigureSpec>;

export type FigureName = keyof typeof figures;

export type FigureValue = number | readonly number[];

/** What a module measured at one moment. */
export interface TelemetrySample {
  /** ms since 1970 UTC by the module's clock, where it has one. */
  readonly at?: number;
  readonly values: Readonly<Partial<Record<FigureName, FigureValue>>>;
}
