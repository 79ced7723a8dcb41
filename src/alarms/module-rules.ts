/**
 * The alarm rules of one module and its KM: from telemetry, states, counters and events to alarms.
 * Whatever a module does not report raises nothing.
 */
import type { ModuleEvent } from "../port/module.ts";
import { type FigureName, figures, type TelemetrySample } from "../port/telemetry.ts";
import type { AlarmTiming } from "./alarm.ts";
import type { AlarmBook } from "./book.ts";
import type { AlarmName } from "./catalogue.ts";
import { stale, step, threshold } from "./rules.ts";
import type { Level, Moment } from "./severity.ts";
import type { Thresholds } from "./thresholds.ts";
import { Trend } from "./trend.ts";

export interface ModuleRuleOptions {
  readonly module: string;
  /** The quality gate: QBER above it is critical. */
  readonly qberLimit: number;
  /** A link with contacts, such as to a satellite: silence between them is no alarm. */
  readonly intermittent: boolean;
  readonly thresholds: Thresholds;
}

/** What the rules read of custody's counters. */
export interface KeyCounters {
  readonly supplied: number;
  readonly withheld: number;
  readonly quarantined: number;
  readonly refused: Readonly<Record<string, number>>;
}

/** What came back from a KM's address since the process began. */
export interface KmAnswers {
  /** The KM's own answers for keys. */
  readonly own: number;
  /** Others, and connections that ended before any. */
  readonly unclear: number;
  /** What the last of those was, in our own words. */
  readonly what: string;
}

/** Answers of a KM that mean "not now" (Kq-1 profile), or may mean it, in words. */
const laterReasons: ReadonlyMap<string, string> = new Map([
  ["busy", "busy"],
  ["storage_full", "storage_full"],
  ["other", "a response that is not known here"],
]);

/** Alarms of the quantum channel, which an intermittent link is given time to settle for. */
const channelAlarms: readonly AlarmName[] = ["qber_high", "key_withheld", "optical_link_down"];

/** A minute without a key is never too long, ms. */
const leastSilence = 60_000;
/** Without a QBER for this long an intermittent link has no contact, ms. */
const contactGap = 15_000;
/** Half of the bits of dark counts are wrong; an eavesdropper who takes every photon adds a quarter. */
const noiseQber = 0.4;
const bufferMajor = 0.95;
/** Detectors that are watched; a module may claim to have more. */
const mostDetectors = 16;

/** Another timing than the catalogue's, where a link is intermittent. */
export function intermittentTiming(
  name: AlarmName,
  settleMs: number,
): Partial<AlarmTiming> | undefined {
  return channelAlarms.includes(name) ? { raiseAfterMs: settleMs } : undefined;
}

export class ModuleRules {
  thresholds: Thresholds;
  readonly #options: ModuleRuleOptions;
  readonly #book: AlarmBook;

  #up = false;
  #upSince = 0;
  #sampleAt: number | undefined;
  #kmUpSince: number | undefined;
  readonly #kmsUp = new Set<string>();
  /** KMs that are not connected, and why. */
  readonly #kmsDown = new Map<string, string>();

  #qber: Level = "cleared";
  #qberAt: number | undefined;
  #rate: Level = "cleared";
  #buffer: Level = "cleared";
  readonly #qberTrend = new Trend(1);
  readonly #usualRate = new Trend(-1);
  readonly #counts: Trend[] = [];
  readonly #dark: Trend[] = [];

  #keys: number | undefined;
  #keyAt: number | undefined;
  /** Usual time between changes of the key counters, ms. */
  #interval: number | undefined;
  /** Answers that mean "not now" so far, by reason; undefined before the first look. */
  #later: ReadonlyMap<string, number> | undefined;
  /** What was heard of each KM so far. */
  readonly #heard = new Map<string, Pick<KmAnswers, "own" | "unclear">>();
  /** KMs in whose place something else answers, or nothing, and how that looks. */
  readonly #silentKms = new Map<string, string>();

  constructor(options: ModuleRuleOptions, book: AlarmBook) {
    this.#options = options;
    this.thresholds = options.thresholds;
    this.#book = book;
  }

  /** The module was identified and talks. */
  moduleUp(moment: Moment): void {
    this.#up = true;
    this.#upSince = moment.now;
    this.#keyAt = undefined;
    this.#signal("module_silent", "cleared", moment);
    this.#signal("module_identity", "cleared", moment);
  }

  /**
   * @param why in the words of the fault
   * @param stranger another module answers than the expected one
   */
  moduleDown(why: string, stranger: boolean, moment: Moment): void {
    this.#up = false;
    this.#signal("module_silent", stranger ? "cleared" : "major", moment, { detail: why });
    if (stranger) this.#signal("module_identity", "critical", moment, { detail: why });
  }

