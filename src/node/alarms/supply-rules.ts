/**
 * The alarm rules of a module's supply to its KMs, and the verdict on it. None of them is set back by
 * a connection that is made anew: what ends them is a key, or the KM's own word.
 */

import type { Duration } from "../../base/duration.ts";
import { counted } from "../../base/words.ts";
import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import { Flaps } from "../../ops/alarms/flaps.ts";
import { type Level, type Moment, rank } from "../../ops/alarms/severity.ts";
import type { AlarmBook } from "./book.ts";
import type { AlarmName } from "./catalogue.ts";
import { type SupplyCounters, SupplyHistory } from "./supply-history.ts";
import type { Thresholds } from "./thresholds.ts";
import {
  type Conditions,
  find,
  type Stopped,
  type Verdict,
  type VerdictCode,
  verdictKinds,
} from "./verdict.ts";

export interface SupplyRuleOptions {
  readonly module: string;
  /** Names of its KMs. */
  readonly kms?: readonly string[];
  /** A KM answers within this time, ms; the longest of its KMs'; default: 10 s. */
  readonly answerTimeout?: Duration;
  /** A link with contacts, such as to a satellite: silence between them is no alarm. */
  readonly intermittent: boolean;
}

/** What the rules read of custody's counters; by default each key that is supplied is confirmed. */
export type KeyCounters = Pick<
  SupplyCounters,
  "supplied" | "withheld" | "quarantined" | "refused"
> &
  Partial<SupplyCounters>;

