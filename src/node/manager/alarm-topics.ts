/**
 * The retained topics of alarms: raised ones show their state; a cleared one is first published as
 * cleared, then its retained message is removed, and only then the alarm is forgotten.
 */

import type { AlarmView } from "../model/manager.ts";
import * as payloads from "./payloads.ts";
import { topics } from "./topics.ts";

/** Publishes a retained message, instead of one of the same topic that was not sent yet. */
export type Retain = (topic: string, payload: Buffer, then: () => void) => void;

const nothing = Buffer.alloc(0);

export class AlarmTopics {
  readonly #alarms: AlarmView;
  readonly #name: (id: string) => string;
  readonly #boot: number;
  readonly #retain: Retain;

  /** @param name topic of an alarm */
  constructor(alarms: AlarmView, name: (id: string) => string, boot: number, retain: Retain) {
    this.#alarms = alarms;
    this.#name = name;
    this.#boot = boot;
    this.#retain = retain;
  }

  /** Shows every alarm, to a broker that may know none or old ones. */
  showAll(): void {
    for (const { id } of this.#alarms.records()) this.show(id);
  }

  show(id: string): void {
    const record = this.#alarms.record(id);
    if (record === undefined) return;
    const payload = payloads.encode(payloads.alarmState(this.#boot, record));
    this.#retain(this.#name(id), payload, () => {
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

export const alarmTopic = topics.alarm;
