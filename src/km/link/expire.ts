/** QKD-keys that find no match in time leave the buffer, and it is told which end lacked them. Pure. */
import { idsOf, type LinkBuffer, runsOf } from "../matching/buffer.ts";
import type { LinkContext } from "../peer/context.ts";

/** Keys that expire in one go: the rest follows with the next tick. */
const atOnce = 1_000;

export function expireWaiting(
  { now, limits, turn, ready, books }: LinkContext,
  buffer: LinkBuffer,
): void {
  const old = buffer.olderThan(now() - limits.matchMs, atOnce);
  if (old.length === 0) return;
  buffer.remove(old);
  turn.drop(old.map(({ handle }) => handle));
  const bytes = old.reduce((sum, { length }) => sum + length, 0);
  // The follower's key was never proposed; the leader's was, and the other end did not have it.
  const byThem = !ready || books.side === 1 || old.some(({ lacked }) => lacked > 0);
  turn.told({
    type: "expired",
    keys: old.length,
    bytes,
    lackedBy: byThem ? "them" : "us",
    ids: idsOf(old),
    runs: runsOf(old),
  });
}
