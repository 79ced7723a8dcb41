/**
 * Which bytes of stock it was told of that they are on their way, or void: by either end. What is used and was never
 * told of is lost in silence, also where both books agree (rule L of the key manager's README).
 */
import type { LinkEvent } from "../../../src/km/peer/events.ts";
import type { Extent } from "../../../src/km/store/shapes.ts";

export class ToldBytes {
  /** By number of the extent: 1 for each byte that was told of. */
  readonly #extents = new Map<number, Uint8Array>();
  /** Those of which so many bytes were told to be lost, and not which. */
  readonly #lost = new Set<number>();

  heard(event: LinkEvent): void {
    if (event.type === "matched") {
      if (!this.#extents.has(event.number)) {
        this.#extents.set(event.number, new Uint8Array(event.bytes));
      }
    } else if (event.type === "lost") this.#lost.add(event.extent);
    else if (event.type === "use") {
      for (const { ranges } of event.keys) {
        for (const { extent, start, end } of ranges) {
          this.#extents.get(extent)?.fill(1, start, end);
        }
      }
    }
  }

  /** Bytes that are used as the books have it, and were never told of. @param extents those that are alive */
  silent(extents: ReadonlyMap<number, Extent>): number {
    let bytes = 0;
    for (const [number, told] of this.#extents) {
      if (this.#lost.has(number)) continue;
      const regions = extents.get(number)?.regions ?? [];
      told.forEach((isTold, at) => {
        const isFree = regions.some(({ mark, end }) => mark <= at && at < end);
        if (isTold === 0 && !isFree) bytes++;
      });
    }
    return bytes;
  }
}
