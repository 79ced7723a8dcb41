/**
 * One alarm: from what a rule says at every moment to the few transitions that a person hears.
 *
 * Two layers. The condition is debounced: a level holds once it has lasted, and is left once it has
 * been gone. What is told follows the debounced level, except that a latched alarm stays until it
 * was acknowledged, and that an alarm which comes and goes is told once, as flapping. One that stays for another
 * reason than the one that was told is told again.
 */
import type { Duration } from "../../base/duration.ts";
import type { AlarmKind } from "./alarm-kind.ts";
import { type Level, levelOf, type Moment, rank } from "./severity.ts";

/** What a rule says: the level that it sees now, and what it saw. */
export interface Signal {
  readonly level: Level;
  readonly value?: number;
  readonly threshold?: number;
  /** What exactly, in a few words of our own or from a typed fault; never input. */
  readonly detail?: string;
}

/** An alarm as it is told, kept across restarts, and published. Times in ms since 1970 UTC. */
export interface AlarmRecord {
  readonly id: string;
  readonly name: string;
  readonly object: string;
  readonly severity: Level;
  /** The condition holds now; false for a latched alarm that only waits for acknowledgement. */
  readonly active: boolean;
  readonly flapping: boolean;
  readonly acknowledged: boolean;
  /** The key ID of who acknowledged it. */
  readonly acknowledgedBy?: string | undefined;
  readonly value?: number | undefined;
  readonly threshold?: number | undefined;
  readonly detail?: string | undefined;
  readonly raisedAt: number;
  readonly changedAt: number;
  readonly clearedAt?: number | undefined;
  /** How often the condition came; begins again when it stayed away for the flap window. */
  readonly count: number;
}

export type Change = "raised" | "changed" | "acknowledged" | "cleared";

export interface Transition {
  readonly change: Change;
  readonly record: AlarmRecord;
}

export interface FlapLimits {
  /** Raised this often within the window: flapping. */
  readonly count: number;
  readonly window: Duration;
  /** Steady for this long: not flapping any more. */
  readonly quiet: Duration;
}

export interface AlarmTiming {
  readonly raiseAfterMs: number;
  readonly clearAfterMs: number;
}

const standardClearMs = 30_000;
/** Another reason is told once it has stood for so long, ms: reasons may take turns. */
const reasonMs = 60_000;

/** The times of the catalogue. */
export function timingOf(kind: AlarmKind): AlarmTiming {
  return {
    raiseAfterMs: kind.raiseAfterMs ?? 0,
    clearAfterMs: kind.clearAfterMs ?? (kind.told ? 0 : standardClearMs),
  };
}

const top = 4;

export class Alarm {
  readonly id: string;
  readonly #name: string;
  readonly #object: string;
  readonly #kind: AlarmKind;
  readonly #flap: FlapLimits;

  #signal: Signal | undefined;
  /** By rank: since when the signal has been at least, or below, that level. */
  readonly #above: (number | undefined)[] = [];
  readonly #below: (number | undefined)[] = [];
  /** Debounced. */
  #level = 0;
  /** When the debounced condition came, or was worse again, within the flap window. */
  #raises: number[] = [];
  /** It was better since it came, or since it was worse again. */
  #eased = false;
  #moved = 0;
  #flapping = false;
  #told: AlarmRecord | undefined;
  #acknowledged = false;
  #acknowledgedBy: string | undefined;
  #count = 0;
  /** When what merely occurs is over, ms. */
  #until: number | undefined;
  /** Since when the detail has given another reason than the one that was told, ms. */
  #otherReason: number | undefined;

  constructor(id: string, name: string, object: string, kind: AlarmKind, flap: FlapLimits) {
    this.id = id;
    this.#name = name;
    this.#object = object;
    this.#kind = kind;
    this.#flap = flap;
  }

