/** What the manager is told of links and modules beside their status. Counted since the process began. Pure. */
import type { Moment } from "../../ops/alarms/severity.ts";
import type { LinkEvent } from "../peer/events.ts";
import { bytesOf } from "../store/ranges.ts";

/** Keys that this KM gave to applications, as owner or as peer of the bytes. */
export interface Supplied {
  readonly keys: number;
  readonly bits: number;
}

const nothing: Supplied = { keys: 0, bits: 0 };

export class Tally {
  readonly #supplied = new Map<string, Supplied>();
  readonly #lastKeys = new Map<string, number>();

  /** Something happened on a link. */
  told(link: string, event: LinkEvent): void {
    if (event.type !== "use") return;
    // The owner's answer left after S, the peer's after T; a fate that comes later tells it again.
    const { state, fate, keys: told } = event;
    const left = state === "S" ? fate === undefined : state === "T";
    if (!left) return;
    let { keys, bits } = this.supplied(link);
    keys += told.length;
    for (const { ranges } of told) bits += bytesOf(ranges) * 8;
    this.#supplied.set(link, { keys, bits });
  }

  /** Keys of a module were stored. @param now monotonic, ms */
  received(module: string, now: number): void {
    this.#lastKeys.set(module, now);
  }

  supplied(link: string): Supplied {
    return this.#supplied.get(link) ?? nothing;
  }

  /**
   * When a module's last key came, ms since 1970 UTC by the clock as it is now: it may have been put right since.
   * @returns undefined: none did yet
   */
  lastKeyAt(module: string, { now, wall }: Pick<Moment, "now" | "wall">): number | undefined {
    const at = this.#lastKeys.get(module);
    return at === undefined ? undefined : Math.round(wall - (now - at));
  }
}

/** A counter's growth, per second. */
export class Rates {
  readonly #before = new Map<string, { readonly count: number; readonly now: number }>();

  /** @param now monotonic ms @returns undefined for the first time */
  of(name: string, count: number, now: number): number | undefined {
    const before = this.#before.get(name);
    if (before !== undefined && now <= before.now) return undefined;
    this.#before.set(name, { count, now });
    if (before === undefined) return undefined;
    const rate = ((count - before.count) * 1_000) / (now - before.now);
    return Math.max(0, Number(rate.toPrecision(6)));
  }
}
