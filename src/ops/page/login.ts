/** Who is logged in, and who tries too often. Pure but for random numbers; time is passed in. */
import { createHmac, hash, randomBytes, timingSafeEqual } from "node:crypto";

/** A login holds this long, ms. */
export const sessionMs = 12 * 3_600_000;
/** At once; the oldest makes way. */
const mostSessions = 64;

/** A browser that was logged in is known by that for so long, ms: who guesses elsewhere has it wait for nothing. */
export const knownMs = 90 * 24 * 3_600_000;

/** Wrong passwords before the next one has to wait. */
const freeAttempts = 5;
/** How long then, ms; twice as long after each further one. */
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;
/** Without a wrong password for this long all are forgotten, ms. */
export const forgottenAfterMs = 900_000;
/** Who is counted apart; who failed longest ago makes way. */
const mostCounted = 4_096;

/** The shortest password that is taken, characters. */
export const shortestPassword = 12;

/** Whether two texts are the same, in a time that does not tell where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const key = randomBytes(32);
  const digest = (text: string) => createHmac("sha256", key).update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** The shortest token of the metrics that is taken, characters: it is guessed without a wait. */
export const shortestToken = 32;

/** Tokens by their digest, each for some time: what is in memory opens nothing. */
export class Sessions {
  readonly #lifeMs: number;
  readonly #until = new Map<string, number>();

  constructor(lifeMs: number = sessionMs) {
    this.#lifeMs = lifeMs;
  }

  /** @returns the token, for the cookie alone */
  open(now: number): string {
    for (const [id, until] of this.#until) if (until <= now) this.#until.delete(id);
    const oldest = this.#until.keys().next().value;
    if (this.#until.size >= mostSessions && oldest !== undefined) this.#until.delete(oldest);
    const token = randomBytes(32).toString("base64url");
    this.#until.set(digest(token), now + this.#lifeMs);
    return token;
  }

  /** Until when it holds, ms; undefined: it does not. */
  until(token: string, now: number): number | undefined {
    const until = this.#until.get(digest(token));
    return until !== undefined && until > now ? until : undefined;
  }

  close(token: string): void {
    this.#until.delete(digest(token));
  }
}

/** What tells a token from others, and opens nothing. */
export function digest(token: string): string {
  return hash("sha256", token, "base64url");
}

interface Failures {
  count: number;
  /** Of the last one, ms. */
  at: number;
}

/**
 * Counts wrong passwords by who gave them: each source waits longer before its next is looked at, and no other
 * has to wait for what another did.
 */
export class Attempts {
  /** Who failed longest ago first. */
  readonly #byWho = new Map<string, Failures>();

  /** Who is counted. */
  get size(): number {
    return this.#byWho.size;
  }

  /** How long a password of theirs is not looked at, ms; 0: it is. */
  wait(who: string, now: number): number {
    const { count, at } = this.#of(who, now);
    if (count < freeAttempts) return 0;
    const wait = Math.min(longestWaitMs, firstWaitMs * 2 ** (count - freeAttempts));
    return Math.max(0, at + wait - now);
  }

  failed(who: string, now: number): void {
    const { count } = this.#of(who, now);
    this.#byWho.delete(who);
    const oldest = this.#byWho.keys().next().value;
    if (this.#byWho.size >= mostCounted && oldest !== undefined) this.#byWho.delete(oldest);
    this.#byWho.set(who, { count: count + 1, at: now });
  }

  #of(who: string, now: number): Failures {
    const known = this.#byWho.get(who);
    const holds = known !== undefined && now - known.at < forgottenAfterMs;
    return holds ? known : { count: 0, at: now };
  }
}
