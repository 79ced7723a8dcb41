/** Keys that are bound here for applications, and whose bytes are gone from this disk. Pure. */
import type { LinkBooks } from "../store/books.ts";
import type { Use } from "../store/shapes.ts";

/**
 * Finds them, at a start.
 * @param extents numbers of those whose bytes are there
 * @returns makes them void: not before books were compared, since the owner may have one down as taken
 */
export function unreadable(books: LinkBooks, extents: ReadonlySet<number>): () => void {
  const isLost = ({ state, ranges }: Use) =>
    state === "B" && !ranges.every(({ extent }) => extents.has(extent));
  const found = [...books.uses.values()].filter(isLost);
  return () => {
    for (const key of found.splice(0).flatMap((use) => books.part(use))) {
      // The comparison may have forgotten it.
      if (isLost(key) && books.uses.entry(key.id) === key) books.step(key, "void");
    }
  };
}
