/** Ways on which one-time pads were burnt of late, by what failed at their KMs: AES, where it is allowed, comes before they are tried again. Pure. */
import type { RelayEnd } from "./source.ts";
import { nameOf, type Via } from "./ways.ts";

/** One-time pads are tried again on a way that burnt them after this, ms. */
const burntForMs = 10_000;

interface Burnt {
  /** Monotonic, ms. */
  readonly until: number;
  /** They failed for want of pads. */
  readonly short: boolean;
}

export class BurntWays {
  readonly #burnt = new Map<string, Burnt>();

  /** @param now monotonic, ms @returns undefined: none were, or long ago */
  of(via: Via, now: number): Burnt | undefined {
    const found = this.#burnt.get(nameOf(via));
    return found !== undefined && now < found.until ? found : undefined;
  }

  /** @param now monotonic, ms */
  burn(via: Via, { failure }: NonNullable<RelayEnd>, now: number): void {
    for (const [name, { until }] of this.#burnt) if (until <= now) this.#burnt.delete(name);
    this.#burnt.set(nameOf(via), { until: now + burntForMs, short: failure === "stock" });
  }
}
