/**
 * All alarms of a program. Rules and other parts say what they see; the book says, in order, which
 * transitions come of it. Time is passed in; nothing here waits.
 */
import {
  Alarm,
  type AlarmRecord,
  type AlarmTiming,
  type FlapLimits,
  type Signal,
  type Transition,
  timingOf,
} from "./alarm.ts";
import type { AlarmKind } from "./alarm-kind.ts";
import type { Moment, Severity } from "./severity.ts";

export interface BookOptions<Name extends string> {
  /** Every alarm that the program can raise. */
  readonly catalogue: Readonly<Record<Name, AlarmKind>>;
  readonly flap: FlapLimits;
  /** Another timing than the catalogue's, for one alarm of one object. */
  readonly timing?: (name: Name, object: string) => Partial<AlarmTiming> | undefined;
  /**
   * A new alarm is kept only while there are fewer in the book that are not over than this: what others may make up leaves room for the
   * rest. Default: {@link mostAlarms}.
   */
  readonly room?: (name: Name, object: string) => number;
  /** Called for each transition, in order. */
  readonly onTransition: (transition: Transition) => void;
}

/**
 * More different alarms than this are not kept: something invents objects. As many that are over are kept beside them,
 * until the manager has seen that.
 */
export const mostAlarms = 512;

interface Entry {
  readonly alarm: Alarm;
  readonly timing: AlarmTiming;
}

/** Stable identity of an alarm, and a level of its topic: `qber_high.alice`. */
export function alarmId(name: string, object: string): string {
  return `${name}.${object}`;
}

export class AlarmBook<Name extends string> {
  readonly #options: BookOptions<Name>;
  readonly #entries = new Map<string, Entry>();
  /** Those that are over, and not forgotten. */
  readonly #over = new Set<string>();
  /** How often an alarm could not be kept because there were too many. */
  refused = 0;

  constructor(options: BookOptions<Name>) {
    this.#options = options;
  }

  /** A condition as it is now. Unknown objects begin cleared. */
  signal(name: Name, object: string, signal: Signal, moment: Moment): void {
    const quiet = signal.level === "cleared";
    const entry = quiet ? this.#entries.get(alarmId(name, object)) : this.#entry(name, object);
    if (entry === undefined) return;
    entry.alarm.signal(signal, moment);
    this.#tick(entry, moment);
  }

  /**
   * Something occurred. Over when it does not occur again for the quiet time of its kind.
   * @param level default: the worst that the kind may have
   */
  occurred(
    name: Name,
    object: string,
    moment: Moment,
    facts: Omit<Signal, "level"> & { readonly level?: Severity } = {},
  ): void {
    const entry = this.#entry(name, object);
    if (entry === undefined) return;
    entry.alarm.occurred({ level: this.#options.catalogue[name].severities[0], ...facts }, moment);
    this.#tick(entry, moment);
  }

  /** Lets hold-offs and quiet times run out; called at least every second. */
  tick(moment: Moment): void {
    for (const [id, entry] of this.#entries) {
      this.#tick(entry, moment);
      if (entry.alarm.idle(moment.now)) this.#entries.delete(id);
    }
  }

  /**
   * An operator acknowledged an alarm. What is latched and over is cleared by it.
   * @param by who, as an audit should name it
   * @returns why not; undefined if it was acknowledged
   */
  acknowledge(id: string, by: string, moment: Moment): "unknown_alarm" | "not_raised" | undefined {
    const entry = this.#entries.get(id);
    if (entry?.alarm.record === undefined) return "unknown_alarm";
    const transition = entry.alarm.acknowledge(by, moment);
    if (transition === undefined) return "not_raised";
    this.#tell(transition);
    return undefined;
  }

  /** Every alarm that is raised, or was and is not forgotten yet. */
  records(): AlarmRecord[] {
    return [...this.#entries.values()].flatMap(({ alarm }) => alarm.record ?? []);
  }

  /** One alarm as it was told last. */
  record(id: string): AlarmRecord | undefined {
    return this.#entries.get(id)?.alarm.record;
  }

  /** The manager has seen that it is cleared: it need not be remembered. */
  forget(id: string): void {
    this.#entries.get(id)?.alarm.forget();
    this.#over.delete(id);
  }

  /**
   * Goes on from the records of before a restart.
   * @param known whether an object still exists; the alarms of one that does not are cleared
   */
  restore(
    records: readonly AlarmRecord[],
    known: (name: Name, object: string) => boolean,
    moment: Moment,
  ): void {
    for (const record of records) {
      const { name, object } = record;
      if (!this.#isName(name)) continue;
      // What was told of before is gone on with, or told to be over: there are no more than were kept.
      const entry = this.#entry(name, object, mostAlarms);
      if (entry === undefined) continue;
      if (record.severity !== "cleared" && !known(name, object)) {
        entry.alarm.restore({ ...record, acknowledged: true, flapping: false }, moment);
        entry.alarm.signal({ level: "cleared" }, moment);
        const told = entry.alarm.tick(moment, { raiseAfterMs: 0, clearAfterMs: 0 });
        if (told !== undefined) this.#tell(told);
      } else {
        entry.alarm.restore(record, moment);
        this.#note(record);
      }
    }
  }

  #isName(name: string): name is Name {
    return Object.hasOwn(this.#options.catalogue, name);
  }

  #entry(
    name: Name,
    object: string,
    most = this.#options.room?.(name, object) ?? mostAlarms,
  ): Entry | undefined {
    const id = alarmId(name, object);
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    if (this.#entries.size - this.#over.size >= most) {
      this.refused++;
      return undefined;
    }
    const kind = this.#options.catalogue[name];
    const entry = {
      alarm: new Alarm(id, name, object, kind, this.#options.flap),
      timing: { ...timingOf(kind), ...this.#options.timing?.(name, object) },
    };
    this.#entries.set(id, entry);
    return entry;
  }

  #tick({ alarm, timing }: Entry, moment: Moment): void {
    const transition = alarm.tick(moment, timing);
    if (transition !== undefined) this.#tell(transition);
  }

  #tell(transition: Transition): void {
    this.#note(transition.record);
    this.#options.onTransition(transition);
  }

  /** Of too many that are over one is dropped that was raised last: a broker that is away since before has none of it. */
  #note({ id, severity }: AlarmRecord): void {
    if (severity !== "cleared") this.#over.delete(id);
    else this.#over.add(id);
    if (this.#over.size <= mostAlarms) return;
    const raisedAt = (one: string) => this.record(one)?.raisedAt ?? Number.POSITIVE_INFINITY;
    const last = [...this.#over].reduce((a, b) => (raisedAt(b) > raisedAt(a) ? b : a));
    this.#over.delete(last);
    this.#entries.delete(last);
  }
}
