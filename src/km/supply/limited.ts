/**
 * What the other KM refuses because it has too many keys on their way, or does not answer for in time, is void: who asks
 * again and again would burn stock each time. So requests for as many keys or more wait for a while, of which one goes
 * then; while it does not answer, as when its disk hangs, all of them do. Pure.
 */
import type { Shortage } from "./request.ts";

/** After a refusal the next goes after the first, doubling to the second, ms. */
const firstMs = 1_000;
const lastMs = 10_000;

export class Limited {
  /** Monotonic, ms. */
  readonly #now: () => number;
  /** Uniform in [0, 1). */
  readonly #random: () => number;
  /** So many were refused last, or are tried: of fewer it is not known. */
  #keys = Number.POSITIVE_INFINITY;
  #wait = 0;
  #until = 0;
  /** Why those are not sent. */
  #why: Shortage = "refused";

  constructor(now: () => number, random: () => number) {
    this.#now = now;
    this.#random = random;
  }

  /**
   * Why a request for so many is not to be sent now; undefined: it is. After a wait that is said once, and the next waits
   * longer.
   */
  shortage(keys: number): Shortage | undefined {
    if (keys < this.#keys) return undefined;
    if (this.#now() < this.#until) return this.#why;
    this.#keys = keys;
    this.#begin();
    return undefined;
  }

  /** So many were refused. */
  refused(keys: number): void {
    this.#over(keys, "refused");
  }

  /** No answer came in time: one key would have had none either. */
  late(): void {
    this.#over(1, "late");
  }

  /** A session began: what was late may have been the connection's. */
  begun(): void {
    if (this.#why === "late") this.#end();
  }

  #over(keys: number, why: Shortage): void {
    this.#keys = Math.min(this.#keys, keys);
    this.#why = why;
    // Others that were sent together with one that was refused say no more than that did.
    if (this.#now() >= this.#until) this.#begin();
  }

  /** They were bound. */
  bound(keys: number): void {
    if (keys >= this.#keys) this.#end();
  }

  #end(): void {
    this.#keys = Number.POSITIVE_INFINITY;
    this.#wait = 0;
    this.#until = 0;
  }

  #begin(): void {
    this.#wait = Math.min(lastMs, Math.max(firstMs, 2 * this.#wait));
    this.#until = this.#now() + this.#wait * (1 - 0.5 * this.#random());
  }
}
