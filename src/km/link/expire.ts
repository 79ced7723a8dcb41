/** QKD-keys that find no match in time leave the buffer, and it is told whether the other end lacked them. Pure. */
import type { LinkBuffer } from "../matching/buffer.ts";
import type { LinkContext } from "../peer/context.ts";

/** Keys that expire in one go: the rest follows with the next tick. */
const atOnce = 1_000;

export function expireWaiting(
  { now, limits, turn, ready, books }: LinkContext,
  buffer: LinkBuffer,
): void {
  const { slots } = buffer.olderThan(now() - limits.matchMs, atOnce);
  // The leader hears what the other end lacks. The follower takes for lacked there what a leader that is connected
  // does not propose. Of other keys the two ends have never spoken.
  const isLacked = (slot: number) => buffer.slots.lacked(slot) > 0 || (ready && books.side === 1);
  const by = Map.groupBy(slots, (slot) => (isLacked(slot) ? "them" : "unknown"));
  for (const [lackedBy, of] of by) {
    const old = buffer.batchOf(of);
    const ids = buffer.idsOf(old);
    const runs = buffer.runsOf(old);
    const bytes = buffer.bytesOf(old);
    buffer.remove(old, ids);
    turn.drop(old.handles);
    turn.told({ type: "expired", keys: of.length, bytes, lackedBy, ids, runs });
  }
}
