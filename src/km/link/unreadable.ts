/** Keys that are bound here for applications, and whose bytes are gone from this disk. Pure. */
import type { LinkBooks } from "../store/books.ts";

/**
 * Finds them, at a start.
 * @param extents numbers of those whose bytes are there
 * @returns makes them void: not before books were compared, since the owner may have one down as taken
 */
export function unreadable(books: LinkBooks, extents: ReadonlySet<number>): () => void {
  const found = [...books.uses.values()].filter(
    ({ state, ranges }) => state === "B" && !ranges.every(({ extent }) => extents.has(extent)),
  );
  return () => {
    for (const use of found.splice(0)) if (use.state === "B") books.step(use, "void");
  };
}
