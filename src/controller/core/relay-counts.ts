/** Relays of a pair as one of its key managers counts them, from its start on. Pure. */

export interface RelayCount {
  readonly relays: number;
  /** Of these those that failed. */
  readonly failed: number;
}

const none: RelayCount = { relays: 0, failed: 0 };

export function added(one: RelayCount, other: RelayCount): RelayCount {
  return { relays: one.relays + other.relays, failed: one.failed + other.failed };
}

/** Never falls: a key manager that begins anew counts from 0, and what it counted before stays. */
export class RelayCounts {
  #before = none;
  #last = none;

  heard({ relays, failed }: RelayCount): void {
    const isAnew = relays < this.#last.relays || failed < this.#last.failed;
    if (isAnew) this.#before = this.total;
    this.#last = { relays, failed };
  }

  get total(): RelayCount {
    return added(this.#before, this.#last);
  }
}
