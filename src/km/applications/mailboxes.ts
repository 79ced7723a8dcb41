/**
 * What this KM has to tell applications that have not asked (Q.4160 I.2): each takes one notice after the other while it
 * listens, and answers it. A notice is bounded in time, and few wait; keys are named in it by their IDs alone. Pure.
 */
import type { Timer } from "../../base/clock.ts";

export interface Notice {
  readonly session: string;
  /** SAE ID of who began the session. */
  readonly source: string;
  /** KSA-key IDs, 32 hexadecimal digits each, that the application is brought; undefined: it is asked to take part. */
  readonly keys?: readonly string[];
  /** The session is over. */
  readonly isOver?: true;
}

/** Why a notice has no answer: its application does not listen; none came in time; too many wait; its keys are not to be had. */
export type Unanswered = "away" | "late" | "busy" | "keys";

/** What an application answered. */
export interface Answer {
  /** It takes part, or has these keys. */
  readonly accepted: boolean;
}

export interface Letter {
  /** A UUID. */
  readonly id: string;
  readonly notice: Notice;
}

interface Kept extends Letter {
  /** It waits for its application to listen again. */
  readonly isLeft: boolean;
  readonly timer: Timer;
  readonly done: (result: Answer | Unanswered) => void;
}

interface Poll {
  readonly give: (letter: Letter | undefined) => void;
  readonly timer: Timer;
}

interface Box {
  /** Not given to their application yet; the oldest first. */
  readonly waiting: Kept[];
  /** By ID: without an answer. */
  readonly open: Map<string, Kept>;
  poll: Poll | undefined;
  /** When it last listened, or answered; monotonic, ms. */
  heardAt: number;
}

/** Notices of one application without an answer; of those that are left for it the oldest go. */
const mostOfOne = 64;
/** Who listened so short a time ago is about to listen again, ms. */
const graceMs = 5_000;

export interface MailboxParts {
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly after: (ms: number, fn: () => void) => Timer;
  /** A UUID. */
  readonly newId: () => string;
}

export class Mailboxes {
  readonly #parts: MailboxParts;
  readonly #boxes = new Map<string, Box>();

  constructor(parts: MailboxParts) {
    this.#parts = parts;
  }

  isListening(application: string): boolean {
    const box = this.#boxes.get(application);
    if (box === undefined) return false;
    return box.poll !== undefined || this.#parts.now() - box.heardAt < graceMs;
  }

  /**
   * @param within it is answered, ms
   * @param done once
   * @returns takes the notice back: an answer to it comes too late then
   */
  tell(application: string, notice: Notice, within: number, done: Kept["done"]): () => void {
    const box = this.#boxes.get(application);
    const refused = (why: Unanswered) => {
      done(why);
      return () => {};
    };
    if (box === undefined || !this.isListening(application)) return refused("away");
    const asked = [...box.open.values()].filter(({ isLeft }) => !isLeft);
    if (asked.length >= mostOfOne) return refused("busy");
    const id = this.#put(box, application, { notice, within, isLeft: false, done });
    return () => this.fail(application, id, "away");
  }

  /**
   * Tells an application what it need not answer: when it listens again, if it does not now. One that never listened is
   * told nothing. @param within it may hear it, ms
   */
  leave(application: string, notice: Notice, within: number): void {
    const box = this.#boxes.get(application);
    if (box === undefined) return;
    const left = [...box.open.values()].filter(({ isLeft }) => isLeft);
    if (left.some((one) => one.notice.session === notice.session)) return;
    const [oldest] = left;
    if (left.length >= mostOfOne && oldest) this.fail(application, oldest.id, "late");
    this.#put(box, application, { notice, within, isLeft: true, done: () => {} });
  }

  #put(
    box: Box,
    application: string,
    { within, ...more }: Pick<Kept, "notice" | "isLeft" | "done"> & { readonly within: number },
  ): string {
    const id = this.#parts.newId();
    const timer = this.#parts.after(within, () => this.fail(application, id, "late"));
    const letter = { id, timer, ...more };
    box.open.set(id, letter);
    box.waiting.push(letter);
    this.#give(box);
    return id;
  }

  /**
   * An application listens for one notice; one that listened before hears nothing any more.
   * @param wait for so long, ms
   * @param give is called once, unless it is cancelled: undefined if there was none
   * @returns cancels it: the application went away
   */
  listen(application: string, wait: number, give: Poll["give"]): () => void {
    const { now, after } = this.#parts;
    const known = this.#boxes.get(application);
    const box = known ?? { waiting: [], open: new Map(), poll: undefined, heardAt: now() };
    if (known === undefined) this.#boxes.set(application, box);
    this.#end(box);
    const poll: Poll = { give, timer: after(wait, () => this.#end(box)) };
    box.poll = poll;
    this.#give(box);
    return () => {
      if (box.poll !== poll) return;
      poll.timer.cancel();
      box.poll = undefined;
      box.heardAt = Number.NEGATIVE_INFINITY;
    };
  }

  /** A notice of the application that has no answer yet. */
  find(application: string, id: string): Notice | undefined {
    return this.#boxes.get(application)?.open.get(id)?.notice;
  }

  /** @returns false if there is no such notice any more */
  answer(application: string, id: string, answer: Answer): boolean {
    const box = this.#boxes.get(application);
    if (box !== undefined) box.heardAt = this.#parts.now();
    return this.#over(application, id, answer);
  }

  /** A notice comes to nothing. */
  fail(application: string, id: string, why: Unanswered): void {
    this.#over(application, id, why);
  }

  /** Those of applications that are not in the table any more are forgotten. */
  keep(known: (application: string) => boolean): void {
    for (const [application, box] of this.#boxes) {
      if (known(application)) continue;
      this.#end(box);
      for (const id of [...box.open.keys()]) this.#over(application, id, "away");
      this.#boxes.delete(application);
    }
  }

  close(): void {
    this.keep(() => false);
  }

  #over(application: string, id: string, result: Answer | Unanswered): boolean {
    const box = this.#boxes.get(application);
    const letter = box?.open.get(id);
    if (box === undefined || letter === undefined) return false;
    box.open.delete(id);
    const place = box.waiting.indexOf(letter);
    if (place >= 0) box.waiting.splice(place, 1);
    letter.timer.cancel();
    letter.done(result);
    return true;
  }

  #give(box: Box): void {
    if (box.poll === undefined || box.waiting.length === 0) return;
    this.#end(box, box.waiting.shift());
  }

  #end(box: Box, letter?: Letter): void {
    const { poll } = box;
    if (poll === undefined) return;
    box.poll = undefined;
    box.heardAt = this.#parts.now();
    poll.timer.cancel();
    poll.give(letter);
  }
}