  kmUp(km: string, moment: Moment): void {
    if (this.#kmsUp.size === 0) this.#kmUpSince = moment.now;
    this.#kmsUp.add(km);
    this.#kmsDown.delete(km);
    this.#kmsChanged(moment);
  }

  /** @param why in the words of the fault */
  kmDown(km: string, why: string, moment: Moment): void {
    this.#kmsUp.delete(km);
    this.#kmsDown.set(km, why);
    if (this.#kmsUp.size === 0) this.#kmUpSince = undefined;
    this.#kmsChanged(moment);
  }

  /** Without any KM keys wait in the module; while another takes them, it is only the reserve that fails. */
  #kmsChanged(moment: Moment): void {
    const [first] = this.#kmsDown;
    if (first === undefined) return this.#signal("km_unreachable", "cleared", moment);
    const level = this.#kmsUp.size === 0 ? "major" : "minor";
    this.#signal("km_unreachable", level, moment, { detail: `${first[0]}: ${first[1]}` });
  }

  /** What the module measured. */
  telemetry(sample: TelemetrySample, moment: Moment): void {
    this.#sampleAt = moment.now;
    this.#signal("telemetry_stale", "cleared", moment);
    const qber = number(sample, "qber");
    const secret = number(sample, "secret_key_rate");
    const seen = light(qber, secret, number(sample, "sifted_rate"));
    if (seen === true) this.#signal("optical_link_down", "cleared", moment);
    if (seen === false && this.#options.intermittent) this.#contactOver(moment);
    else this.#qberSample(qber, moment);
    this.#rateSample(secret, moment);
    this.#bufferSample(number(sample, "key_buffer_fill"), moment);
    this.#detectors(sample, moment);
  }

  /** Custody's counters, as they are now. */
  counters(counters: KeyCounters, moment: Moment): void {
    const { supplied, withheld, quarantined, refused } = counters;
    const keys = supplied + withheld + quarantined;
    if (this.#keys !== undefined && keys > this.#keys && this.#keyAt !== undefined) {
      const gap = (moment.now - this.#keyAt) / (keys - this.#keys);
      this.#interval = this.#interval === undefined ? gap : this.#interval * 0.9 + gap * 0.1;
    }
    if (keys !== this.#keys || this.#keyAt === undefined) this.#keyAt = moment.now;
    this.#keys = keys;
    const later = new Map([...laterReasons.keys()].map((name) => [name, refused[name] ?? 0]));
    for (const [name, detail] of laterReasons) {
      const count = later.get(name) ?? 0;
      if (count > (this.#later?.get(name) ?? count)) {
        this.#book.occurred("km_refusing", this.#options.module, moment, { detail });
      }
    }
    this.#later = later;
  }

  /** What came back from this KM so far, as it is now. Without anything new nothing changes. */
  heard(km: string, { own, unclear, what }: KmAnswers, moment: Moment): void {
    const before = this.#heard.get(km) ?? { own: 0, unclear: 0 };
    this.#heard.set(km, { own, unclear });
    if (unclear > before.unclear) this.#silentKms.set(km, what);
    else if (own > before.own) this.#silentKms.delete(km);
    else return;
    const [first] = this.#silentKms;
    if (first === undefined) return this.#signal("km_silent", "cleared", moment);
    this.#signal("km_silent", "major", moment, { detail: `${first[0]}: ${first[1]}` });
  }

  /** The module says that something happened. */
  event({ code, severity }: Pick<ModuleEvent, "code" | "severity">, moment: Moment): void {
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
      this.#book.signal("module_fault", object, { level, detail: code.slice(0, 64) }, moment);
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
        return occurred("qber_missing");
      case "block_replayed":
        return occurred("block_replayed", facts.block);
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

  /** What is seen by the passing of time alone. */
  tick(moment: Moment): void {
    if (this.#options.intermittent && stale(this.#qberAt, 0, moment.now, contactGap)) {
      this.#contactOver(moment);
    }
    if (!this.#up) return;
    const { telemetry_stale_s } = this.thresholds;
    // A module that never sent any has none to send.
    if (this.#sampleAt !== undefined) {
      const old = stale(this.#sampleAt, this.#upSince, moment.now, telemetry_stale_s * 1_000);
      if (old) this.#signal("telemetry_stale", "warning", moment, { threshold: telemetry_stale_s });
    }
    this.#silence(moment);
  }

  /** An intermittent link has no light now: what its last QBER was says nothing any more. */
  #contactOver(moment: Moment): void {
    this.#qber = "cleared";
    this.#signal("qber_high", "cleared", moment);
  }

  #silence(moment: Moment): void {
    const { key_interval_s, no_key_intervals } = this.thresholds;
    const expected = key_interval_s > 0 ? key_interval_s * 1_000 : this.#interval;
    // While the KM is away keys wait in the module: that is another alarm.
    if (this.#options.intermittent || expected === undefined || this.#kmUpSince === undefined)
      return;
    const since = Math.max(this.#upSince, this.#kmUpSince);
    const limit = Math.max(leastSilence, expected * no_key_intervals);
    const silent = stale(this.#keyAt, since, moment.now, limit);
    this.#signal("no_key", silent ? "major" : "cleared", moment, {
      value: Math.round((moment.now - Math.max(this.#keyAt ?? since, since)) / 1_000),
      threshold: Math.round(limit / 1_000),
    });
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

/**
 * Whether photons of the other end arrive. Detectors click in the dark as well: their clicks are
 * sifted bits, half of which are wrong.
 * @returns undefined if the module does not report enough to tell
 */
function light(qber?: number, secretRate?: number, siftedRate?: number): boolean | undefined {
  if (secretRate !== undefined && secretRate > 0) return true;
  if (qber !== undefined && qber >= noiseQber) return false;
  if (siftedRate !== undefined && siftedRate > 0) return true;
  return secretRate === 0 || siftedRate === 0 ? false : undefined;
}

function inRange(name: FigureName, value: number): boolean {
  return value >= figures[name].min && value <= figures[name].max;
}

/** A figure within its range; undefined if the module did not report it, or not sensibly. */
function number(sample: TelemetrySample, name: FigureName): number | undefined {
  const value = sample.values[name];
  return typeof value === "number" && inRange(name, value) ? value : undefined;
}

function list(sample: TelemetrySample, name: FigureName): readonly number[] {
  const value = sample.values[name];
  if (value === undefined || typeof value === "number") return [];
  const values = value.slice(0, mostDetectors);
  return values.every((each) => inRange(name, each)) ? values : [];
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
