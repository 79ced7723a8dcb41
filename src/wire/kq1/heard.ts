/**
 * Whether it is the KM that answers at its address. A proxy, a gateway or a load balancer may answer in
 * its place, or nothing may come although connections are made. Pure.
 */
import type { Fault } from "../../base/errors.ts";

export class Heard {
  /** Answers that were the KM's own word about a key, since the process began. */
  own = 0;
  /** Answers that were not, and connections that ended before any answer. */
  unclear = 0;
  /** What the last of those was; in our words, never in those of the answer. */
  what = "";

  notTheKm(what: string): void {
    this.unclear++;
    this.what = what;
  }
}

/** In words: the connection ended, keys had been sent, and none of them was answered for. */
export function unheard({ message, facts }: Fault): string {
  const why = typeof facts.why === "string" ? `, ${facts.why}` : "";
  return `no key was answered for: ${message}${why}`;
}
