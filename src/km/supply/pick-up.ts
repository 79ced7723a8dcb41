/**
 * Since when bound keys wait for their applications, and which have waited too long: found without a look at the
 * others, of which there may be hundreds of thousands. Pure.
 */

/** As much of a key as this needs. */
interface Waiting {
  /** KSA-key ID. */
  readonly id: string;
  /** How long it may wait, s. */
  readonly pickUp: number;
}

export class PickUp {
  /** By how long they may wait, s: when each began, monotonic ms; who began first in front. */
  readonly #since = new Map<number, Map<string, number>>();

  /** A key waits from now on, also if it waited before. @param now monotonic, ms */
  begin({ id, pickUp }: Waiting, now: number): void {
    const alike = this.#since.get(pickUp);
    if (alike === undefined) this.#since.set(pickUp, new Map([[id, now]]));
    else {
      alike.delete(id);
      alike.set(id, now);
    }
  }

  end({ id, pickUp }: Waiting): void {
    const alike = this.#since.get(pickUp);
    if (alike?.delete(id) && alike.size === 0) this.#since.delete(pickUp);
  }

  isLate({ id, pickUp }: Waiting, now: number): boolean {
    const since = this.#since.get(pickUp)?.get(id);
    return since !== undefined && now - since >= pickUp * 1_000;
  }

  /** Keys that have waited too long; any may be ended meanwhile. */
  *late(now: number): Generator<Waiting> {
    for (const [pickUp, alike] of this.#since) {
      for (const [id, since] of alike) {
        if (now - since < pickUp * 1_000) break;
        yield { id, pickUp };
      }
    }
  }
}
