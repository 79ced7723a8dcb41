import type { Fate, FateTold } from "../../wire/kx/messages.ts";
import { bytesOf } from "../store/ranges.ts";
import type { Use } from "../store/shapes.ts";

/** What became of a key that is final, for its owner. */
export function fateOf({ number, offer, id, state, ranges }: Use): FateTold {
  return {
    type: "fate",
    number,
    offer: Buffer.from(offer, "hex"),
    id: Buffer.from(id, "hex"),
    fate: state as Fate,
    length: bytesOf(ranges),
  };
}
