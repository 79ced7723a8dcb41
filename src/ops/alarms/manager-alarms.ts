/** Alarms about the way to the manager: what they are, and what raises them. Pure. */
import type { AlarmKind } from "./alarm-kind.ts";
import type { AlarmBook } from "./book.ts";
import type { Moment } from "./severity.ts";

const minute = 60_000;

/**
 * @param called what the program is: `node`
 * @param id the key of its configuration that has its ID: `node.id`
 */
export function managerKinds(called: string, id: string) {
  return {
    broker_unreachable: {
      type: "communications",
      cause: "communicationsSubsystemFailure",
      severities: ["minor"],
      raiseAfterMs: 10_000,
      clearAfterMs: 5_000,
      text: "the manager's broker could not be reached",
      action: "check broker, network and credentials; alarms and events were kept",
    },
    broker_takeover: {
      type: "security",
      cause: "duplicateInformation",
      severities: ["major"],
      latched: true,
      quietMs: 10 * minute,
      text: `another client has this ${called}'s client identifier, or the broker keeps ending its connections`,
      // A broker knows clients by this identifier alone, of whatever kind they are.
      action: `find who else has this ${id}: a node, key manager or controller with the same ID, or whoever has its credentials`,
    },
    events_lost: {
      type: "processing_error",
      cause: "queueSizeExceeded",
      severities: ["major"],
      latched: true,
      quietMs: minute,
      text: "events were given up: the outbox was full, its disk failed, or they were longer than the broker takes",
      action: `the gap shows in the sequence numbers; the ${called}'s own log may have what is missing`,
    },
    command_refused: {
      type: "security",
      cause: "unauthorizedAccessAttempt",
      severities: ["warning"],
      quietMs: 10 * minute,
      text: "commands came that no known key has signed, or that their key may not give",
      action: `see the events; find out who publishes to this ${called}'s command topic`,
    },
  } as const satisfies Readonly<Record<string, AlarmKind>>;
}

export type ManagerAlarm = keyof ReturnType<typeof managerKinds>;

const object = "manager";

export class ManagerRules {
  readonly #book: Pick<AlarmBook<ManagerAlarm>, "signal" | "occurred">;
  #lost = 0;

  constructor(book: Pick<AlarmBook<ManagerAlarm>, "signal" | "occurred">) {
    this.#book = book;
  }

  brokerUp(moment: Moment): void {
    this.#book.signal("broker_unreachable", object, { level: "cleared" }, moment);
  }

  brokerDown(why: string, takenOver: boolean, moment: Moment): void {
    const signal = { level: "minor", detail: why } as const;
    this.#book.signal("broker_unreachable", object, signal, moment);
    if (takenOver) this.#book.occurred("broker_takeover", object, moment, { detail: why });
  }

  /** @param lost events given up so far */
  eventsLost(lost: number, moment: Moment): void {
    if (lost > this.#lost) this.#book.occurred("events_lost", object, moment, { value: lost });
    this.#lost = lost;
  }

  /** A command came with an unknown key, or with one that may not give it. */
  intruder(reason: string, moment: Moment): void {
    this.#book.occurred("command_refused", object, moment, { detail: reason });
  }
}
