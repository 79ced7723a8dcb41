/**
 * Answers that an application may have again, by its Idempotency-Key: a lost answer costs no key then. They have keys in
 * them: in memory alone, few, for a short time, wiped after. A restart forgets them: the same question is a new one.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import { keyMemory, wipeMemory } from "../../port/key.ts";

/** From the answer on, as the documentation of the door says, ms. */
export const keptForMs = 60_000;
const mostAnswers = 4_096;
const mostBytes = 8_388_608;
/** Of those that ask the same again, and wait for its answer. */
const mostWaiting = 64;

/** Gives an answer: a copy of its own, which the receiver wipes; undefined: there was no key. */
export type Tell = (body: Buffer | undefined) => void;

/**
 * Hands in the answer to a question. @param body copied; undefined: there is none, and the next question of that name is a
 * new one. Once, and at last: until then it is the answer that who asks again waits for
 */
export type KeepAnswer = (body: Buffer | undefined) => void;

/** What is kept for one who asks. */
interface Share {
  readonly of: string;
  /** The oldest first. */
  readonly names: Set<string>;
  bytes: number;
}

interface Kept {
  readonly share: Share;
  readonly question: string;
  /** Undefined until it is there. */
  body: Buffer | undefined;
  readonly waiting: Tell[];
  /** Undefined until the answer is there. */
  timer: Timer | undefined;
}

export class KeptAnswers {
  readonly #clock: Pick<Clock, "after">;
  readonly #kept = new Map<string, Kept>();
  /** By who asks. */
  readonly #shares = new Map<string, Share>();
  #bytes = 0;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  /**
   * A question with a name comes.
   * @param name of it, and of who asks
   * @param question what is asked: it is the same each time
   * @param tell is called with the answer if the question was asked before, maybe later
   * @param of who asks: where there is no room for all, the one with most makes room
   * @returns of a new question what takes its answer; "again": it was asked before; "other": the name is of another question;
   *   "busy": too many wait for its answer
   */
  asked(
    name: string,
    question: string,
    tell: Tell,
    of: string,
  ): KeepAnswer | "again" | "other" | "busy" {
    const kept = this.#kept.get(name);
    if (kept !== undefined) {
      if (kept.question !== question) return "other";
      if (kept.body !== undefined) tell(copyOf(kept.body));
      else if (kept.waiting.length >= mostWaiting) return "busy";
      else kept.waiting.push(tell);
      return "again";
    }
    const share = this.#shares.get(of) ?? { of, names: new Set(), bytes: 0 };
    this.#shares.set(of, share);
    share.names.add(name);
    const begun: Kept = { share, question, body: undefined, waiting: [], timer: undefined };
    this.#kept.set(name, begun);
    if (this.#kept.size > mostAnswers) this.#dropOldest(({ names }) => names.size);
    return (body) => this.#keep(name, begun, body);
  }

  #keep(name: string, kept: Kept, body: Buffer | undefined): void {
    // Where it was dropped meanwhile, another question may have its name.
    if (this.#kept.get(name) !== kept || kept.body !== undefined) return;
    const waiting = kept.waiting.splice(0);
    if (body === undefined) this.#drop(name);
    else {
      kept.body = copyOf(body);
      kept.timer = this.#clock.after(keptForMs, () => this.#drop(name));
      this.#count(kept, body.length);
      while (this.#bytes > mostBytes) this.#dropOldest(({ bytes }) => bytes);
    }
    for (const tell of waiting) tell(body && copyOf(body));
  }

  /** Of who has most of them, or of their bytes. */
  #dropOldest(sizeOf: (share: Share) => number): void {
    let most: Share | undefined;
    for (const share of this.#shares.values()) {
      if (most === undefined || sizeOf(share) > sizeOf(most)) most = share;
    }
    const oldest = most?.names.keys().next().value;
    if (oldest !== undefined) this.#drop(oldest);
  }

  #count({ share }: Kept, bytes: number): void {
    this.#bytes += bytes;
    share.bytes += bytes;
  }

  #drop(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    kept.timer?.cancel();
    this.#kept.delete(name);
    this.#count(kept, -(kept.body?.length ?? 0));
    const { of, names } = kept.share;
    names.delete(name);
    if (names.size === 0) this.#shares.delete(of);
    if (kept.body !== undefined) wipeMemory(kept.body);
    for (const tell of kept.waiting) tell(undefined);
  }

  close(): void {
    for (const name of [...this.#kept.keys()]) this.#drop(name);
  }
}

function copyOf(body: Buffer): Buffer {
  const copy = keyMemory(body.length);
  body.copy(copy);
  return copy;
}
