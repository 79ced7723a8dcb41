/** Keeps the alarms in the state that survives a restart, in step with the outbox. */

import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { AlarmRecord } from "../alarms/alarm.ts";
import type { SavedAlarm } from "../alarms/saved.ts";

/** Of the state that survives a restart. */
export interface AlarmsOfState {
  /** Alarms that are raised, or whose clearing the manager has not seen. */
  alarms?: SavedAlarm[] | undefined;
  /** The last event in the outbox whose alarm is among them. */
  alarms_to?: number | undefined;
}

export interface SavedAlarmsParts {
  readonly state: {
    readonly data: Readonly<AlarmsOfState>;
    /** @throws Fault `state.io` */
    change(edit: (data: AlarmsOfState) => void): Promise<void>;
  };
  readonly log: Log;
  /** Resolves when the transitions so far are durable. */
  readonly told: () => Promise<void>;
  /** Transitions from this one on are not in the state yet; undefined: all are. */
  readonly unsaved: (from: number | undefined) => void;
}

export class SavedAlarms {
  readonly #parts: SavedAlarmsParts;
  readonly #records: () => readonly AlarmRecord[];
  readonly #onWritten: (trouble: Error | undefined) => void;
  #saving: Promise<void> | undefined;
  #changed = false;
  /** The first transition that is not in the state, and the last of all. */
  #unsaved: number | undefined;
  #last: number;

  /** @param onWritten told whether the state could be written */
  constructor(
    parts: SavedAlarmsParts,
    records: () => readonly AlarmRecord[],
    onWritten: (trouble: Error | undefined) => void,
  ) {
    this.#parts = parts;
    this.#records = records;
    this.#onWritten = onWritten;
    this.#last = parts.state.data.alarms_to ?? 0;
  }

  /** A transition was told. @param id grows with each, across restarts */
  transition(id: number): void {
    this.#last = id;
    this.#unsaved ??= id;
    this.#parts.unsaved(this.#unsaved);
    this.save();
  }

  save(): void {
    this.#changed = true;
    this.#saving ??= this.#write().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Resolves when what is being written is on disk, or cannot be. Never rejects. */
  async settled(): Promise<void> {
    await this.#saving;
  }

  /**
   * First the outbox, then the state, then the broker: after a cut anywhere a transition is in the
   * outbox, the state, or both, and what is in the outbox alone is found there.
   */
  async #write(): Promise<void> {
    const { state, told, log } = this.#parts;
    // What else this turn brings goes with it.
    await Promise.resolve();
    while (this.#changed) {
      this.#changed = false;
      const alarms = this.#records().map((record) => ({ ...record }) as SavedAlarm);
      const last = this.#last;
      await told();
      try {
        await state.change((data) => {
          data.alarms = alarms;
          data.alarms_to = last;
        });
        this.#onWritten(undefined);
      } catch (error) {
        log.error("alarms would not survive a restart", { why: describe(error) });
        this.#onWritten(error as Error);
        // Told all the same: a full disk must not silence the node.
        this.#unsaved = undefined;
        this.#parts.unsaved(undefined);
        return;
      }
      this.#unsaved = this.#last > last ? last + 1 : undefined;
      this.#parts.unsaved(this.#unsaved);
    }
  }
}
