/** Retained messages that a broker is to have: of each topic the latest, until it has that. */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Outgoing } from "../mqtt/session.ts";

export interface Retained extends Outgoing {
  /** Called when the broker has it, unless there is a newer one. */
  readonly whenTaken?: () => void;
}

/** What a broker refused is offered again this much later, ms. */
export const retainedPause = 30_000;

export class RetainedTopics {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  /** Not given to the broker yet, by topic. */
  readonly #due = new Map<string, Retained>();
  /** The latest of each topic, until the broker has it: a message that is none of these is out of date. */
  readonly #latest = new Map<string, Retained>();
  /** Refused, by topic: they wait. */
  readonly #refused = new Map<string, Retained>();
  /** Why one of a topic was refused, as it was told. */
  readonly #told = new Map<string, string>();
  #pause: Timer | undefined;

  /** @param onDue called when a refused one can be given again */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** In the place of one of the same topic. */
  set(message: Retained): void {
    const { topic } = message;
    this.#due.set(topic, message);
    this.#latest.set(topic, message);
    this.#refused.delete(topic);
  }

  /** The next for the broker; it counts as given now. */
  next(): Retained | undefined {
    const message = this.#due.values().next().value;
    if (message !== undefined) this.#due.delete(message.topic);
    return message;
  }

  /** The broker was not given the latest of this topic, or refused it. */
  waits(topic: string): boolean {
    return this.#due.has(topic) || this.#refused.has(topic);
  }

  /** The broker has it. */
  done(message: Retained): void {
    const { topic } = message;
    this.#told.delete(topic);
    // Of one that is out of date it is not to be said that the broker has what was wanted.
    if (this.#latest.get(topic) !== message) return;
    this.#latest.delete(topic);
    message.whenTaken?.();
  }

  /**
   * The broker does not take it now: it is due again after a pause, unless there is a newer one.
   * @returns whether that is to be told: the same of one topic is not told twice in a row
   */
  refused(message: Retained, why: string): boolean {
    const { topic } = message;
    if (this.#latest.get(topic) === message) this.#refused.set(topic, message);
    this.#pause ??= this.#clock.after(retainedPause, () => this.#again());
    return this.#isNew(topic, why);
  }

  /** The broker will never take it. @returns as {@link refused} does */
  drop(message: Retained, why: string): boolean {
    const { topic } = message;
    if (this.#latest.get(topic) === message) this.#latest.delete(topic);
    return this.#isNew(topic, why);
  }

  /** There is another connection, or the last message of this one: all else is forgotten. */
  clear(): void {
    this.stop();
    for (const map of [this.#due, this.#latest, this.#refused, this.#told]) map.clear();
  }

  /** Offers nothing again by itself. */
  stop(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
  }

  #isNew(topic: string, why: string): boolean {
    const isNew = this.#told.get(topic) !== why;
    this.#told.set(topic, why);
    return isNew;
  }

  #again(): void {
    this.#pause = undefined;
    for (const [topic, message] of this.#refused) this.#due.set(topic, message);
    this.#refused.clear();
    this.#onDue();
  }
}
