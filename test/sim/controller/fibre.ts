/** A link of a simulated network, as it truly is. */

export class Fibre {
  readonly a: string;
  readonly b: string;
  /** bit/s that its modules make when all is well. */
  readonly rate: number;
  /** Bits of both ends. */
  stock: number;
  isUp = true;
  /** Since when, ms of the simulation. */
  alarmSince: number | undefined;
  /** When it was not as it should be last: down, or with an alarm. */
  badUntil = Number.NEGATIVE_INFINITY;
  /** When that began. */
  badSince = Number.NEGATIVE_INFINITY;
  #at = 0;

  constructor(a: string, b: string, rate: number, stock: number) {
    this.a = a;
    this.b = b;
    this.rate = rate;
    this.stock = stock;
  }

  get isGood(): boolean {
    return this.isUp && this.alarmSince === undefined;
  }

  /** It fails, or its alarm is raised. */
  harm(kind: "down" | "alarm", now: number): void {
    this.advance(now);
    if (this.isGood) this.badSince = now;
    if (kind === "down") this.isUp = false;
    else this.alarmSince ??= now;
    this.badUntil = now;
  }

  /** @returns whether there was something to be healed */
  heal(now: number): boolean {
    if (this.isGood) return false;
    this.advance(now);
    this.isUp = true;
    this.alarmSince = undefined;
    return true;
  }

  /** Keys came since. */
  advance(now: number): void {
    const seconds = (now - this.#at) / 1_000;
    this.#at = now;
    if (this.isGood) this.stock = Math.min(this.rate * 600, this.stock + this.rate * seconds);
    else this.badUntil = now;
  }

  /** @returns false if there is not so much, or it is down */
  use(bits: number, now: number): boolean {
    this.advance(now);
    if (!this.isGood || this.stock < bits) return false;
    this.stock -= bits;
    return true;
  }
}
