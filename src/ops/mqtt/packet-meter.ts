/**
 * Follows the lengths of MQTT packets in a stream without keeping a byte of it, so that a packet
 * that is too long is seen by its first bytes, before anybody collects it. Pure.
 */
export class PacketMeter {
  readonly #limit: number;
  /** Bytes of the packet at hand that are still to come. */
  #rest = 0;
  /** While its length is being read: value so far and bytes of it; undefined otherwise. */
  #length: { value: number; bytes: number } | undefined;

  /** @param limit longest remaining length allowed, bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns false once a packet is longer than allowed, or no MQTT */
  accepts(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#rest > 0) {
        const skipped = Math.min(this.#rest, chunk.length - at);
        this.#rest -= skipped;
        at += skipped;
      } else if (this.#length === undefined) {
        this.#length = { value: 0, bytes: 0 };
        at++;
      } else {
        const byte = chunk[at++] as number;
        this.#length.value += (byte & 0x7f) * 128 ** this.#length.bytes++;
        if (this.#length.value > this.#limit || this.#length.bytes > 4) return false;
        if (byte < 0x80) {
          this.#rest = this.#length.value;
          this.#length = undefined;
        }
      }
    }
    return true;
  }
}