  /** As it was told last; undefined if it never was raised. */
  get record(): AlarmRecord | undefined {
    const told = this.#told;
    // While it flaps nothing is told of it, but it goes on counting.
    return told === undefined || told.count === this.#count
      ? told
      : { ...told, count: this.#count };
  }

  /** Nothing holds, nothing pends, nothing flapped: it can be dropped without harm. */
  idle(now: number): boolean {
    if (this.#told !== undefined || this.#level > 0) return false;
    if ((this.#signal?.level ?? "cleared") !== "cleared") return false;
    return this.#raises.every((at) => now - at >= this.#flap.window);
  }

  /** Drops the record once the manager has acknowledged `cleared`. */
  forget(): void {
    if (this.#told?.severity === "cleared") this.#told = undefined;
  }

  /** Goes on from what was told before a restart. */
  restore(record: AlarmRecord, moment: Moment): void {
    this.#told = record;
    this.#level = record.active ? rank(record.severity) : 0;
    this.#flapping = record.flapping;
    this.#acknowledged = record.acknowledged;
    this.#acknowledgedBy = record.acknowledgedBy;
    this.#count = record.count;
    this.#moved = moment.now;
    const { quietMs } = this.#kind;
    if (quietMs !== undefined && record.active) {
      const { severity: level, value, detail } = record;
      this.signal(
        { level, ...(value !== undefined && { value }), ...(detail !== undefined && { detail }) },
        moment,
      );
      this.#until = moment.now + quietMs;
    }
  }

  /** What the rule sees from now on. */
  signal(signal: Signal, moment: Moment): void {
    this.#signal = signal;
    this.#until = undefined;
    if (isReasonOf(this.#told, signal)) this.#otherReason = undefined;
    else this.#otherReason ??= moment.now;
    const level = rank(signal.level);
    for (let r = 1; r <= top; r++) {
      if (r <= level) {
        this.#above[r] ??= moment.now;
        this.#below[r] = undefined;
      } else {
        this.#below[r] ??= moment.now;
        this.#above[r] = undefined;
      }
    }
  }

  /** It occurred, and is over when it does not occur again within the kind's quiet time. */
  occurred(signal: Signal, moment: Moment): void {
    this.signal(signal, moment);
    this.#until = moment.now + (this.#kind.quietMs ?? 0);
  }

  /**
   * Lets time do its work.
   * @returns what is to be told, if anything
   */
  tick(moment: Moment, timing: AlarmTiming): Transition | undefined {
    if (this.#until !== undefined && moment.now >= this.#until) {
      // Its quiet time has passed: that was the waiting.
      this.#level = 0;
      this.#moved = moment.now;
      this.signal({ level: "cleared" }, moment);
    }
    const level = this.#debounced(moment.now, timing);
    if (level !== this.#level) this.#move(level, moment.now);
    if (this.#flapping && moment.now - this.#moved >= this.#flap.quiet) {
      this.#flapping = false;
      this.#raises = [];
    }
    return this.#tell(moment, undefined);
  }

  /** An operator acknowledged it. @returns undefined if there is nothing to acknowledge */
  acknowledge(by: string, moment: Moment): Transition | undefined {
    if (this.#told === undefined || this.#told.severity === "cleared" || this.#acknowledged) {
      return undefined;
    }
    this.#acknowledged = true;
    this.#acknowledgedBy = by;
    if (this.#kind.told) {
      this.signal({ level: "cleared" }, moment);
      this.#level = 0;
    }
    return this.#tell(moment, "acknowledged");
  }

  #debounced(now: number, { raiseAfterMs, clearAfterMs }: AlarmTiming): number {
    const lasted = (since: number | undefined, ms: number) =>
      since !== undefined && now - since >= ms;
    for (let r = top; r > this.#level; r--) {
      if (lasted(this.#above[r], raiseAfterMs)) return r;
    }
    let level = this.#level;
    while (level > 0 && lasted(this.#below[level], clearAfterMs)) level--;
    return level;
  }

  #move(level: number, now: number): void {
    if (this.#level === 0) this.#count++;
    // Severities that take turns, as fast as a module tells them, are told as seldom as what comes and goes.
    if (this.#level === 0 || (level > this.#level && this.#eased)) {
      this.#raises = [...this.#raises.filter((at) => now - at < this.#flap.window), now];
      this.#raises = this.#raises.slice(-this.#flap.count);
      if (this.#raises.length >= this.#flap.count) this.#flapping = true;
    }
    // The acknowledgement was for the lower severity.
    if (level > rank(this.#told?.severity ?? "cleared")) this.#acknowledged = false;
    this.#eased = level < this.#level;
    this.#level = level;
    this.#moved = now;
  }

  /** The difference between what was told and what is to be told. */
  #tell(moment: Moment, change: Change | undefined): Transition | undefined {
    const before = this.#told;
    const told = rank(before?.severity ?? "cleared");
    const held = this.#kind.latched === true && !this.#acknowledged ? told : 0;
    const shown = Math.max(this.#level, this.#flapping ? told : held);
    const active = this.#level > 0 || (this.#flapping && shown > 0);
    if (before === undefined && shown === 0) return undefined;
    if (before === undefined || told === 0) {
      if (shown === 0) return undefined;
      return this.#set("raised", shown, active, moment);
    }
    if (shown === 0) return this.#set("cleared", 0, false, moment);
    const same =
      shown === told &&
      active === before.active &&
      this.#flapping === before.flapping &&
      this.#acknowledged === before.acknowledged &&
      !this.#hasOtherReason(moment.now);
    return same ? undefined : this.#set(change ?? "changed", shown, active, moment);
  }

  #hasOtherReason(now: number): boolean {
    const since = this.#otherReason;
    return since !== undefined && this.#level > 0 && !this.#flapping && now - since >= reasonMs;
  }

  #set(change: Change, shown: number, active: boolean, moment: Moment): Transition {
    const before = this.#told;
    const seen = this.#level > 0 ? this.#signal : undefined;
    const facts = seen ?? before;
    const record: AlarmRecord = {
      id: this.id,
      name: this.#name,
      object: this.#object,
      severity: levelOf(shown),
      active,
      flapping: this.#flapping,
      acknowledged: this.#acknowledged,
      acknowledgedBy: this.#acknowledged ? this.#acknowledgedBy : undefined,
      value: facts?.value,
      threshold: facts?.threshold,
      detail: facts?.detail,
      raisedAt: change === "raised" || before === undefined ? moment.wall : before.raisedAt,
      changedAt: moment.wall,
      clearedAt: change === "cleared" ? moment.wall : undefined,
      count: this.#count,
    };
    this.#told = record;
    this.#otherReason = undefined;
    if (change === "cleared") this.#acknowledged = false;
    return { change, record };
  }
}

/** Whether what is seen has the reason that was told. Numbers in it change all the time, and are none. */
function isReasonOf(told: AlarmRecord | undefined, { level, detail }: Signal): boolean {
  if (told === undefined || level === "cleared" || detail === told.detail) return true;
  return wordsOf(detail) === wordsOf(told.detail);
}

function wordsOf(detail = ""): string {
  return detail.replace(/\d+/g, "0");
}
