/**
 * The attempts of a relay in their order, by what failed of late. A way that fails burns pads of its hops each time:
 * what applications ask for is tried on it again after a while that grows, once, until that goes well. So is anything
 * on a way whose keys were not the same at both ends. Pure.
 */
import type { RelayScheme } from "../../wire/kx/relay-messages.ts";
import { BurntWays } from "./burnt.ts";
import type { PairPolicy } from "./pair-parts.ts";
import type { RelayEnd } from "./source.ts";
import { nameOf as nameOfWay, type Via } from "./ways.ts";

/** After attempts failed they are tried again after the first, doubling to the second, ms. */
export const firstWaitMs = 250;
export const lastWaitMs = 10_000;

export interface Attempt {
  readonly scheme: RelayScheme;
  readonly via: Via;
}

interface Pause {
  readonly via: Via;
  /** Monotonic, ms. */
  readonly until: number;
  readonly ms: number;
  /** How it failed. */
  readonly end: NonNullable<RelayEnd>;
}

export class Attempts {
  /** KM ID. */
  readonly #me: string;
  readonly #policy: Pick<PairPolicy, "scheme" | "aes">;
  /** Monotonic, ms. */
  readonly #now: () => number;
  readonly #burnt = new BurntWays();
  readonly #pauses = new Map<string, Pause>();

  constructor(me: string, policy: Pick<PairPolicy, "scheme" | "aes">, now: () => number) {
    this.#me = me;
    this.#policy = policy;
    this.#now = now;
  }

  of(vias: readonly Via[]): Attempt[] {
    const { scheme, aes } = this.#policy;
    const by = (which: RelayScheme, ways = vias) => ways.map((via) => ({ scheme: which, via }));
    if (!aes) return by(scheme);
    // Each try of these burns pads of its first hop: AES comes before it.
    const isBurnt = (via: Via) => this.#burnt.of(via, this.#now()) !== undefined;
    const [well, burnt] = [vias.filter((via) => !isBurnt(via)), vias.filter(isBurnt)];
    return [...by(scheme, well), ...by("aes"), ...by(scheme, burnt)];
  }

  /** One-time pads of this way were short of late. */
  wasShort(via: Via): boolean {
    return this.#burnt.of(via, this.#now())?.short === true;
  }

  /** Why this is not to be tried now: it failed so. Of what failed one is tried at a time. */
  paused(attempt: Attempt): RelayEnd {
    const pause = this.#pauses.get(nameOf(attempt));
    if (pause === undefined || this.#now() < pause.until) return pause?.end;
    this.#wait(attempt, Math.min(lastWaitMs, pause.ms * 2), pause.end);
    return undefined;
  }

  failed(attempt: Attempt, end: NonNullable<RelayEnd>): void {
    const { scheme, via } = attempt;
    if (scheme !== "aes" && end.at !== this.#me) this.#burnt.burn(via, end, this.#now());
    const isBurnt = end.at !== this.#me || end.failure === "late" || end.failure === "full";
    if (isBurnt) this.#pause(attempt, end);
  }

  /** The key that came by it was another one, or none. */
  untrue(attempt: Attempt): void {
    this.#pause(attempt, { failure: "refused", at: this.#me });
  }

  worked(attempt: Attempt): void {
    this.#pauses.delete(nameOf(attempt));
  }

  /** What these ways failed for is mended, perhaps: they are tried at once. */
  mended(isMended: (via: Via) => boolean): void {
    for (const [name, { via }] of this.#pauses) if (isMended(via)) this.#pauses.delete(name);
  }

  #pause(attempt: Attempt, end: NonNullable<RelayEnd>): void {
    const now = this.#now();
    // Ways that are tried no more are not remembered for ever.
    for (const [other, { until }] of this.#pauses) {
      if (until + lastWaitMs <= now) this.#pauses.delete(other);
    }
    const before = this.#pauses.get(nameOf(attempt));
    // It was begun before, or is told after others that failed with it.
    if (before === undefined || before.until <= now) {
      this.#wait(attempt, before?.ms ?? firstWaitMs, end);
    }
  }

  #wait(attempt: Attempt, ms: number, end: NonNullable<RelayEnd>): void {
    const { via } = attempt;
    this.#pauses.set(nameOf(attempt), { via, until: this.#now() + ms, ms, end });
  }
}

function nameOf({ scheme, via }: Attempt): string {
  return `${scheme}\0${nameOfWay(via)}`;
}
