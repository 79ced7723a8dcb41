/**
 * When a module's node is asked for keys, in request mode (Kq-1 §7.2): while there is less than a low-water mark,
 * one request at a time, so that both ends of a link cut its blocks alike. Time and chance are passed in.
 */
import type { Duration } from "../../base/duration.ts";
import { backoff } from "../../base/retry.ts";
import type { KeyResponseWord, KeyWish } from "../../wire/kq1/key-request.ts";

export interface WishOptions {
  /** Of each key, bits; a multiple of 8. */
  readonly size: number;
  /** Keys of one request. */
  readonly number: number;
  /** Bytes that there are of this module's keys now, wherever they are. */
  readonly stock: () => number;
  /** Keys are asked for when there are fewer bytes than `low`, until there are `high`. */
  readonly low: number;
  readonly high: number;
  /** Whether keys that come now would be stored. */
  readonly hasRoom: () => boolean;
  /** Waits after an answer without keys, or none: from the first to the last, ms. */
  readonly firstWaitMs: number;
  readonly lastWaitMs: number;
  /** An answer is there within this time, or the request is made again, ms. */
  readonly answerTimeout: Duration;
  /** Draws the name of a request: 16 to 128 printable characters, never the same twice. */
  readonly drawToken: () => string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** A node gives a repeat the same keys for 60 s from its first answer: asked for anew a little sooner, ms. */
const repeatableMs = 50_000;

export class Wishes {
  readonly #options: WishOptions;
  #waits: Generator<number, never>;
  /** Asked for, and without an answer that settles it. */
  #open: { readonly wish: KeyWish; readonly since: number } | undefined;
  /** It is asked again from this moment on. */
  #notBefore = 0;
  #isFilling = false;
  /** Requests that were made, and made again. */
  asked = 0;
  repeated = 0;

  constructor(options: WishOptions) {
    this.#options = options;
    this.#waits = this.#newWaits();
  }

  /**
   * What is to be asked for now, by a connection that can carry it.
   * @returns undefined: nothing, look again after {@link waitMs}
   */
  next(now: number): KeyWish | undefined {
    const { hasRoom, number, size, drawToken, answerTimeout } = this.#options;
    if (now < this.#notBefore || !hasRoom()) return undefined;
    if (this.#open === undefined && !this.#isShort()) return undefined;
    this.#notBefore = now + answerTimeout;
    if (this.#open !== undefined && now - this.#open.since < repeatableMs) this.repeated++;
    else {
      // The name of one that is older may be forgotten at the node; what it gave is lost then.
      this.#open = { wish: { number, size, token: drawToken() }, since: now };
      this.asked++;
    }
    return this.#open.wish;
  }

  /** ms until it is worth looking again, if nothing else happens before. */
  waitMs(now: number): number {
    return Math.max(this.#notBefore - now, 0);
  }

  /**
   * An answer came, of any connection.
   * @param token of the request; an answer to one that is settled changes nothing
   */
  answered(now: number, token: string, response: KeyResponseWord): void {
    if (this.#open?.wish.token !== token) return;
    if (response === "success") {
      this.#open = undefined;
      this.#notBefore = now;
      this.#waits = this.#newWaits();
      return;
    }
    // A node that is busy may have given keys to this very request before.
    if (response !== "busy") this.#open = undefined;
    this.#notBefore = now + this.#waits.next().value;
  }

  /** The connection by which it was asked has ended: it is asked again by the next, under its name. */
  lost(now: number): void {
    if (this.#open !== undefined) this.#notBefore = now;
  }

  /** The request could not be made. */
  failed(now: number): void {
    this.#notBefore = now + this.#waits.next().value;
  }

  /** Between the two marks it depends on which was passed last. */
  #isShort(): boolean {
    const { stock, low, high } = this.#options;
    const now = stock();
    if (now < low) this.#isFilling = true;
    else if (now >= high) this.#isFilling = false;
    return this.#isFilling;
  }

  #newWaits(): Generator<number, never> {
    const { firstWaitMs, lastWaitMs, random } = this.#options;
    return backoff({ firstMs: firstWaitMs, maxMs: lastWaitMs, random });
  }
}
