/**
 * How long the next relay of a pool may be for the pads of its first hop. A whole batch costs least; where there are
 * no pads for one it is cut to those that there are, the shorter the longer it waits. Pure.
 */

import type { PairParts } from "./pair-parts.ts";
import { padBytes } from "./scheme.ts";
import type { PairWays } from "./ways.ts";

/** Relays are not cut to less, bytes: of shorter ones too much of a pad goes to the tag. */
const leastCut = 4_096;
/** Half as much will do after each of these, ms. */
const halvingMs = 1_000;
/** What is cut is a multiple of this: both owners have half of it, bytes. */
const grain = 64;

type PadParts = Pick<PairParts, "policy" | "pads" | "wantPads" | "now">;

export class PoolPads {
  readonly #parts: PadParts;
  readonly #ways: PairWays;
  /** Of relays that are under way: they have not taken them yet, perhaps, and they are left to them. */
  #begun = 0;
  #waitsSince: number | undefined;

  constructor(parts: PadParts, ways: PairWays) {
    this.#parts = parts;
    this.#ways = ways;
  }

  /**
   * @param wanted bytes of the key
   * @returns so many, or fewer; 0: it waits for more pads; undefined: there are too few for any
   */
  lengthFor(wanted: number): number | undefined {
    const { policy, pads, now, wantPads } = this.#parts;
    // A controller that is asked for a way knows of one with pads, perhaps.
    if (this.#ways.mayAsk(now())) return wanted;
    const nexts = this.#ways.list(now()).flatMap(([next]) => (next === undefined ? [] : [next]));
    const least = Math.min(wanted, leastCut);
    const rooms = nexts.map((next) => pads(next) - this.#begun - this.#padsOf(0));
    if (rooms.some((one) => one >= wanted)) {
      this.#waitsSince = undefined;
      return wanted;
    }
    // The other end of the hop may have some that lie idle.
    for (const next of nexts) wantPads(next);
    // It goes by the first of them: what only a later one could carry would fail there first.
    const room = rooms.find((one) => one >= least) ?? 0;
    if (policy.aes) return room < least ? wanted : cut(room);
    this.#waitsSince ??= now();
    const halvings = Math.floor((now() - this.#waitsSince) / halvingMs);
    if (room < least) return undefined;
    if (room < wanted / 2 ** halvings) return 0;
    this.#waitsSince = now();
    return cut(room);
  }

  #padsOf(length: number): number {
    return padBytes(this.#parts.policy.scheme, "hop", length);
  }

  /** A relay begins. @param length bytes of the key */
  begun(length: number): void {
    this.#begun += this.#padsOf(length);
  }

  /** It is over. */
  over(length: number): void {
    this.#begun -= this.#padsOf(length);
  }
}

function cut(room: number): number {
  return room - (room % grain);
}
