/** The other KM's books, as they come in parts at the beginning of a session. Pure. */
import type { ExtentBook, Sync, SyncExtents, SyncUses, UseBook } from "../../wire/kx/messages.ts";

/** More than this of either is not a book of this protocol. */
const limit = 4_000_000;

export class TheirBooks {
  readonly head: Sync;
  readonly extents = new Map<number, ExtentBook>();
  readonly uses = new Map<string, UseBook>();

  constructor(head: Sync) {
    this.head = head;
  }

  /** @returns whether there is room for it, and it is one of this protocol */
  add(part: SyncExtents | SyncUses): boolean {
    if (part.type === "syncExtents") {
      if (!part.extents.every(isWhole)) return false;
      for (const extent of part.extents) this.extents.set(extent.number, extent);
    } else {
      for (const use of part.uses) this.uses.set(use.id.toString("hex"), use);
    }
    return this.extents.size <= limit && this.uses.size <= limit;
  }
}

/** Its regions are all of it, one after the other. */
function isWhole({ state, length, regions }: ExtentBook): boolean {
  if (state !== "M") return true;
  let at = 0;
  for (const { start, end } of regions) {
    if (start !== at) return false;
    at = end;
  }
  return at === length;
}
