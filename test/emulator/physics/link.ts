/**
 * A link as it is at one moment: the parameters of its devices, and conditions that change while it
 * runs, by themselves (temperature, alignment) or because somebody changes them. Pure.
 */
import type { TelemetrySample } from "../../../src/port/telemetry.ts";
import { random, streamSeed } from "../../random.ts";
import { type Bb84, distil, type Yield } from "./bb84.ts";
import { binomial, Wandering } from "./noise.ts";

/** What can be changed while a link runs. */
export const conditions = {
  km: { least: 0, most: 1_000, about: "length of the fibre, km" },
  loss: { least: 0, most: 100, about: "loss beside the fibre's, dB; 100 is no link" },
  eve: { least: 0, most: 1, about: "fraction of pulses intercepted and resent" },
  efficiency: { least: 0, most: 1, about: "factor on the detectors' efficiency" },
  dark: { least: 0, most: 1e6, about: "factor on dark counts" },
  misalignment: { least: 0, most: 0.5, about: "added to the optical error" },
  temperature: { least: -60, most: 60, about: "added to the room's temperature, K" },
} as const;

export type ConditionName = keyof typeof conditions;

export type Conditions = Record<ConditionName, number>;

const start: Conditions = {
  km: 20,
  loss: 0,
  eve: 0,
  efficiency: 1,
  dark: 1,
  misalignment: 0,
  temperature: 0,
};

interface Ramp {
  readonly from: number;
  readonly to: number;
  readonly begun: number;
  readonly seconds: number;
}

/** What the pair of modules finished in one interval. */
export interface Distilled {
  readonly bits: number;
  readonly siftedBits: number;
  /** As measured: errors over sifted bits; undefined if there were none. */
  readonly qber: number | undefined;
}

const day = 86_400;
const room = 24;
/** Dark counts double with each of these many kelvin of the detector. */
const doubling = 8;
/** Detectors are cooled to this; the cooler keeps a part of the room's changes away. */
const cooled = -50;
const cooling = 0.05;

export class PhysicalLink {
  readonly #link: Bb84;
  readonly #drift: boolean;
  /** Each stream has a generator of its own: how often telemetry is read must not change the key. */
  readonly #blocks: () => number;
  readonly #readings: () => number;
  readonly #ramps = new Map<ConditionName, Ramp>();
  readonly #conditions: Conditions;
  readonly #weather: Wandering;
  readonly #alignment: Wandering;
  /** Seconds since the link began. */
  #seconds = 0;
  #temperature = room;
  #now: Yield;

  /** @param drift whether temperature and alignment change by themselves */
  constructor(link: Bb84, changed: Partial<Conditions>, seed: number, drift = true) {
    this.#link = link;
    this.#drift = drift;
    this.#blocks = random(streamSeed(seed, "blocks"));
    this.#readings = random(streamSeed(seed, "telemetry"));
    this.#conditions = { ...start, ...changed };
    this.#weather = new Wandering(0.4, 900, random(streamSeed(seed, "weather")));
    this.#alignment = new Wandering(0.015, 1_800, random(streamSeed(seed, "alignment")));
    this.#now = this.#measure();
  }

  get now(): Yield {
    return this.#now;
  }

  condition(name: ConditionName): number {
    return this.#conditions[name];
  }

  /** Changes a condition, at once or evenly over some seconds. */
  change(name: ConditionName, value: number, seconds = 0): void {
    this.#ramps.delete(name);
    if (seconds <= 0) this.#conditions[name] = value;
    else {
      const from = this.#conditions[name];
      this.#ramps.set(name, { from, to: value, begun: this.#seconds, seconds });
    }
    this.#now = this.#measure();
  }

  /** Time goes on. @returns what was distilled in it */
  advance(seconds: number): Distilled {
    this.#seconds += seconds;
    for (const [name, { from, to, begun, seconds: length }] of this.#ramps) {
      const part = Math.min(1, (this.#seconds - begun) / length);
      this.#conditions[name] = from + (to - from) * part;
      if (part === 1) this.#ramps.delete(name);
    }
    if (this.#drift) {
      const daily = 3 * Math.sin((2 * Math.PI * this.#seconds) / day);
      this.#temperature = room + daily + this.#weather.step(seconds);
      this.#alignment.step(seconds);
    }
    this.#now = this.#measure();
    const { siftedRate, qber, secretKeyRate } = this.#now;
    // The detectors see nothing: what clicks is dark, and no module would try to distil it.
    const siftedBits = this.#conditions.loss >= 100 ? 0 : count(siftedRate * seconds, this.#blocks);
    const errors = binomial(siftedBits, qber, this.#blocks);
    const expected = siftedRate * seconds;
    const bits = expected === 0 ? 0 : Math.floor(secretKeyRate * seconds * (siftedBits / expected));
    return { bits, siftedBits, qber: siftedBits === 0 ? undefined : errors / siftedBits };
  }

  /** What the two modules report; a transmitter sees no photons. */
  telemetry(receiver: boolean): TelemetrySample["values"] {
    const { rawRate, siftedRate, secretKeyRate, darkRate, qber } = this.#now;
    const { km, loss } = this.#conditions;
    const common = {
      visibility: Math.max(0, 1 - 2 * this.#opticalError()),
      secret_key_rate: secretKeyRate,
      sifted_rate: siftedRate,
      qber,
      channel_loss: Math.min(100, this.#link.alpha * km + loss),
      module_temperature: this.#case() + 7,
    };
    if (!receiver) {
      const drift = (this.#case() - room) * 0.02;
      return { ...common, laser_power: -57.2 + drift * 0.1, laser_bias: 38.5 + drift };
    }
    const counts = (rate: number) =>
      [rate / 2, rate / 2].map((half) => count(half, this.#readings));
    return {
      ...common,
      raw_rate: rawRate,
      detector_counts: counts(rawRate),
      dark_counts: counts(darkRate),
      detector_temperature: this.#detector(),
    };
  }

  #case(): number {
    return this.#temperature + this.#conditions.temperature;
  }

  #detector(): number {
    return cooled + (this.#case() - room) * cooling;
  }

  #opticalError(): number {
    // A polarisation that is off by an angle sends sin² of it to the wrong detector.
    const drift = this.#drift ? Math.sin(this.#alignment.value) ** 2 : 0;
    return Math.min(0.5, this.#link.misalignment + drift + this.#conditions.misalignment);
  }

  #measure(): Yield {
    const { km, loss, eve, efficiency, dark } = this.#conditions;
    const warm = this.#drift ? 2 ** ((this.#detector() - cooled) / doubling) : 1;
    const now: Bb84 = {
      ...this.#link,
      bobEfficiency: this.#link.bobEfficiency * efficiency,
      darkCounts: Math.min(0.1, this.#link.darkCounts * dark * warm),
      misalignment: this.#opticalError(),
    };
    return distil(now, km, loss, eve);
  }
}

/** A count of independent events whose mean is known. */
function count(mean: number, draw: () => number): number {
  // A large number of rare events, in as many trials.
  const trials = Math.max(1, Math.ceil(mean * 100));
  return binomial(trials, mean / trials, draw);
}
