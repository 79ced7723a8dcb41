/** Who is logged in, and who tries too often. Pure but for random numbers; time is passed in. */
import { createHmac, hash, randomBytes, timingSafeEqual } from "node:crypto";

/** A login holds this long, ms. */
export const sessionMs = 12 * 3_600_000;
const mostSessions = 64;

/** Wrong passwords of one address, and of all together, within {@link attemptWindowMs}. */
const attemptsOfOne = 5;
const attemptsOfAll = 60;
export const attemptWindowMs = 60_000;
const mostAddresses = 1_024;

/** The shortest password that is taken, characters. */
export const shortestPassword = 12;

/** Whether two texts are the same, in a time that does not tell where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const key = randomBytes(32);
  const digest = (text: string) => createHmac("sha256", key).update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Sessions by the digest of their token: what is in memory opens nothing. */
export class Sessions {
  readonly #until = new Map<string, number>();

  /** @returns the token, for the cookie alone */
  open(now: number): string {
    for (const [id, until] of this.#until) if (until <= now) this.#until.delete(id);
    const oldest = this.#until.keys().next().value;
    if (this.#until.size >= mostSessions && oldest !== undefined) this.#until.delete(oldest);
    const token = randomBytes(32).toString("base64url");
    this.#until.set(digest(token), now + sessionMs);
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

function digest(token: string): string {
  return hash("sha256", token, "base64url");
}

/** Counts wrong passwords. */
export class Attempts {
  #windowEnds = 0;
  #all = 0;
  readonly #byAddress = new Map<string, number>();

  /** Whether this address may try at all. */
  allowed(address: string, now: number): boolean {
    this.#roll(now);
    return this.#all < attemptsOfAll && (this.#byAddress.get(address) ?? 0) < attemptsOfOne;
  }

  failed(address: string, now: number): void {
    this.#roll(now);
    this.#all++;
    if (this.#byAddress.size < mostAddresses || this.#byAddress.has(address)) {
      this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
    }
  }

  #roll(now: number): void {
    if (now < this.#windowEnds) return;
    this.#windowEnds = now + attemptWindowMs;
    this.#all = 0;
    this.#byAddress.clear();
  }
}
