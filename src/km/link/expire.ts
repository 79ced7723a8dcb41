/** QKD-keys that find no match in time leave the buffer, and it is told which end lacked them. Pure. */
import type { LinkBuffer } from "../matching/buffer.ts";
import type { LinkContext } from "../peer/context.ts";

/** Keys that expire in one go: the rest follows with the next tick. */
const atOnce = 1_000;

export function expireWaiting(
  { now, limits, turn, ready, books }: LinkContext,
  buffer: LinkBuffer,
): void {
  const old = buffer.olderThan(now() - limits.matchMs, atOnce);
  if (old.slots.length === 0) return;
  const ids = buffer.idsOf(old);
  const runs = buffer.runsOf(old);
  const bytes = buffer.bytesOf(old);
  const isLacked = old.slots.some((slot) => buffer.slots.lacked(slot) > 0);
  buffer.remove(old, ids);
  turn.drop(old.handles);
  // The follower's key was never proposed; the leader's was, and the other end did not have it.
  const byThem = !ready || books.side === 1 || isLacked;
  const lackedBy = byThem ? "them" : "us";
  turn.told({ type: "expired", keys: old.slots.length, bytes, lackedBy, ids, runs });
}
