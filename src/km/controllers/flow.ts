/** How fast key comes into the stock of each link, and leaves it: bit/s over the last minute. Pure. */
import type { LinkStatus } from "../model/status.ts";

/** Readings are this far apart at least, ms; so many are kept. */
const apartMs = 5_000;
const kept = 13;

interface Reading {
  readonly at: number;
  readonly matched: number;
  readonly used: number;
}

export interface Flow {
  readonly rate: number;
  readonly consumption: number;
}

export class LinkFlows {
  readonly #past = new Map<string, Reading[]>();

  /** The state of now; as often as one likes. @param now monotonic, ms */
  look(links: readonly LinkStatus[], now: number): void {
    for (const { name, matched_bits: matched, stock_bits, peer_stock_bits } of links) {
      const past = this.#past.get(name) ?? [];
      this.#past.set(name, past);
      const last = past.at(-1);
      if (last !== undefined && now - last.at < apartMs) continue;
      past.push({ at: now, matched, used: matched - stock_bits - peer_stock_bits });
      if (past.length > kept) past.shift();
    }
  }

  /** @returns undefined until it is known */
  of(link: string): Flow | undefined {
    const past = this.#past.get(link) ?? [];
    const [first, last] = [past[0], past.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return undefined;
    const perSecond = (name: "matched" | "used") =>
      Math.max(0, Math.round(((last[name] - first[name]) * 1_000) / (last.at - first.at)));
    return { rate: perSecond("matched"), consumption: perSecond("used") };
  }
}
