/** Parts of one relay that come to one KM over several links, until all are there: at a destination, or a collector. Pure. */
import { wipeMemory } from "../../port/key.ts";
import type { Relay } from "../../wire/kx/relay-messages.ts";
import { xor } from "./scheme.ts";

export class Gathering {
  readonly message: Relay;
  readonly #needed: readonly string[];
  readonly #parts = new Map<string, Buffer>();

  /** @param first of its messages: all others must tell the same of the relay */
  constructor(first: Relay, isCollector: boolean) {
    this.message = first;
    const { path, scheme } = first;
    const xors = path.slice(1, -1).map((_, i) => `xor ${i + 1}`);
    if (isCollector) this.#needed = xors;
    else if (scheme === "destination") this.#needed = [`hop ${path.length - 2}`, ...xors];
    else if (scheme === "centralized") this.#needed = [`hop ${path.length - 2}`, "sum 0"];
    else this.#needed = [`hop ${path.length - 2}`];
  }

  /** Whether a message is of the same relay, and a part that is not here. */
  wants(message: Relay): boolean {
    const { scheme, path, collector, length } = this.message;
    return (
      message.scheme === scheme &&
      message.length === length &&
      message.collector === collector &&
      JSON.stringify(message.path) === JSON.stringify(path) &&
      this.#needed.includes(partOf(message)) &&
      !this.#parts.has(partOf(message))
    );
  }

  /** @param part its own from now on @returns the XOR of all parts once all are here, which the caller wipes */
  add(message: Relay, part: Buffer): Buffer | undefined {
    this.#parts.set(partOf(message), part);
    if (this.#parts.size < this.#needed.length) return undefined;
    const [sum, ...others] = this.#parts.values();
    for (const one of others) {
      xor(sum as Buffer, one, sum);
      wipeMemory(one);
    }
    this.#parts.clear();
    return sum;
  }

  wipe(): void {
    for (const part of this.#parts.values()) wipeMemory(part);
    this.#parts.clear();
  }
}

function partOf({ step, at }: Relay): string {
  return `${step} ${at}`;
}
