/** Alarms of a daemon: its book, and what all daemons tell of themselves. What raises the others is its own. Pure. */
import type { AlarmRecord, AlarmTiming, FlapLimits, Transition } from "./alarm.ts";
import type { AlarmKind } from "./alarm-kind.ts";
import { AlarmBook } from "./book.ts";
import { type MachineAlarm, type MachineRuleOptions, MachineRules } from "./machine-alarms.ts";
import { type ManagerAlarm, ManagerRules } from "./manager-alarms.ts";
import { type Level, type Moment, rank } from "./severity.ts";
import type { AlarmView } from "./view.ts";

/** What all of them have in their catalogues. */
export type CommonAlarm = MachineAlarm | ManagerAlarm | "state_damaged";

/** The alarm about the files of alarms and commands. @param goesOn what does so all the same: `keys go on` */
export function stateKind(goesOn: string) {
  return {
    state_damaged: {
      type: "processing_error",
      cause: "corruptData",
      severities: ["critical"],
      latched: true,
      text: "the file of alarms and commands, or the outbox, cannot be written or was damaged",
      action: `check the disk; ${goesOn}, but no command is taken that cannot be recorded`,
    },
  } as const satisfies Readonly<Record<string, AlarmKind>>;
}

export interface ProgramAlarmOptions<Name extends string> {
  readonly catalogue: Readonly<Record<Name, AlarmKind>>;
  readonly flap: FlapLimits;
  readonly timing?: (name: Name, object: string) => Partial<AlarmTiming> | undefined;
  /** See `AlarmBook`. */
  readonly room?: (name: Name, object: string) => number;
  readonly machine: MachineRuleOptions;
  /** What alarms about the clock are about: `km`. */
  readonly object: string;
  readonly onTransition?: ((transition: Transition) => void) | undefined;
}

/** An alarm as the surfaces show it. */
export interface ShownAlarm {
  readonly alarm: string;
  readonly severity: string;
  readonly active: boolean;
  readonly acknowledged: boolean;
  /** RFC 3339 */
  readonly since: string;
  readonly count: number;
  readonly detail?: string;
  readonly text: string;
  readonly action: string;
}

export class ProgramAlarms<Name extends string> implements AlarmView {
  /** About certificates, revocation lists and the clock. */
  readonly machine: MachineRules;
  /** About the way to the manager. */
  readonly manager: ManagerRules;
  protected readonly book: AlarmBook<Name | CommonAlarm>;
  readonly #catalogue: Readonly<Record<Name, AlarmKind>>;

  constructor({
    catalogue,
    flap,
    timing,
    room,
    machine,
    object,
    onTransition = () => {},
  }: ProgramAlarmOptions<Name | CommonAlarm>) {
    this.#catalogue = catalogue;
    const own = { ...(timing && { timing }), ...(room && { room }) };
    this.book = new AlarmBook({ catalogue, flap, ...own, onTransition });
    this.machine = new MachineRules(machine, this.book, object);
    this.manager = new ManagerRules(this.book);
  }

  /**
   * Goes on from the alarms of before a restart.
   * @param exists whether what this alarm is about is still configured
   */
  restore(
    saved: readonly AlarmRecord[],
    exists: (name: Name | CommonAlarm, object: string) => boolean,
    moment: Moment,
  ): void {
    const known = saved.filter(({ name }) => Object.hasOwn(this.#catalogue, name));
    this.book.restore(known, exists, moment);
  }

  /** @param file which one cannot be written, or was damaged @param why undefined: it can be written again */
  file(file: string, why: string | undefined, moment: Moment): void {
    this.signal("state_damaged", file, why === undefined ? "cleared" : "critical", moment, why);
  }

  /** Raised now, or waiting to be acknowledged. */
  raised(): AlarmRecord[] {
    return this.book.records().filter(({ severity }) => severity !== "cleared");
  }

  /** The same as the surfaces show them: the worst first, then the oldest. */
  shown(): ShownAlarm[] {
    const records = this.raised();
    records.sort((a, b) => rank(b.severity) - rank(a.severity) || a.raisedAt - b.raisedAt);
    return records.map(({ id, name, severity, active, acknowledged, raisedAt, count, detail }) => {
      const { text, action } = this.#catalogue[name as Name];
      return {
        alarm: id,
        severity,
        active,
        acknowledged,
        since: new Date(raisedAt).toISOString(),
        count,
        ...(detail !== undefined && { detail }),
        text,
        action,
      };
    });
  }

  records(): readonly AlarmRecord[] {
    return this.book.records();
  }

  record(id: string): AlarmRecord | undefined {
    return this.book.record(id);
  }

  forget(id: string): void {
    this.book.forget(id);
  }

  acknowledge(id: string, by: string, moment: Moment): "unknown_alarm" | "not_raised" | undefined {
    return this.book.acknowledge(id, by, moment);
  }

  protected signal(
    name: Name | CommonAlarm,
    object: string,
    level: Level,
    moment: Moment,
    detail = "",
  ): void {
    const told = level !== "cleared" && detail !== "" ? { level, detail } : { level };
    this.book.signal(name, object, told, moment);
  }
}
