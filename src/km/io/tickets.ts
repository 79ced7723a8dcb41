/** Keys of one connection that have no answer yet: what an answer must carry. */
import { idBytes } from "../keys/masked-ids.ts";

export class Tickets {
  #messageIds = new Uint32Array(64);
  #ids = Buffer.alloc(64 * idBytes);
  readonly #free: number[] = [];
  #next = 0;

  /** Keys that have none yet. */
  get size(): number {
    return this.#next - this.#free.length;
  }

  /** @param id is copied @returns a number by which it is found again */
  take(messageId: number, id: Uint8Array): number {
    const ticket = this.#free.pop() ?? this.#next++;
    if (ticket >= this.#messageIds.length) this.#grow();
    this.#messageIds[ticket] = messageId;
    this.#ids.set(id, ticket * idBytes);
    return ticket;
  }

  messageId(ticket: number): number {
    return this.#messageIds[ticket] as number;
  }

  /** The IDs; that of a ticket is at `ticket * 16`. */
  get ids(): Buffer {
    return this.#ids;
  }

  giveBack(ticket: number): void {
    this.#free.push(ticket);
  }

  #grow(): void {
    const [messageIds, ids] = [this.#messageIds, this.#ids];
    this.#messageIds = new Uint32Array(messageIds.length * 2);
    this.#messageIds.set(messageIds);
    this.#ids = Buffer.alloc(ids.length * 2);
    this.#ids.set(ids);
  }
}
