/**
 * Relays that an operator or their source gave up before their first message came here: it may be on its way, and is
 * refused. For as long as any source waits for a relay. Pure.
 */

/** No source begins a relay that takes longer (`relay.within_s`), nor holds a key that it reserved, ms. */
const longestWithinMs = 60_000;
/** Orders whose relays are remembered one by one. */
const mostNamed = 4;
/** Relays that were told to be void, and are remembered: the last of them. */
const mostVoid = 1_024;

export class GivenUp {
  /** Monotonic, ms. */
  readonly #now: () => number;
  /** By their source: keys of relays that began up to then are given up (ms since 1970 UTC). */
  readonly #upTo = new Map<string, { readonly to: number; readonly until: number }>();
  #named: { readonly relays: ReadonlySet<string>; readonly until: number }[] = [];

  /** Until when they are refused, by their names in hexadecimal; the oldest first. */
  readonly #void = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * What a source began up to a time is not kept.
   * @param to ms since 1970 UTC, by the clock of the source
   */
  refuse(source: string, to: number): void {
    const before = this.#upTo.get(source);
    const last = before !== undefined && this.#now() < before.until ? before.to : to;
    this.#upTo.set(source, { to: Math.max(to, last), until: this.#now() + longestWithinMs });
  }

  /** Nor are these relays, which had pads that were given up. @param relays 16 bytes each, in hexadecimal */
  refuseNamed(relays: ReadonlySet<string>): void {
    this.tick();
    this.#named = [...this.#named.slice(1 - mostNamed), this.#lasting(relays)];
  }

  /** Nor is this one, which another KM gave up. @param relay 16 bytes in hexadecimal */
  refuseVoid(relay: string): void {
    const [oldest] = this.#void.keys();
    if (this.#void.size >= mostVoid && oldest !== undefined) this.#void.delete(oldest);
    this.#void.set(relay, this.#now() + longestWithinMs);
  }

  /** @param begun ms since 1970 UTC, by the clock of the source */
  isOf(source: string, begun: number): boolean {
    const order = this.#upTo.get(source);
    return order !== undefined && this.#now() < order.until && begun <= order.to;
  }

  isNamed(relay: string): boolean {
    return this.#named.some(({ relays, until }) => this.#now() < until && relays.has(relay));
  }

  isVoid(relay: string): boolean {
    return this.#now() < (this.#void.get(relay) ?? 0);
  }

  /** Forgets what is over: an order may name a million relays. */
  tick(): void {
    if (this.#named.length === 0) return;
    this.#named = this.#named.filter(({ until }) => this.#now() < until);
  }

  #lasting(relays: ReadonlySet<string>) {
    return { relays, until: this.#now() + longestWithinMs };
  }
}
