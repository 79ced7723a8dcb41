/**
 * How much of a link's stock an application holds: bits of keys that it was given, or asks for, and that its partners
 * have not fetched yet. Pure.
 */
import { bytesOf } from "../store/ranges.ts";
import { setOf } from "../store/sae-set.ts";
import type { Uses } from "../store/use-table.ts";

/** What was fetched since is seen at the next count, so long after the last one at the soonest, ms. */
const countEveryMs = 1_000;

/** A link, as far as its keys are counted. */
export interface CountedLink {
  readonly name: string;
  readonly core: { readonly books: { readonly uses: Uses } };
}

interface OfLink {
  /** By application: given and not fetched, by the last count and since. */
  readonly given: Map<string, number>;
  /** By application: asked for, and not answered yet. */
  readonly asked: Map<string, number>;
  countedAt: number;
}

export class Outstanding {
  readonly #links = new Map<string, OfLink>();

  /**
   * Asks for bits of a link, and holds them until {@link end}. All keys on their way are looked at only when an
   * application would else be refused.
   * @param now monotonic, ms
   * @returns false if it would hold more than it may
   */
  begin(link: CountedLink, application: string, bits: number, most: number, now: number): boolean {
    let of = this.#links.get(link.name);
    if (of === undefined) {
      of = { given: new Map(), asked: new Map(), countedAt: Number.NEGATIVE_INFINITY };
      this.#links.set(link.name, of);
      count(of, link, now);
    }
    const held = ({ given, asked }: OfLink) =>
      (given.get(application) ?? 0) + (asked.get(application) ?? 0);
    if (held(of) + bits > most && now - of.countedAt >= countEveryMs) count(of, link, now);
    if (held(of) + bits > most) return false;
    add(of.asked, application, bits);
    return true;
  }

  /** What was asked for is answered. @param given the application has it */
  end(link: CountedLink, application: string, bits: number, given: boolean): void {
    const of = this.#links.get(link.name);
    if (of === undefined) return;
    add(of.asked, application, -bits);
    if (given) add(of.given, application, bits);
  }
}

function count(of: OfLink, { core }: CountedLink, now: number): void {
  of.countedAt = now;
  of.given.clear();
  for (const { owner, state, fate, request, ranges } of core.books.uses.values()) {
    if (!owner || state !== "S" || fate !== undefined || request === undefined) continue;
    const [master] = setOf(request) ?? [];
    if (master !== undefined) add(of.given, master, bytesOf(ranges) * 8);
  }
}

/** What is nothing is not kept: there are as many entries as applications that hold keys. */
function add(map: Map<string, number>, application: string, bits: number): void {
  const sum = (map.get(application) ?? 0) + bits;
  if (sum <= 0) map.delete(application);
  else map.set(application, sum);
}
