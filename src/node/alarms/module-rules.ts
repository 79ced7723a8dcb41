/**
 * The alarm rules of one module and its KM: from telemetry, states, counters and events to alarms.
 * Whatever a module does not report raises nothing.
 */

import type { Duration } from "../../base/duration.ts";
import { shortText } from "../../base/short-text.ts";
import type { AlarmTiming } from "../../ops/alarms/alarm.ts";
import { Flaps } from "../../ops/alarms/flaps.ts";
import { stale, step, threshold } from "../../ops/alarms/rules.ts";
import type { Level, Moment } from "../../ops/alarms/severity.ts";
import { Trend } from "../../ops/alarms/trend.ts";
import type { ModuleEvent } from "../../port/module.ts";
import type { FigureName, TelemetrySample } from "../../port/telemetry.ts";
import type { AlarmBook } from "./book.ts";
import type { AlarmName } from "./catalogue.ts";
import { list, number } from "./figures.ts";
import { Light } from "./light.ts";
import {
  type KeyCounters,
  type KmAnswers,
  type SupplyRuleOptions,
  SupplyRules,
} from "./supply-rules.ts";
import type { Thresholds } from "./thresholds.ts";
import type { Conditions, Stopped, Verdict } from "./verdict.ts";

export type { KeyCounters, KmAnswers } from "./supply-rules.ts";

export interface ModuleRuleOptions extends SupplyRuleOptions {
  /** The quality gate: QBER above it is critical. */
  readonly qberLimit: number;
  /** Its blocks have no QBER, and the configuration says that this is right: no alarm tells so for ever. */
  readonly qberWaived?: boolean;
  readonly thresholds: Thresholds;
}

/** Alarms of the quantum channel, which an intermittent link is given time to settle for. */
const channelAlarms: readonly AlarmName[] = ["qber_high", "key_withheld", "optical_link_down"];

/** Without a QBER for this long an intermittent link has no contact, ms. */
const contactGap = 15_000;
const bufferMajor = 0.95;
/** Of what a module says, characters. */
const longestDetail = 256;
/** A process that stood still has seen nothing, ms. */
const longestStep = 5_000;

/** Another timing than the catalogue's, where a link is intermittent. */
export function intermittentTiming(
  name: AlarmName,
  settle: Duration,
): Partial<AlarmTiming> | undefined {
  return channelAlarms.includes(name) ? { raiseAfterMs: settle } : undefined;
}

export class ModuleRules {
  thresholds: Thresholds;
  readonly #options: ModuleRuleOptions;
  readonly #book: AlarmBook;

  #up = false;
  #lookedAt: number | undefined;
  /** Time since the last sample for which the module was connected, ms; undefined: there was none. */
  #sampleAge: number | undefined;
  readonly #flaps = new Flaps();
  readonly #light = new Light();
  /** Photons of the other end arrive; undefined: not known. */
  #isLit: boolean | undefined;
  readonly #supply: SupplyRules;

  #qber: Level = "cleared";
  #qberAt: number | undefined;
  #rate: Level = "cleared";
  #buffer: Level = "cleared";
  readonly #qberTrend = new Trend(1);
  readonly #usualRate = new Trend(-1);
  readonly #counts: Trend[] = [];
  readonly #dark: Trend[] = [];

  constructor(options: ModuleRuleOptions, book: AlarmBook) {
    this.#options = options;
    this.thresholds = options.thresholds;
    this.#book = book;
    this.#supply = new SupplyRules(options, book);
  }

  /** The module was identified and talks. */
  moduleUp(moment: Moment): void {
    this.#up = true;
    this.#tellFlaps(moment);
    this.#signal("module_identity", "cleared", moment);
  }

  /**
   * @param why in the words of the fault
   * @param stranger another module answers than the expected one
   */
  moduleDown(why: string, stranger: boolean, moment: Moment): void {
    if (this.#up) this.#flaps.went(moment.now);
    this.#up = false;
    this.#signal("module_silent", stranger ? "cleared" : "major", moment, { detail: why });
    if (stranger) this.#signal("module_identity", "critical", moment, { detail: why });
  }

  /** A module that is there, but for how long? */
  #tellFlaps(moment: Moment): void {
    const detail = this.#flaps.told(moment.now);
    if (detail === undefined) this.#signal("module_silent", "cleared", moment);
    else this.#signal("module_silent", "minor", moment, { detail });
  }

  kmUp(km: string, moment: Moment): void {
    this.#supply.kmUp(km, moment);
  }

  /** @param why in the words of the fault */
  kmDown(km: string, why: string, moment: Moment): void {
    this.#supply.kmDown(km, why, moment);
  }

  /** A command stopped the module; undefined: a command started it. */
  stop(stopped: Stopped | undefined): void {
    this.#supply.stopped = stopped;
  }

