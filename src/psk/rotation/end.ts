/** A tunnel's end: which of its keys is installed. Pure. */
import type { KeyPlace, Tunnel, TunnelKey } from "./ports.ts";

export class TunnelEnd {
  readonly #place: KeyPlace;
  readonly #tunnel: Tunnel;
  /** ID of the key that this process has installed. */
  #installed: string | undefined;

  constructor(place: KeyPlace, tunnel: Tunnel) {
    this.#place = place;
    this.#tunnel = tunnel;
  }

  get current(): TunnelKey | undefined {
    return this.#place.current;
  }

  /** The tunnel gets the current key, also again where that costs it nothing. @throws Fault `psk.install`, `state.io` */
  async settle(): Promise<void> {
    const { current } = this.#place;
    if (current === undefined) return;
    if (current.id === this.#installed && !this.#tunnel.isRepeatable) return;
    // A program that fails may have taken the key all the same.
    this.#installed = undefined;
    await this.#tunnel.install(current.bytes);
    this.#installed = current.id;
  }
}
