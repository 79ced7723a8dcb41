/** What became of keys that the other KM owns: told to it until it has that on disk. Pure. */
import type { Fate, FateOk } from "../../wire/kx/messages.ts";
import type { LinkContext } from "../peer/context.ts";
import { isFinal } from "../store/life.ts";
import { bytesOf } from "../store/ranges.ts";
import type { Use } from "../store/shapes.ts";

export class Fates {
  readonly #context: LinkContext;

  constructor(context: LinkContext) {
    this.#context = context;
  }

  /** A key became final. */
  tellWhenDurable(use: Use): void {
    this.#context.turn.whenDurable(() => this.tell(use));
  }

  tell({ number, offer, id, state, ranges }: Use): void {
    if (!isFinal(state) || number === 0) return;
    this.#context.send({
      type: "fate",
      number,
      offer: Buffer.from(offer, "hex"),
      id: Buffer.from(id, "hex"),
      fate: state as Fate,
      length: bytesOf(ranges),
    });
  }

  /** Another session. */
  again(): void {
    for (const use of this.#context.books.finals()) this.tellWhenDurable(use);
  }

  /** The owner has these fates on disk. */
  heardOk({ number }: FateOk): void {
    const { books, turn } = this.#context;
    for (const use of books.finals()) {
      if (use.number > number) break;
      this.acknowledge(use);
      turn.changed();
    }
  }

  /** The owner has the fate of this key on disk. */
  acknowledge(use: Use): void {
    const { books } = this.#context;
    const { told } = books.state;
    told.number = Math.max(told.number, use.number);
    if (use.state === "T") told.taken += bytesOf(use.ranges);
    if (use.state === "X") told.expired += bytesOf(use.ranges);
    books.touchState();
    books.dropUse(use);
  }
}
