/** What a link is shown as: never better than what is known of it. Pure. */
import type { LinkStatus, VerdictStatus } from "../model/status.ts";

/** Key managers report every few seconds; what is older than this is not known any more, s. */
export const knownForS = 30;

/** @returns the link's state as it may be shown, and why if it is not good */
export function lookOf({ state, reason, ends }: LinkStatus): Pick<LinkStatus, "state" | "reason"> {
  if (state !== "good") return { state, reason };
  const told = ends.filter(({ age_s }) => age_s <= knownForS);
  if (ends.length === 0) return { state: "unknown", reason: "no key manager has told of it" };
  if (told.length === 0) return { state: "unknown", reason: "no key manager tells of it any more" };
  // No green without keys.
  if (told.every(({ stock_bits }) => stock_bits === 0)) {
    return { state: "scarce", reason: "no key in stock" };
  }
  return { state, reason };
}

/** The headline: good only if keys are known to be somewhere. */
export function verdictOf(
  verdict: VerdictStatus,
  links: readonly Pick<LinkStatus, "state">[],
): VerdictStatus {
  if (verdict.level !== "good" || links.some(({ state }) => state === "good")) return verdict;
  return {
    level: "waiting",
    code: "nothing_known",
    text: links.length === 0 ? "No link is known yet" : "No link is known to have keys",
    action: "see whether the key managers are connected",
  };
}
