/** What of a driver outlives its sessions with the KME. Pure. */
import type { Clock } from "../../src/base/clock.ts";
import { Books } from "./books.ts";
import { Caution } from "./caution.ts";
import { type Rows, Troubles } from "./watch.ts";

export interface Lasting {
  readonly troubles: Troubles;
  readonly books: Books;
  readonly caution: Caution;
  readonly rows: Rows;
}

/**
 * @param lostLimit part of the keys that may be lost, 0 to 1
 * @param random uniform in [0, 1)
 */
export function lastingOf(clock: Clock, lostLimit: number, random: () => number): Lasting {
  return {
    troubles: new Troubles(),
    books: new Books(clock, lostLimit),
    caution: new Caution(clock, random),
    rows: new Map(),
  };
}
