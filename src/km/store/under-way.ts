/** Bytes of keys on their way, counted with each of their steps: a look at all of them takes longer the more there are. Pure. */
import { bytesOf } from "./ranges.ts";
import type { Use } from "./shapes.ts";

export class UnderWay {
  /** Bytes that are on their way to applications. */
  bound = 0;
  /** Bytes that are of no application yet, of this KM's own and of the other's: they are stock. */
  readonly prepared: [own: number, peers: number] = [0, 0];
  /** Keys that are prepared here, by their length, bytes. */
  readonly #keys = new Map<number, number>();

  /** @param by 1 after a key came or changed, -1 before it changes or goes */
  count(use: Pick<Use, "owner" | "state" | "request" | "ranges" | "count">, by: 1 | -1): void {
    const { owner, state, request, count } = use;
    const isOpen = state === "O" || state === "P" || state === "B";
    if (!isOpen && state !== "S") return;
    const length = bytesOf(use.ranges);
    if (isOpen && request === undefined) this.prepared[owner ? 0 : 1] += by * length;
    else this.bound += by * length;
    if (state !== "P") return;
    const each = length / count;
    this.#keys.set(each, this.keys(each) + by * count);
  }

  /** Keys of this length that an application could have without a round trip. */
  keys(length: number): number {
    return this.#keys.get(length) ?? 0;
  }
}
