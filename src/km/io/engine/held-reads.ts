/**
 * Long reads for a keyed hash that are read once more when the key is used: their bytes are kept until then, or until
 * they are forgotten. A pad of a relay is opened once, so, at the KM that lends it and at the one that binds it.
 */
import { wipeMemory } from "../../../port/key.ts";
import type { Range } from "../../../wire/kx/messages.ts";

/** Shorter ones are among the stretches that were opened a moment ago, bytes. */
const least = 32_768;
/** Key in memory beside the disk, bytes: pads of as many relays as one pair has under way, of two hops. */
const most = 8_388_608;

/** A read that is under way, or what it brought. */
interface Held {
  readonly link: string;
  readonly ranges: readonly Range[];
  bytes: Buffer | undefined;
  /** Some of it was forgotten while it was read. */
  isSpoilt: boolean;
}

export class HeldReads {
  /** By link and first byte; those that were kept first in front. */
  readonly #held = new Map<string, Held>();
  readonly #reading = new Set<Held>();
  #bytes = 0;

  /** A read begins. @returns what is done with its bytes, once, which are its own from then on */
  begin(link: string, ranges: readonly Range[]): (bytes: Buffer | undefined) => void {
    const held: Held = { link, ranges, bytes: undefined, isSpoilt: false };
    this.#reading.add(held);
    return (bytes) => {
      this.#reading.delete(held);
      if (bytes !== undefined) this.#keep(held, bytes);
    };
  }

  #keep(held: Held, bytes: Buffer): void {
    const name = nameOf(held);
    const fits = bytes.length >= least && bytes.length <= most;
    if (held.isSpoilt || !fits || this.#held.has(name)) return wipeMemory(bytes);
    held.bytes = bytes;
    this.#held.set(name, held);
    this.#bytes += bytes.length;
    for (const oldest of this.#held.values()) {
      if (this.#bytes <= most) return;
      this.#drop(oldest);
    }
  }

  /** @returns the caller's from now on; undefined if exactly this was not kept */
  take(link: string, ranges: readonly Range[]): Buffer | undefined {
    const name = nameOf({ link, ranges });
    const held = this.#held.get(name);
    if (held?.bytes === undefined || !isSame(held.ranges, ranges)) return undefined;
    this.#held.delete(name);
    this.#bytes -= held.bytes.length;
    return held.bytes;
  }

  /** Some of these bytes are not needed any more: what was kept with them is wiped. */
  forget(link: string, ranges: readonly Range[]): void {
    const concerns = (held: Held) =>
      held.link === link && held.ranges.some((one) => ranges.some((it) => meet(one, it)));
    for (const held of this.#reading) if (concerns(held)) held.isSpoilt = true;
    for (const held of this.#held.values()) if (concerns(held)) this.#drop(held);
  }

  clear(): void {
    for (const held of this.#held.values()) this.#drop(held);
  }

  #drop(held: Held): void {
    this.#held.delete(nameOf(held));
    this.#bytes -= held.bytes?.length ?? 0;
    if (held.bytes !== undefined) wipeMemory(held.bytes);
  }
}

function nameOf({ link, ranges: [first] }: Pick<Held, "link" | "ranges">): string {
  return `${first?.extent} ${first?.start} ${link}`;
}

function isSame(some: readonly Range[], others: readonly Range[]): boolean {
  if (some.length !== others.length) return false;
  return some.every(({ extent, start, end }, i) => {
    const other = others[i];
    return other?.extent === extent && other.start === start && other.end === end;
  });
}

function meet(one: Range, other: Range): boolean {
  return one.extent === other.extent && one.start < other.end && other.start < one.end;
}
