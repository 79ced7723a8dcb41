/** How links truly are, and what the controller must know of that by now. */
import { defaultRules } from "../../../src/controller/policy/network.ts";
import type { Fibre } from "./fibre.ts";

export interface TruthWorld {
  now(): number;
  /** When the controller that lives began. */
  born(): number;
  fibre(a: string, b: string): Fibre | undefined;
  km(name: string): { readonly isAttached: boolean; readonly since: number };
}

export class Truth {
  readonly #world: TruthWorld;

  constructor(world: TruthWorld) {
    this.#world = world;
  }

  /** Why a relay may not go over a link: an end that is there has told for so long, ms. */
  badFor(a: string, b: string, ms: number): string | undefined {
    const { now, born, fibre: fibreOf, km } = this.#world;
    const fibre = fibreOf(a, b);
    if (fibre === undefined) return "is none";
    const told = [a, b].some((name) => km(name).isAttached && now() - km(name).since > ms);
    if (told && fibre.alarmSince !== undefined && now() - fibre.alarmSince > ms) return "alarm";
    if (!fibre.isGood || fibre.badUntil - fibre.badSince < 500) return undefined;
    // Both ends told of it, to this controller, and it is good again for a moment only.
    const wasTold = [a, b].every((name) => {
      return km(name).isAttached && km(name).since + 500 < fibre.badSince;
    });
    const isFresh = now() - fibre.badUntil < defaultRules.settleMs - 500;
    return wasTold && born() < fibre.badSince && isFresh ? "has just come back" : undefined;
  }

  /** Something was wrong with a link of late. */
  wasTroubled(a: string, b: string): boolean {
    const { now, fibre: fibreOf, km } = this.#world;
    const fibre = fibreOf(a, b);
    if (fibre === undefined) return true;
    fibre.advance(now());
    const isSilent = ![a, b].some((name) => km(name).isAttached);
    const isShort = fibre.stock < defaultRules.stock.low * 2;
    // What the controller has not heard yet, and what it waits to see settled, counts too.
    return isSilent || isShort || now() - fibre.badUntil < defaultRules.settleMs + 1_000;
  }

  /** Neither end is there for so long that the link counts as settled: both were away, and one is back. */
  isNews(a: string, b: string): boolean {
    const { now, km } = this.#world;
    const heardMs = (name: string) => (km(name).isAttached ? now() - km(name).since : 0);
    return Math.max(heardMs(a), heardMs(b)) < defaultRules.settleMs + 1_000;
  }
}
