/** How far a database is: whether it is what a leader left, or an earlier state of it. Pure. */

export interface Standing {
  /** When the last leader began to lead, by the database's clock, ms since 1970 UTC; 0: none did. */
  readonly term: number;
  /** How often it was written, by all leaders. */
  readonly writes: number;
}

/** What is found by one that has the lock. */
export interface Found extends Standing {
  /** Its term if it leads from now on: later than all before. */
  readonly next: number;
}

/**
 * What a leader finds that had the lock before.
 * @param mine as it was when this leader wrote last
 * @returns `later`: another has led since
 */
export function standingOf(found: Standing, mine: Standing): "same" | "earlier" | "later" {
  if (found.term > mine.term) return "later";
  return found.term < mine.term || found.writes < mine.writes ? "earlier" : "same";
}
