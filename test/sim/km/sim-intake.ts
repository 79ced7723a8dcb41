/**
 * Intake of a simulated key manager: which keys came before, and the store whose keys leave the buffer no sooner than
 * that is on record.
 */

import type { ReceivedKeys } from "../../../src/km/keys/received.ts";
import type { BufferedKeys } from "../../../src/km/store/buffered.ts";
import { ConfirmedStore } from "../../../src/km/store/confirmed-store.ts";
import type { SimStore } from "./sim-store.ts";

export class SimIntake {
  /** What matching works with. */
  readonly leaving: ConfirmedStore;
  readonly #store: SimStore;
  /** IDs of keys that are on their way to the buffer, or there. */
  readonly #held = new Set<string>();

  /** @param buffered what is in the buffer at the start; before matching hears of it */
  constructor(store: SimStore, buffered: readonly BufferedKeys[]) {
    this.#store = store;
    this.leaving = new ConfirmedStore(store);
    for (const { ids } of buffered) for (const id of namesOf(ids)) this.#held.add(id);
    store.rememberNow(this.#held);
  }

  /** Whether a key of this ID came before: it is confirmed, and not taken again. */
  knows(id: string): boolean {
    return this.#held.has(id) || this.#store.confirmed(id);
  }

  /** Keys left the buffer. */
  left(ids: Buffer): void {
    for (const id of namesOf(ids)) this.#held.delete(id);
  }

  /** One key. @param stored it is for matching from now on @param done when it is durable, or was not taken */
  supply(
    id: string,
    key: ReceivedKeys,
    stored: (keys: BufferedKeys) => void,
    done: () => void,
  ): void {
    this.#held.add(id);
    this.#store.put("m", key, (keys) => {
      if (keys !== undefined) {
        this.leaving.confirming(keys.handles, (durable) => this.#store.remember([id], durable));
        stored(keys);
      }
      done();
    });
  }
}

/** @param ids 16 bytes each */
function namesOf(ids: Buffer): string[] {
  return Array.from({ length: ids.length / 16 }, (_, i) =>
    ids.toString("latin1", i * 16, i * 16 + 16),
  );
}
