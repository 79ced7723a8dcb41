/**
 * Whether controllers order opposite things, by turns. Each that is obeyed undoes what another one ordered, and is
 * undone by it, for as long as both run. A route that one controller changes itself is none of it. Pure.
 */
import { Often } from "../../base/often.ts";

/** One order undoes another's so many times, within so long, ms: then it is told. */
const times = 4;
const withinMs = 300_000;

/** What was ordered last of one thing. */
interface Order {
  readonly what: string;
  /** Name of the controller. */
  readonly by: string;
  /** How often one took the place of another controller's. */
  readonly undone: Often;
}

export class Contradictions {
  readonly #orders = new Map<string, Order>();

  /**
   * Something was ordered, and done.
   * @param thing of this KM: there are only so many @param what as people read it @param now monotonic, ms
   * @returns both orders, as people read them, if that went on for long enough; then it is counted anew
   */
  ordered(thing: string, what: string, by: string, now: number): string | undefined {
    const before = this.#orders.get(thing);
    const isOther = before !== undefined && before.what !== what && before.by !== by;
    const undone = before?.undone ?? new Often(times, withinMs);
    this.#orders.set(thing, { what, by, undone });
    return isOther && undone.came(now)
      ? `${thing}: ${before?.by} orders ${before?.what}, ${by} ${what}`
      : undefined;
  }
}
