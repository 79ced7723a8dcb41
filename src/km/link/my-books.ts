/** This KM's books of a link, as they are told at the beginning of a session. Pure. */
import { cutExtents, cutUses } from "../../wire/kx/codec.ts";
import type { ExtentBook, KxMessage, Sync, UseBook } from "../../wire/kx/messages.ts";
import type { LinkBooks } from "../store/books.ts";
import { singles } from "../store/key-run.ts";
import { bookOf } from "../store/regions.ts";

/** @param open batches that are proposed or prepared */
export function tellBooks(books: LinkBooks, open: readonly ExtentBook[]): KxMessage[] {
  const { mark, heardMark, highest, told, heard } = books.state;
  // One more: the transaction that these books wait for.
  const head: Sync = {
    type: "sync",
    mark: mark + 1,
    heardMark,
    highest,
    told: { ...told },
    heard: { ...heard },
  };
  books.touchState();
  const extents: ExtentBook[] = [...open];
  for (const { number, digest, length, regions } of books.stock.extents.values()) {
    extents.push({ number, state: "M", digest, length, regions: regions.map(bookOf) });
  }
  const uses = singles([...books.uses.values()]).map(
    ({ id, offer, owner, state, fate, had, request, ranges }): UseBook => ({
      id: Buffer.from(id, "hex"),
      offer: Buffer.from(offer, "hex"),
      owner,
      state,
      had,
      ranges,
      ...(fate !== undefined && { fate }),
      ...(request !== undefined && { use: request }),
    }),
  );
  return [head, ...cutExtents(extents), ...cutUses(uses), { type: "syncEnd" }];
}
