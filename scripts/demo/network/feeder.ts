/** Brings key to both ends of each link of a network, as fast as its length lets it, in proportion. */
import type { Clock } from "../../../src/base/clock.ts";
import type { KmNet } from "../../../test/rig/km-net.ts";
import type { ShapeLink } from "./shape.ts";

/** Bytes of a QKD-key. */
const keyBytes = 4_096;
const keyBits = 8 * keyBytes;
/** QKD-keys a second of all links together: two cores have room for a person beside it. */
const keysPerSecond = 12;
/** Keys that a link is behind at the most: one whose KM was away does not bring them all at once. */
const mostBehind = 2;
const tickMs = 250;

/** What a link of installed fibre yields, bit/s: 17.094 Mbit/s at 0 km, 0.2417 dB/km. */
export function secretKeyRate(lengthKm: number): number {
  return 17_094_000 * 10 ** ((-0.2417 * lengthKm) / 10);
}

export class Feeder {
  /** QKD-keys that both KMs of a link took, of all links; and that they did not. */
  keys = 0;
  failed = 0;
  /** bit/s of each link, as they were scaled. */
  readonly rates: readonly number[];
  readonly #net: KmNet;
  readonly #links: readonly ShapeLink[];
  readonly #clock: Clock;
  /** Keys that are due, of each link; the first are at once. */
  readonly #due: number[];
  readonly #under = new Map<number, Promise<void>>();
  #at = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(net: KmNet, links: readonly ShapeLink[], clock: Clock) {
    this.#net = net;
    this.#links = links;
    this.#clock = clock;
    const rates = links.map(({ lengthKm }) => secretKeyRate(lengthKm));
    const sum = rates.reduce((all, rate) => all + rate, 0);
    const scale = Math.min(1, (keysPerSecond * keyBits) / sum);
    this.rates = rates.map((rate) => rate * scale);
    this.#due = links.map(() => mostBehind);
  }

  start(): void {
    this.#at = this.#clock.now();
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** Until what is under way was answered, or refused by a KM that has stopped. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.race([
      Promise.all(this.#under.values()),
      new Promise((resolve) => setTimeout(resolve, 2_000)),
    ]);
  }

  #tick(): void {
    const now = this.#clock.now();
    const seconds = (now - this.#at) / 1_000;
    this.#at = now;
    for (const [i, { ends }] of this.#links.entries()) {
      const due = (this.#due[i] ?? 0) + ((this.rates[i] ?? 0) * seconds) / keyBits;
      this.#due[i] = Math.min(mostBehind, due);
      if (due < 1 || this.#under.has(i)) continue;
      this.#due[i] = Math.min(mostBehind, due) - 1;
      const done = this.#net.feed(ends, 1, keyBytes).then(
        () => void this.keys++,
        () => void this.failed++,
      );
      this.#under.set(
        i,
        done.finally(() => this.#under.delete(i)),
      );
    }
  }
}