/** The same of what a module shows of its supply. */
export function keyCounters(
  supply: Readonly<Record<string, number | Readonly<Record<string, number>>>>,
): SupplyCounters {
  const number = (name: string) => {
    const value = supply[name];
    return typeof value === "number" ? value : 0;
  };
  const refused = supply.refused;
  return {
    supplied: number("supplied"),
    confirmed: number("confirmed"),
    repeats: number("repeats"),
    in_flight: number("in_flight"),
    held_blocks: number("held_blocks"),
    withheld: number("withheld"),
    quarantined: number("quarantined"),
    refused: typeof refused === "object" ? refused : {},
  };
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

/** A minute without a key is never too long, ms. */
const leastSilence = 60_000;
/** For a first key, of which nothing is usual yet, ms. */
const firstSilence = 300_000;
/** A KM that has confirmed nothing for this long is silent, ms; at least. */
const leastUnanswered = 20_000;
const answerTimeouts = 1.5;

/** Objects of alarms that say nothing about keys. */
const managers: readonly string[] = ["manager", "outbox"];

export class SupplyRules {
  /** The `stop` that holds; undefined: the module may distil. */
  stopped: Stopped | undefined;
  readonly #options: SupplyRuleOptions;
  readonly #book: AlarmBook;
  readonly #history = new SupplyHistory();
  readonly #kmsUp = new Set<string>();
  /** KMs that are not connected, and why. */
  readonly #kmsDown = new Map<string, string>();
  readonly #flaps = new Map<string, Flaps>();
  #counters: SupplyCounters | undefined;
  /** What was heard of each KM so far. */
  readonly #heard = new Map<string, Pick<KmAnswers, "own" | "unclear">>();
  /** KMs in whose place something else answers, or nothing, and how that looks. */
  readonly #silentKms = new Map<string, string>();
  /** Since when there are such, monotonic ms. */
  #silentAt: number | undefined;
  /** A KM's own word came since the start. */
  #answered = false;
  #begun: number | undefined;
  #verdict: { readonly code: VerdictCode; readonly since: number } | undefined;

  constructor(options: SupplyRuleOptions, book: AlarmBook) {
    this.#options = options;
    this.#book = book;
  }

  kmUp(km: string, moment: Moment): void {
    this.#kmsUp.add(km);
    this.#kmsDown.delete(km);
    this.#tellKms(moment);
  }

  /** @param why in the words of the fault */
  kmDown(km: string, why: string, moment: Moment): void {
    if (this.#kmsUp.delete(km)) this.#flapsOf(km).went(moment.now);
    this.#kmsDown.set(km, why);
    this.#tellKms(moment);
  }

  /** Custody's counters, as they are now. */
  counters(counters: KeyCounters, moment: Moment): void {
    const before = this.#counters?.refused;
    for (const [name, detail] of laterReasons) {
      const count = counters.refused[name] ?? 0;
      if (count > (before === undefined ? count : (before[name] ?? 0))) {
        this.#book.occurred("km_refusing", this.#options.module, moment, { detail });
      }
    }
    const none = { confirmed: counters.supplied, repeats: 0, in_flight: 0, held_blocks: 0 };
    this.#counters = { ...none, ...counters, refused: { ...counters.refused } };
  }

  /** What came back from this KM so far, as it is now. Without anything new nothing changes. */
  heard(km: string, { own, unclear, what }: KmAnswers, moment: Moment): void {
    const before = this.#heard.get(km) ?? { own: 0, unclear: 0 };
    this.#heard.set(km, { own, unclear });
    if (unclear > before.unclear) {
      if (this.#silentKms.size === 0) this.#silentAt = moment.now;
      this.#silentKms.set(km, what);
    } else if (own > before.own) {
      this.#silentKms.delete(km);
      this.#answered = true;
    } else return;
    this.#tellSilence(moment);
  }

  /** Takes note of the counters, and of the time for which things were as they are. */
  look(isModuleUp: boolean, moment: Moment, conditions?: Conditions): void {
    this.#begun ??= moment.now;
    if (this.#counters === undefined) return;
    const able = {
      module: isModuleUp && this.stopped === undefined,
      km: this.#kmsUp.size > 0,
      node: conditions?.halted === undefined && conditions?.ledgerTrouble === undefined,
      onRequest: conditions?.onRequest === true,
    };
    this.#history.look(this.#counters, able, moment.now);
  }

  /**
   * What is seen by the passing of time.
   * @param isLit whether photons of the other end arrive
   * @param conditions default: nothing stands in the way of keys
   */
  tick(
    thresholds: Thresholds,
    isModuleUp: boolean,
    isLit: boolean | undefined,
    moment: Moment,
    conditions?: Conditions,
  ): void {
    this.look(isModuleUp, moment, conditions);
    this.#tellKms(moment);
    this.#tellSilence(moment);
    this.#tellNoKey(thresholds, isModuleUp, isLit, moment);
  }

  /** How it is at this moment. */
  verdict(conditions: Conditions, isLit: boolean | undefined, moment: Moment): Verdict {
    const alarms = this.#alarms((object) => isOwn(object, this.#options.module));
    const found = find(conditions, {
      history: this.#history,
      light: isLit,
      intermittent: this.#options.intermittent,
      stopped: this.stopped,
      kmSilent: this.#kmSilent(alarms),
      kmSilentAt: this.#silentKms.size > 0 ? this.#silentAt : undefined,
      alarms,
      around: this.#alarms((object) => this.#isAround(object)).find(
        ({ severity }) => rank(severity) >= rank("major"),
      ),
      now: moment.now,
      upMs: moment.now - (this.#begun ?? moment.now),
    });
    if (found.code !== this.#verdict?.code) {
      this.#verdict = { code: found.code, since: moment.wall };
    }
    const { since } = this.#verdict;
    const { level, ready, action } = verdictKinds[found.code];
    return { action, ...found, level, ready, since };
  }

  #alarms(concerns: (object: string) => boolean): AlarmRecord[] {
    return this.#book
      .records()
      .filter(({ object, severity }) => severity !== "cleared" && concerns(object))
      .sort((a, b) => rank(b.severity) - rank(a.severity) || b.raisedAt - a.raisedAt);
  }

  /** What the module shares with others. */
  #isAround(object: string): boolean {
    const { module, kms = [] } = this.#options;
    if (isOwn(object, module) || managers.includes(object)) return false;
    if (object.startsWith("km.")) return kms.includes(object.slice(3));
    if (object.startsWith("ledger.")) return object === `ledger.${module}`;
    return object === "node" || object.startsWith("node.") || ["state", "server"].includes(object);
  }

  #flapsOf(km: string): Flaps {
    let flaps = this.#flaps.get(km);
    if (flaps === undefined) {
      flaps = new Flaps();
      this.#flaps.set(km, flaps);
    }
    return flaps;
  }

  /**
   * Without any KM keys wait in the module; while another takes them, it is only the reserve that
   * fails. One that comes back each time and never stays is told as well.
   */
  #tellKms(moment: Moment): void {
    const [first] = this.#kmsDown;
    if (first !== undefined) {
      const level = this.#kmsUp.size === 0 ? "major" : "minor";
      return this.#signal("km_unreachable", level, moment, `${first[0]}: ${first[1]}`);
    }
    for (const [km, flaps] of this.#flaps) {
      const often = flaps.told(moment.now);
      if (often !== undefined) {
        return this.#signal("km_unreachable", "minor", moment, `${km}: ${often}`);
      }
    }
    // What a restart has left is over once a KM is there.
    if (this.#kmsUp.size > 0) this.#signal("km_unreachable", "cleared", moment);
  }

  /** Why nothing is heard of the KM, in words; undefined if it is. */
  #kmSilent(alarms: readonly AlarmRecord[]): string | undefined {
    const [first] = this.#silentKms;
    if (first !== undefined) return `${first[0]}: ${first[1]}`;
    const { unansweredMs } = this.#history;
    const { answerTimeout = 0 } = this.#options;
    if (unansweredMs >= Math.max(leastUnanswered, answerTimeouts * answerTimeout)) {
      // What it says is told as that.
      if (this.#history.since.refused.length > 0) return undefined;
      return "has confirmed none of the keys that it was given";
    }
    // After a restart what was told before holds until the KM has said something.
    if (this.#answered || this.#history.confirmedAt !== undefined) return undefined;
    const before = alarms.find(({ name, active }) => name === "km_silent" && active);
    return before && (before.detail ?? "was silent before the restart");
  }

  #tellSilence(moment: Moment): void {
    const detail = this.#kmSilent([]);
    const { unsteady } = this.#history;
    if (detail !== undefined) this.#signal("km_silent", "major", moment, detail);
    else if (unsteady !== undefined) {
      const what = `${unsteady.confirmed} of ${counted(unsteady.of, "key")} confirmed in a minute`;
      this.#signal("km_silent", "minor", moment, what);
    } else if (this.#answered || this.#history.confirmedAt !== undefined) {
      this.#signal("km_silent", "cleared", moment);
    }
  }

  #tellNoKey(
    { key_interval_s, no_key_intervals }: Thresholds,
    isModuleUp: boolean,
    isLit: boolean | undefined,
    moment: Moment,
  ): void {
    const { intermittent } = this.#options;
    const { silentMs, interval, gave } = this.#history;
    const why = this.stopped !== undefined || (isLit === false && !intermittent);
    if (why) return this.#signal("no_key", "cleared", moment);
    if (intermittent || !isModuleUp || this.#kmsUp.size === 0) return;
    const expected = key_interval_s > 0 ? key_interval_s * 1_000 : interval;
    const limit =
      expected === undefined ? firstSilence : Math.max(leastSilence, expected * no_key_intervals);
    const [silence, most] = [Math.round(silentMs / 1_000), Math.round(limit / 1_000)];
    if (silentMs > limit) {
      this.#book.signal(
        "no_key",
        this.#options.module,
        {
          level: "major",
          value: silence,
          threshold: most,
          detail: gave ? `none for ${silence} s` : `none since the start, ${silence} s ago`,
        },
        moment,
      );
    } else if (gave) this.#signal("no_key", "cleared", moment);
  }

  #signal(name: AlarmName, level: Level, moment: Moment, detail?: string): void {
    const facts = detail === undefined || level === "cleared" ? {} : { detail };
    this.#book.signal(name, this.#options.module, { level, ...facts }, moment);
  }
}

function isOwn(object: string, module: string): boolean {
  return object === module || object.startsWith(`${module}.`);
}