  /** What the module measured. */
  telemetry(sample: TelemetrySample, moment: Moment): void {
    this.#sampleAge = 0;
    this.#signal("telemetry_stale", "cleared", moment);
    const { intermittent } = this.#options;
    const seen = this.#light.see(sample);
    this.#isLit = seen;
    if (seen === true) this.#signal("optical_link_down", "cleared", moment);
    const isDark = seen === false || (intermittent && seen === undefined);
    const qber = number(sample, "qber");
    const secret = number(sample, "secret_key_rate");
    if (intermittent && isDark && (seen === false || secret === 0)) this.#contactOver(moment);
    else if (seen === false) this.#noLight(qber, sample, moment);
    else {
      if (seen !== undefined) this.#signal("no_light", "cleared", moment);
      this.#qberSample(qber, moment);
    }
    this.#rateSample(secret, moment);
    this.#bufferSample(number(sample, "key_buffer_fill"), moment);
    this.#detectors(sample, moment);
  }

  /** The errors are those of dark counts: they say nothing about who listens. */
  #noLight(qber: number | undefined, sample: TelemetrySample, moment: Moment): void {
    this.#qber = "cleared";
    this.#signal("qber_high", "cleared", moment);
    this.#signal("qber_drift", "cleared", moment);
    // A module that was told to stop sends no light either.
    if (this.#supply.stopped !== undefined) return this.#signal("no_light", "cleared", moment);
    const loss = number(sample, "channel_loss");
    const figures = [
      ...(qber === undefined ? [] : [`QBER ${(qber * 100).toFixed(0)} %`]),
      ...(loss === undefined ? [] : [`loss ${loss.toFixed(0)} dB`]),
    ];
    this.#signal("no_light", "major", moment, {
      detail: figures.length === 0 ? "nothing is sifted" : figures.join(", "),
    });
  }

  /** Custody's counters, as they are now. */
  counters(counters: KeyCounters, moment: Moment): void {
    this.#supply.counters(counters, moment);
  }

  /** What came back from this KM so far, as it is now. Without anything new nothing changes. */
  heard(km: string, answers: KmAnswers, moment: Moment): void {
    this.#supply.heard(km, answers, moment);
  }

  /** How it is with the module's supply, by the counters of this moment. */
  verdict(counters: KeyCounters, conditions: Conditions, moment: Moment): Verdict {
    this.#supply.counters(counters, moment);
    this.#supply.look(this.#up, moment, conditions);
    return this.#supply.verdict(conditions, this.#isLit, moment);
  }

  /** The module says that something happened. */
  event({ code, severity, text }: ModuleEvent, moment: Moment): void {
    const { module, intermittent } = this.#options;
    const level: Level = severity === "indeterminate" ? "warning" : severity;
    if (code === "key_buffer_overflow") {
      if (level !== "cleared") this.#book.occurred("buffer_overflow", module, moment);
    } else if (code === "reference_reused") {
      this.#signal("reference_reused", level === "cleared" ? level : "critical", moment);
    } else if (code === "tamper") {
      this.#signal("tamper", level === "cleared" ? level : "critical", moment);
    } else if (code === "quantum_channel_lost") {
      if (!intermittent || level === "cleared") this.#signal("optical_link_down", level, moment);
    } else {
      // A module may have thousands of codes of its own: they share one alarm.
      const known = code.startsWith("vendor") ? "vendor" : code;
      const object = `${module}.${known.replace(/[^\w-]/g, "_").slice(0, 32)}`;
      const detail = shortText(text === "" ? code : `${code.slice(0, 64)}: ${text}`, longestDetail);
      this.#book.signal("module_fault", object, { level, detail }, moment);
    }
  }

  /** Custody says what became of a key. */
  custody(type: string, facts: Readonly<Record<string, unknown>>, moment: Moment): void {
    const { module, qberLimit } = this.#options;
    const occurred = (name: AlarmName, detail?: unknown) =>
      this.#book.occurred(
        name,
        module,
        moment,
        detail === undefined ? {} : { detail: String(detail) },
      );
    switch (type) {
      case "key_withheld": {
        const { qber, reason } = facts;
        if (reason === "ledger_repaired") return occurred("keys_doubtful");
        if (reason === "no_qber") return occurred("qber_missing");
        const value = typeof qber === "number" ? { value: qber } : {};
        return this.#book.occurred("key_withheld", module, moment, {
          ...value,
          threshold: qberLimit,
        });
      }
      case "key_quarantined":
        if (facts.reason === "duplicate_key_ID") return occurred("duplicate_key_id", facts.key_ID);
        return occurred("key_quarantined", facts.reason ?? "refused");
      case "block_damaged":
        return occurred("key_quarantined", "block_damaged");
      case "block_without_qber":
        return this.#options.qberWaived ? undefined : occurred("qber_missing");
      case "block_replayed":
        return occurred("block_replayed", facts.block);
      case "block_lost":
        return occurred("block_lost", facts.block);
      case "key_waits_for_km":
        return occurred("key_waits_for_km", facts.km);
      case "pair_changed":
      case "module_changed":
        return occurred("pair_changed", `${facts.recorded}, now ${facts.found}`);
      case "module_closed":
        return this.#signal("module_overload", "critical", moment, {
          detail: String(facts.reason),
        });
    }
  }

  /**
   * What is seen by the passing of time alone.
   * @param conditions default: nothing stands in the way of keys
   */
  tick(moment: Moment, conditions?: Conditions): void {
    const step = Math.min(longestStep, moment.now - (this.#lookedAt ?? moment.now));
    this.#lookedAt = moment.now;
    if (this.#options.intermittent && stale(this.#qberAt, 0, moment.now, contactGap)) {
      this.#contactOver(moment);
    }
    this.#supply.tick(this.thresholds, this.#up, this.#isLit, moment, conditions);
    if (!this.#up) return;
    this.#tellFlaps(moment);
    // A module that never sent any has none to send.
    if (this.#sampleAge === undefined) return;
    this.#sampleAge += step;
    const { telemetry_stale_s } = this.thresholds;
    if (this.#sampleAge <= telemetry_stale_s * 1_000) return;
    this.#isLit = undefined;
    this.#signal("telemetry_stale", "warning", moment, { threshold: telemetry_stale_s });
  }

  /** An intermittent link has no light now: what its last QBER was says nothing any more. */
  #contactOver(moment: Moment): void {
    this.#qber = "cleared";
    this.#signal("qber_high", "cleared", moment);
  }

  #qberSample(qber: number | undefined, moment: Moment): void {
    if (qber === undefined) return;
    const { qberLimit, intermittent } = this.#options;
    const { qber_warning, qber_drift } = this.thresholds;
    const steps = [step("critical", qberLimit, "above"), step("warning", qber_warning, "above")];
    this.#qber = threshold(this.#qber, qber, steps, "above");
    this.#signal("qber_high", this.#qber, moment, {
      value: qber,
      threshold: this.#qber === "critical" ? qberLimit : qber_warning,
    });
    this.#qberAt = moment.now;
    if (intermittent) return;
    if (this.#qber !== "cleared") {
      // Above a threshold the threshold's alarm says it all, and what is high must not become usual.
      this.#signal("qber_drift", "cleared", moment);
      return;
    }
    const { drifting, change } = this.#qberTrend.add(qber, moment.now, qber_drift);
    const facts = { value: rounded(change), threshold: qber_drift };
    this.#signal("qber_drift", drifting ? "warning" : "cleared", moment, facts);
  }

  #rateSample(rate: number | undefined, moment: Moment): void {
    if (rate === undefined || this.#options.intermittent) return;
    const { key_rate_min } = this.thresholds;
    const limit = key_rate_min > 0 ? key_rate_min : (this.#usualRate.usual ?? 0) / 2;
    this.#rate = threshold(this.#rate, rate, [step("minor", limit, "below")], "below");
    // What is low must not become usual: the alarm would clear itself.
    if (this.#rate === "cleared") this.#usualRate.add(rate, moment.now, 1);
    this.#signal("key_rate_low", this.#rate, moment, { value: rate, threshold: rounded(limit) });
  }

  #bufferSample(fill: number | undefined, moment: Moment): void {
    if (fill === undefined) return;
    const { buffer_warning } = this.thresholds;
    const steps = [step("major", bufferMajor, "above"), step("warning", buffer_warning, "above")];
    this.#buffer = threshold(this.#buffer, fill, steps, "above");
    const limit = this.#buffer === "major" ? bufferMajor : buffer_warning;
    this.#signal("buffer_filling", this.#buffer, moment, { value: fill, threshold: limit });
  }

  #detectors(sample: TelemetrySample, moment: Moment): void {
    if (this.#options.intermittent) return;
    const limit = this.thresholds.detector_drift;
    const watch = (name: FigureName, trends: Trend[], direction: 1 | -1, bound: number) =>
      list(sample, name).forEach((value, i) => {
        trends[i] ??= new Trend(direction);
        const { drifting, change } = trends[i].add(value, moment.now, bound);
        const object = `${this.#options.module}.${name}-${i}`;
        const signal = {
          level: drifting ? ("warning" as const) : ("cleared" as const),
          value: rounded(change),
          threshold: bound,
        };
        this.#book.signal("detector_drift", object, signal, moment);
      });
    watch("detector_counts", this.#counts, -1, limit);
    watch("dark_counts", this.#dark, 1, 3 * limit);
  }

  #signal(
    name: AlarmName,
    level: Level,
    moment: Moment,
    facts: { value?: number; threshold?: number; detail?: string } = {},
  ): void {
    this.#book.signal(name, this.#options.module, { level, ...facts }, moment);
  }
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
