/**
 * The end that decides: it asks its KM for a key, has the other end fetch the same one, and only then both install
 * it. The order makes every step safe to lose:
 *
 * 1. `use` of the current key: what the round before may not have come to. A slave that does not know it gets another.
 * 2. A new key from the KM, kept beside the current one.
 * 3. `offer`: the slave fetches it from its KM, and keeps it beside its own.
 * 4. The new key is the current one here: from now on there is no way back. It is installed here …
 * 5. … and by `use` there.
 *
 * Before step 4 a failure costs the new key; after it the next round begins with 1. Pure.
 */
import type { Duration } from "../../base/duration.ts";
import { Fault } from "../../base/errors.ts";
import type { TunnelEnd } from "./end.ts";
import type { KeyPlace, KeySource, PeerLine, Tunnel } from "./ports.ts";

export interface MasterParts {
  readonly place: KeyPlace;
  readonly end: TunnelEnd;
  readonly tunnel: Pick<Tunnel, "agreed">;
  readonly source: Pick<KeySource, "newKey">;
  /** @throws Fault `psk.peer` */
  readonly dial: () => Promise<PeerLine>;
  /** How long a key is used, ms. */
  readonly interval: Duration;
  /** Monotonic, ms. */
  readonly now: () => number;
}

export class Master {
  readonly #parts: MasterParts;
  /** When the current key came; undefined: this process does not know. */
  #since: number | undefined;

  constructor(parts: MasterParts) {
    this.#parts = parts;
  }

  /** How long until the next key is due, ms; 0: it is. */
  get left(): number {
    const { interval, now } = this.#parts;
    return this.#since === undefined ? 0 : Math.max(0, this.#since + interval - now());
  }

  /**
   * Sees that both ends have the same key, and a new one when that is due.
   * @returns the ID of a new key that both have; undefined if there was none due
   * @throws Fault: another round can help
   */
  async round(): Promise<string | undefined> {
    const { end, dial } = this.#parts;
    await end.settle();
    const line = await dial();
    try {
      const { current } = end;
      const knows = current !== undefined && (await this.#use(line, current.id));
      return knows && this.left > 0 ? undefined : await this.#rotate(line);
    } finally {
      line.close();
    }
  }

  async #rotate(line: PeerLine): Promise<string> {
    const { place, end, tunnel, source, now } = this.#parts;
    const key = await source.newKey();
    const { id } = key;
    const begun = now();
    await place.keepNext(key);
    if ((await line.ask({ act: "offer", id })) !== "ready") {
      await place.dropNext();
      throw new Fault("psk.peer", "the other end could not fetch the key", { key_id: id });
    }
    await place.promote();
    this.#since = begun;
    await end.settle();
    if (!(await this.#use(line, id))) {
      throw new Fault("psk.peer", "the other end has lost the key", { key_id: id });
    }
    await tunnel.agreed();
    return id;
  }

  /** @returns whether the slave uses it; false: it does not know it */
  async #use(line: PeerLine, id: string): Promise<boolean> {
    const answer = await line.ask({ act: "use", id });
    if (answer === "used") return true;
    if (answer === "unknown") return false;
    throw new Fault("psk.peer", "the other end could not install the key", { key_id: id });
  }
}
