/** A line that damages what passes, reproducibly: bit errors, bytes lost, inserted, doubled. */

export interface NoiseRates {
  /** Probability of each bit to be flipped. */
  readonly bitErrors?: number;
  /** Probability, for each byte, that it is lost; that a random one comes before it; twice. */
  readonly drops?: number;
  readonly inserts?: number;
  readonly duplicates?: number;
}

type Fault = "flip" | "drop" | "insert" | "duplicate";

/** A Poisson process per kind of fault: the time to the next is drawn, not each byte's fate. */
interface Source {
  readonly fault: Fault;
  readonly rate: number;
  next: number;
}

export class Noise {
  /** Faults so far. */
  faults = 0;
  readonly #draw: () => number;
  readonly #sources: Source[] = [];
  #at = 0;

  /** @param draw uniform in [0, 1) */
  constructor(rates: NoiseRates, draw: () => number) {
    this.#draw = draw;
    const add = (fault: Fault, rate = 0) => {
      if (rate <= 0) return;
      const source = { fault, rate, next: 0 };
      this.#advance(source);
      this.#sources.push(source);
    };
    add("flip", (rates.bitErrors ?? 0) * 8);
    add("drop", rates.drops);
    add("insert", rates.inserts);
    add("duplicate", rates.duplicates);
  }

  /**
   * What arrives of these bytes: the same memory if nothing happened to them.
   * @param onFault told the offset in `bytes` of each fault
   */
  pass(bytes: Buffer, onFault?: (offset: number) => void): Buffer {
    const end = this.#at + bytes.length;
    let parts: Buffer[] | undefined;
    let copied = 0;
    for (;;) {
      let first: Source | undefined;
      for (const source of this.#sources) {
        if (source.next < end && (first === undefined || source.next < first.next)) first = source;
      }
      if (first === undefined) break;
      const offset = Math.max(copied, Math.floor(first.next) - this.#at);
      this.#advance(first);
      if (offset >= bytes.length) continue;
      this.faults++;
      onFault?.(offset);
      parts ??= [];
      parts.push(
        bytes.subarray(copied, offset),
        this.#instead(first.fault, bytes[offset] as number),
      );
      copied = offset + 1;
    }
    this.#at = end;
    if (parts === undefined) return bytes;
    parts.push(bytes.subarray(copied));
    return Buffer.concat(parts);
  }

  #instead(fault: Fault, byte: number): Buffer {
    const random = Math.floor(this.#draw() * 256);
    if (fault === "flip") return Buffer.from([byte ^ (1 << (random & 7))]);
    if (fault === "drop") return Buffer.alloc(0);
    return Buffer.from([fault === "insert" ? random : byte, byte]);
  }

  #advance(source: Source): void {
    const from = Math.max(source.next, this.#at);
    source.next = from - Math.log(1 - this.#draw()) / source.rate;
  }
}
