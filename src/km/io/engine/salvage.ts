/**
 * Reads extents that are to be sealed anew, also those of which a stretch is damaged: the others are worth as much as
 * before, and what was used of them is to be unreadable in time. What does not open is given up at once. What the disk does
 * not give may be there a moment later: it is given up when the disk does not give it after a while either.
 */
import type { Clock } from "../../../base/clock.ts";
import { keyMemory, wipeMemory } from "../../../port/key.ts";
import type { Range } from "../../../wire/kx/messages.ts";
import { type Place, placeName, stretch } from "./place.ts";
import { isUnreadable, unlessUnreadable } from "./unreadable.ts";
import type { Volumes } from "./volumes.ts";

/** Bytes of an extent, to be wiped, and the numbers of its stretches that are given up: there they are zeros. */
interface Salvaged {
  readonly bytes: Buffer;
  readonly holes: readonly number[];
}

/** Stock that is lost from now on: at most so many bytes of this extent. */
export interface LostStock {
  readonly link: string;
  readonly number: number;
  readonly bytes: number;
}

/** What is known of an extent that is damaged. */
interface Bad {
  /** When the disk first did not give some of it, ms of the clock. */
  readonly since: number;
  /** Stretches of it that were told as lost. */
  told: number;
}

export class Salvage {
  readonly #volumes: Pick<Volumes, "read" | "readInto">;
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #onLost: (lost: LostStock) => void;
  readonly #bad = new Map<string, Bad>();

  /** @param patienceMs after this what the disk still does not give is given up */
  constructor(
    volumes: Pick<Volumes, "read" | "readInto">,
    clock: Clock,
    patienceMs: number,
    onLost: (lost: LostStock) => void,
  ) {
    this.#volumes = volumes;
    this.#clock = clock;
    this.#patienceMs = patienceMs;
    this.#onLost = onLost;
  }

  /**
   * @param used ranges of it that are not needed any more
   * @returns "later": the disk may give it then; "lost": nothing of it opens @throws a system error
   */
  async read(place: Place, used: readonly Range[]): Promise<Salvaged | "later" | "lost"> {
    const { length } = place;
    const name = placeName(place.link, place.number);
    const read = () => this.#volumes.read(place, 0, length, "once");
    const whole = await unlessUnreadable("damaged", read);
    if (whole !== undefined) {
      this.#bad.delete(name);
      return { bytes: whole, holes: [] };
    }
    const bytes = keyMemory(length);
    try {
      const { holes, isRefused } = await this.#readStretches(place, used, bytes);
      if (holes.length === 0) return { bytes, holes };
      const now = this.#clock.now();
      const bad = this.#bad.get(name) ?? { since: now, told: 0 };
      this.#bad.set(name, bad);
      if (isRefused && now - bad.since < this.#patienceMs) {
        wipeMemory(bytes);
        return "later";
      }
      if (holes.length > bad.told) {
        bad.told = holes.length;
        const lost = Math.min(length, holes.length * stretch);
        this.#onLost({ link: place.link, number: place.number, bytes: lost });
      }
      if (holes.length * stretch < length) return { bytes, holes };
      wipeMemory(bytes);
      return "lost";
    } catch (error) {
      wipeMemory(bytes);
      throw error;
    }
  }

  /** @returns stretches with bytes that are needed and are not there; whether the disk did not give one of them */
  async #readStretches(place: Place, used: readonly Range[], bytes: Buffer) {
    const holes: number[] = [];
    let isRefused = false;
    for (let at = 0, i = 0; at < place.length; at += stretch, i++) {
      const end = Math.min(at + stretch, place.length);
      const target = bytes.subarray(at, end);
      const found = await this.#volumes.readInto(target, place, at, end, "once").catch((error) => {
        if (isUnreadable(error)) return undefined;
        throw error;
      });
      if (found === true) continue;
      target.fill(0);
      if (areIn(used, at, end)) continue;
      holes.push(i);
      isRefused ||= found === undefined;
    }
    return { holes, isRefused };
  }

  /** An extent is gone. */
  forget(name: string): void {
    this.#bad.delete(name);
  }
}

/** Whether all bytes `[start, end)` are in these ranges. */
function areIn(ranges: readonly Range[], start: number, end: number): boolean {
  let at = start;
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    if (range.start <= at) at = Math.max(at, range.end);
  }
  return at >= end;
}
