/**
 * What a module's way to its KM tells the event log: bounded, whatever the module does. Alarms see all of it: one that is
 * left out may be the one that ends an alarm, or the only one that the chassis was opened.
 */

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
  /** What is told: so many of a kind a minute. */
  readonly onEvent: (event: NodeEvent) => void;
  /** All of them, after `onEvent`. */
  readonly onSeen?: ((event: NodeEvent) => void) | undefined;
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
    if (left === undefined) return this.#parts.onSeen?.(this.#event(type, facts));
    const all = withLeft(facts, left);
    this.#parts.log.info(type, all);
    this.tell(type, all, routine.includes(type));
  }

  /** The module says that something happened. */
  module(event: ModuleEvent): void {
    const left = this.#limit.take(`module_event ${event.code}`);
    if (left === undefined) return this.#parts.onSeen?.(this.#event("module_event", { ...event }));
    const { code, severity, text } = event;
    const logged = withLeft({ code, severity, text: shortText(text, longestText) }, left);
    this.#parts.log.warn("module event", logged);
    this.tell("module_event", withLeft({ ...event }, left));
  }

  /** A driver finds that something is not so: for alarms of before; no event, since nothing happened. */
  absent(code: string): void {
    const facts = { code, severity: "cleared", text: "" };
    this.#parts.onSeen?.(this.#event("module_event", facts));
  }

  tell(type: string, facts: NodeEvent["facts"], isRoutine = false): void {
    const event = this.#event(type, facts, isRoutine);
    this.#parts.onEvent(event);
    this.#parts.onSeen?.(event);
  }

  #event(type: string, facts: NodeEvent["facts"], routine = false): NodeEvent {
    const { module, clock } = this.#parts;
    return { type, module, at: clock.wall(), facts, routine };
  }
}

/** @param left how many of the kind were left out before it */
function withLeft(facts: CustodyEvent["facts"], left: number): CustodyEvent["facts"] {
  return left === 0 ? facts : { ...facts, left_out: left };
}
