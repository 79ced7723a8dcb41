/** The owner gave up a key of which this end has no row: it was never bound here, or its fate was told long ago. Pure. */
import type { Void } from "../../wire/kx/messages.ts";
import type { LinkContext } from "../peer/context.ts";
import { bytesOf } from "../store/ranges.ts";

/** Its bytes are used from here on: an offer of them that is late binds them no more. */
export function voidUnbound(context: LinkContext, { id, offer, ranges }: Void): void {
  const { books, turn, send, store, link } = context;
  const { stock } = books;
  const before = stock.free(0) + stock.free(1);
  stock.markUsed(ranges);
  store.forget(link, ranges);
  if (stock.free(0) + stock.free(1) < before) {
    const told = {
      keys: [{ id: id.toString("hex"), count: 1, ranges }],
      offer: offer.toString("hex"),
    };
    turn.told({ type: "use", ...told, owner: false, state: "V" });
  }
  const length = bytesOf(ranges);
  turn.whenDurable(() => send({ type: "fate", number: 0, offer, id, fate: "V", length }));
}
