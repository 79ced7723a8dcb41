/** What a module's way to its KM tells the event log: bounded, whatever the module does. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { shortText } from "../../base/short-text.ts";
import { EventLimit } from "../../ops/events/event-limit.ts";
import type { ModuleEvent } from "../../port/module.ts";
import type { CustodyEvent } from "../custody/events.ts";
import type { NodeEvent } from "../model/manager.ts";

/** Of what a module says, in the log, characters. */
const longestText = 200;
/** Events of blocks that come by the thousand where a link is bad; counters and alarms tell as well. */
const routine: readonly string[] = [
  "block_empty",
  "block_without_qber",
  "key_withheld",
  "key_waits_for_km",
  "block_replayed",
];

export interface ChannelEventsParts {
  readonly module: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly onEvent: (event: NodeEvent) => void;
}

export class ChannelEvents {
  readonly #parts: ChannelEventsParts;
  readonly #limit: EventLimit;

  constructor(parts: ChannelEventsParts) {
    this.#parts = parts;
    this.#limit = new EventLimit(parts.clock);
  }

  /** Custody says what became of a key. */
  custody({ type, facts }: CustodyEvent): void {
    const left = this.#limit.take(`${type} ${facts.reason ?? ""}`);
    if (left === undefined) return;
    const all = left === 0 ? facts : { ...facts, left_out: left };
    this.#parts.log.info(type, all);
    this.tell(type, all, routine.includes(type));
  }

  /** The module says that something happened. */
  module(event: ModuleEvent): void {
    if (this.#limit.take(`module_event ${event.code}`) === undefined) return;
    const { code, severity, text } = event;
    this.#parts.log.warn("module event", { code, severity, text: shortText(text, longestText) });
    this.tell("module_event", { ...event });
  }

  tell(type: string, facts: NodeEvent["facts"], isRoutine = false): void {
    const { module, clock, onEvent } = this.#parts;
    onEvent({ type, module, at: clock.wall(), facts, routine: isRoutine });
  }
}
