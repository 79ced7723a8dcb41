/**
 * The retained topics of alarms: raised ones show their state; a cleared one is first published as
 * cleared, then its retained message is removed, and only then the alarm is forgotten.
 */

import type { AlarmRecord } from "../alarms/alarm.ts";
import type { AlarmView } from "../alarms/view.ts";

/** Publishes a retained message, instead of one of the same topic that was not sent yet. */
export type Retain = (topic: string, payload: Buffer, then: () => void) => void;

const nothing = Buffer.alloc(0);

export class AlarmTopics {
  readonly #alarms: AlarmView;
  readonly #name: (id: string) => string;
  readonly #payload: (record: AlarmRecord) => Buffer;
  readonly #retain: Retain;

  /** @param name topic of an alarm @param payload what is shown of it */
  constructor(
    alarms: AlarmView,
    name: (id: string) => string,
    payload: (record: AlarmRecord) => Buffer,
    retain: Retain,
  ) {
    this.#alarms = alarms;
    this.#name = name;
    this.#payload = payload;
    this.#retain = retain;
  }

  /** Shows every alarm, to a broker that may know none or old ones. */
  showAll(): void {
    for (const { id } of this.#alarms.records()) this.show(id);
  }

  show(id: string): void {
    const record = this.#alarms.record(id);
    if (record === undefined) return;
    this.#retain(this.#name(id), this.#payload(record), () => {
      if (record.severity === "cleared") this.#remove(id);
    });
  }

  #remove(id: string): void {
    // It may have been raised again meanwhile.
    if (this.#alarms.record(id)?.severity !== "cleared") return;
    this.#retain(this.#name(id), nothing, () => {
      if (this.#alarms.record(id)?.severity === "cleared") this.#alarms.forget(id);
    });
  }
}
