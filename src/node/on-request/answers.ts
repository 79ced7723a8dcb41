/**
 * Answers to key requests that are not settled: on their way to the disk or to the KM, or kept so that
 * their request can be repeated. Pure.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import { Queue } from "../../base/queue.ts";
import { answerKept, type Sending } from "../keys/ports.ts";
import { tokenOf } from "./request-claimant.ts";
import type { Given, Holding } from "./stock.ts";

/** Answers that are not settled; a KM that asks for more is told to wait. */
const mostAnswers = 16_384;

export class Answer<Owner> {
  readonly claimant: string;
  readonly given: Given<Owner>[];
  /** Its request can be repeated now. */
  repeatable: boolean;
  /** It is on disk what its keys were given for. */
  ready = false;
  /** How often it is being sent now. */
  sendings = 0;
  /** End those sendings. */
  readonly cuts = new Set<() => void>();
  /** Some sending of it was complete. */
  sent = false;
  /** Some of it may have left. */
  torn = false;
  /** It was given before this process began, or its keys were forgotten. */
  restored = false;
  /** It was counted as supplied. */
  counted = false;
  /** Its keys are not in memory any more; what became of them the ledger has. */
  forgotten = false;

  constructor(claimant: string, given: Given<Owner>[], repeatable: boolean) {
    this.claimant = claimant;
    this.given = given;
    this.repeatable = repeatable;
  }

  /** Nothing more can happen to it. */
  get isSettled(): boolean {
    return this.sendings === 0 && !this.repeatable;
  }

  /** What is to become of its keys. */
  get outcome(): Sending {
    if (this.sent) return "sent";
    return this.torn ? "torn" : "unsent";
  }
}

export class Answers<Owner> {
  readonly #clock: Clock;
  readonly #settled: (answer: Answer<Owner>) => void;
  readonly #all = new Set<Answer<Owner>>();
  readonly #byToken = new Map<string, Answer<Owner>>();
  /** When they cease to be repeatable, ms; the first of them first. */
  readonly #ends = new Queue<{ readonly answer: Answer<Owner>; readonly at: number }>();
  #timer: Timer | undefined;

  /** @param settled is told of each answer once, when nothing more can happen to it */
  constructor(clock: Clock, settled: (answer: Answer<Owner>) => void) {
    this.#clock = clock;
    this.#settled = settled;
  }

  get full(): boolean {
    return this.#all.size >= mostAnswers;
  }

  add(answer: Answer<Owner>): void {
    this.#all.add(answer);
    const token = tokenOf(answer.claimant);
    if (answer.repeatable && !this.#byToken.has(token)) this.#byToken.set(token, answer);
  }

  /** The answer that has this token, whatever else was asked for with it. */
  withTokenOf(claimant: string): Answer<Owner> | undefined {
    return this.#byToken.get(tokenOf(claimant));
  }

  /** Whether one of them may still be given a piece of this. */
  hasOf(holding: Holding<Owner>): boolean {
    for (const { given } of this.#all) {
      if (given.some(({ piece }) => piece.holding === holding)) return true;
    }
    return false;
  }

  /** It can be sent from now on, and be repeated until {@link answerKept} is over. */
  ready(answer: Answer<Owner>): void {
    answer.ready = true;
    if (!answer.repeatable) return;
    this.#ends.push({ answer, at: this.#clock.now() + answerKept });
    this.#arm();
  }

  /** A sending of it begins. */
  begun(answer: Answer<Owner>): void {
    answer.sendings++;
  }

  /** A sending of it ended, or never began. */
  ended(answer: Answer<Owner>): void {
    if (answer.sendings > 0) answer.sendings--;
    this.#settle(answer);
  }

  /** Forgets all of them. @returns what there was */
  clear(): Answer<Owner>[] {
    const all = [...this.#all];
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#all.clear();
    this.#byToken.clear();
    this.#ends.clear();
    for (const answer of all) answer.forgotten = true;
    return all;
  }

  #arm(): void {
    const next = this.#ends.first;
    if (next === undefined || this.#timer !== undefined) return;
    this.#timer = this.#clock.after(Math.max(0, next.at - this.#clock.now()), () => {
      this.#timer = undefined;
      const now = this.#clock.now();
      for (let end = this.#ends.first; end !== undefined && end.at <= now; end = this.#ends.first) {
        this.#ends.shift();
        end.answer.repeatable = false;
        this.#settle(end.answer);
      }
      this.#arm();
    });
  }

  #settle(answer: Answer<Owner>): void {
    if (!answer.isSettled || !this.#all.delete(answer)) return;
    const token = tokenOf(answer.claimant);
    if (this.#byToken.get(token) === answer) this.#byToken.delete(token);
    this.#settled(answer);
  }
}
