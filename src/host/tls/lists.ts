/** What is worth knowing of the revocation lists of a file, for people and alarms. */
import { hasRunOut, trustOf } from "./trust.ts";

export interface ListFacts {
  readonly issuer: string;
  /** ms since 1970 UTC */
  readonly thisUpdate: number;
  /** ms since 1970 UTC; undefined: the list does not say. */
  readonly nextUpdate: number | undefined;
  /** Certificates that were taken back. */
  readonly entries: number;
  /** Part of its life that is left, 0 to 1. */
  readonly left: number;
  readonly problem: "has run out" | "is not signed by a CA that is trusted" | undefined;
}

export interface ListsFacts {
  readonly lists: readonly ListFacts[];
  /** Trusted CAs without a list: whom they certified is refused. */
  readonly missing: readonly string[];
}

/**
 * @param ca PEM of who is trusted @param crl PEM @param wall ms since 1970 UTC
 * @throws CrlError if the file cannot be used
 */
export function listsFacts(ca: string, crl: string, wall: number): ListsFacts {
  const trust = trustOf({ ca, crl });
  const lists = [...trust.lists, ...trust.strangers].map((list) => {
    const { issuer, thisUpdate, nextUpdate, revoked } = list;
    const life = (nextUpdate ?? Number.POSITIVE_INFINITY) - thisUpdate;
    const left = nextUpdate === undefined ? 1 : (nextUpdate - wall) / Math.max(1, life);
    const problem: ListFacts["problem"] = trust.strangers.includes(list)
      ? "is not signed by a CA that is trusted"
      : hasRunOut(list, wall)
        ? "has run out"
        : undefined;
    const entries = revoked.size;
    return {
      issuer,
      thisUpdate,
      nextUpdate,
      entries,
      left: Math.min(1, Math.max(0, left)),
      problem,
    };
  });
  return { lists, missing: trust.casWithoutList };
}
