/**
 * Remembers what the node measured, for the page and the command line: the last day of every
 * module's figures, and how fast keys reach the KM.
 */

import { type Clock, every, type Timer } from "../../base/clock.ts";
import { TelemetryHistory } from "../../ops/history/history.ts";
import { RateMeter } from "../../ops/history/rate.ts";
import { type FigureName, figures, type TelemetrySample } from "../../port/telemetry.ts";
import type { ModuleView } from "../model/manager.ts";

/** What is remembered: figures of one number, and the node's own key rate, bit/s confirmed. */
export type RecordedName = FigureName | "confirmed_rate";

const scalars = Object.entries(figures)
  .filter(([, spec]) => !("list" in spec))
  .map(([name]) => name as FigureName);

export const recordedNames: readonly RecordedName[] = [...scalars, "confirmed_rate"];

/** How often the counters are read, ms. */
const readMs = 1_000;

/** How fast keys leave the node, per second over the last ten. */
export interface KeyRates {
  /** Confirmed by the KM. */
  readonly bits: number;
  readonly keys: number;
}

interface Kept {
  readonly history: TelemetryHistory<RecordedName>;
  readonly bits: RateMeter;
  readonly keys: RateMeter;
  /** The module has reported since the counters were read: its sample has the rate, too. */
  reported: boolean;
}

export class Recorder {
  readonly #clock: Clock;
  readonly #records: ReadonlyMap<string, Kept>;
  #modules: readonly ModuleView[] = [];
  #timer: Timer | undefined;
  #readAt: number;

  constructor(modules: readonly string[], clock: Clock) {
    this.#clock = clock;
    this.#readAt = clock.now();
    this.#records = new Map(
      modules.map((name) => [
        name,
        {
          history: new TelemetryHistory(recordedNames),
          bits: new RateMeter(),
          keys: new RateMeter(),
          reported: false,
        },
      ]),
    );
  }

  start(modules: readonly ModuleView[]): void {
    this.#modules = modules;
    this.#timer = every(this.#clock, readMs, () => this.#read());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** ms since the counters were read last: grows when the node makes no progress. */
  get idleMs(): number {
    return this.#clock.now() - this.#readAt;
  }

  /** A module has reported. A value out of its figure's range is not remembered. */
  telemetry(module: string, { values }: TelemetrySample): void {
    const record = this.#records.get(module);
    if (record === undefined) return;
    const good: Partial<Record<RecordedName, number>> = { confirmed_rate: record.bits.perSecond };
    for (const name of scalars) {
      const value = values[name];
      const { min, max } = figures[name];
      if (typeof value === "number" && value >= min && value <= max) good[name] = value;
    }
    record.history.add(good, this.#clock.now());
    record.reported = true;
  }

  history(module: string): TelemetryHistory<RecordedName> | undefined {
    return this.#records.get(module)?.history;
  }

  rates(module: string): KeyRates {
    const record = this.#records.get(module);
    return { bits: record?.bits.perSecond ?? 0, keys: record?.keys.perSecond ?? 0 };
  }

  #read(): void {
    const now = this.#clock.now();
    this.#readAt = now;
    for (const module of this.#modules) {
      const record = this.#records.get(module.name);
      if (record === undefined) continue;
      const { bits, confirmed } = module.supply();
      record.bits.read(typeof bits === "number" ? bits : 0, now);
      record.keys.read(typeof confirmed === "number" ? confirmed : 0, now);
      if (!record.reported) record.history.add({ confirmed_rate: record.bits.perSecond }, now);
      record.reported = false;
    }
  }
}
