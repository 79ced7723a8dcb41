/** What a link is shown as: never better than what is known of it. Pure. */
import type { LinkStatus } from "./status.ts";

/** @returns the link's state as it may be shown, and why if it is not good */
export function lookOf({ state, reason, ends }: LinkStatus): Pick<LinkStatus, "state" | "reason"> {
  if (state !== "good") return { state, reason };
  const told = ends.filter(({ known }) => known);
  if (ends.length === 0) return { state: "unknown", reason: "no key manager has told of it" };
  if (told.length === 0) return { state: "unknown", reason: "no key manager tells of it any more" };
  // No green without keys.
  if (told.every(({ stock_bits }) => stock_bits === 0)) {
    return { state: "scarce", reason: "no key in stock" };
  }
  return { state, reason };
}

/** Whether it takes relays, and is known to have keys for them. */
export function hasKeys({ state, ends }: Pick<LinkStatus, "state" | "ends">): boolean {
  if (state !== "good" && state !== "scarce") return false;
  return ends.some(({ known, stock_bits }) => known && stock_bits > 0);
}
