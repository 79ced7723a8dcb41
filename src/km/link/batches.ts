/** What the books of the other end say of batches that are proposed or prepared here. Pure. */
import type { Follower } from "../matching/follower.ts";
import type { Leader } from "../matching/leader.ts";
import type { TheirBooks } from "./their-books.ts";

/** One of both is there: this end leads, or follows. */
export function compareBatches(
  leader: Leader | undefined,
  follower: Follower | undefined,
  theirs: TheirBooks,
): void {
  for (const { number, digest } of follower?.books() ?? []) {
    const their = theirs.extents.get(number);
    const same = their?.digest.equals(digest);
    if (same && their?.state === "M") follower?.matched(number);
    else if (their?.state === "M") follower?.drop(number);
    else if (!same) follower?.release(number);
  }
  for (const { number, digest } of leader?.books() ?? []) {
    const their = theirs.extents.get(number);
    const prepared = their?.state === "R" && their.digest.equals(digest);
    if (!prepared && number <= theirs.head.highest) leader?.giveUp(number);
  }
}
