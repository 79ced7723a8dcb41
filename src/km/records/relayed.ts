/**
 * Relays that had pads which could be known to others, and what became of their keys: stock of a pair of which this KM
 * is an end, pads of further relays, or stock of others that have to be told. Two readings of the records. Pure.
 */
import type { Period } from "../keys/origin.ts";
import { AffectedSearch, kindsOfKeys, type LinkNow } from "./affected.ts";
import { type Choice, keysOfRelays } from "./choice.ts";
import type { RecordView } from "./codec.ts";
import { idAt } from "./story.ts";
import type { AffectedRelays } from "./tellings.ts";

/** Pairs of others that are told one by one. */
const mostPairs = 1_000;

export class RelayTrail {
  /** IDs in hexadecimal. */
  readonly relays: ReadonlySet<string>;
  /** What they brought, by link. */
  readonly links: ReadonlyMap<string, AffectedSearch>;
  readonly choice: Choice;
  /** Those whose key came to an end, or to a place, that is known. */
  readonly #known = new Set<string>();
  readonly #elsewhere = new Map<string, { kms: readonly [string, string]; relays: number }>();

  /** @param links names of all links @param period of the keys that the pads are of */
  constructor(links: Iterable<string>, period: Period, relays: ReadonlySet<string>) {
    this.relays = relays;
    this.choice = keysOfRelays(relays, this.#known);
    this.links = new Map(
      Array.from(links, (link) => [link, new AffectedSearch(link, period, this.choice)]),
    );
  }

  /** First with all records, then {@link follow} with all of them again. */
  find(view: RecordView): void {
    if (view.kind === "relayed") return this.#end(view);
    // The searches of the other links would read all of it to find that it is none of theirs.
    if (kindsOfKeys.has(view.kind)) this.links.get(view.facts.link ?? "")?.find(view);
  }

  #end(view: RecordView): void {
    const { ids } = view;
    for (let at = 0; at < ids.length / 16; at++) {
      const relay = idAt(ids, at).toString("hex");
      if (!this.relays.has(relay)) continue;
      this.#known.add(relay);
      const { state, reason, route = [] } = view.facts;
      // An end has the key on record as one of a link's.
      if (reason !== undefined || state === "source" || state === "destination") continue;
      const kms = [route[0] ?? "", route.at(-1) ?? ""] as const;
      const pair = this.#elsewhere.get(kms.join("\0"));
      if (pair !== undefined) pair.relays++;
      else if (this.#elsewhere.size < mostPairs) {
        this.#elsewhere.set(kms.join("\0"), { kms, relays: 1 });
      }
    }
  }

  follow(view: RecordView): void {
    for (const search of this.links.values()) search.follow(view);
  }

  /** Relays that had pads of keys which these brought, and are none of them. */
  get further(): Set<string> {
    const further = new Set<string>();
    for (const { relays } of this.links.values()) {
      for (const relay of relays) if (!this.relays.has(relay)) further.add(relay);
    }
    return further;
  }

  /** @param now what a link has of them now: those that wait are seen by {@link choice} */
  result(now: (link: string) => LinkNow): AffectedRelays {
    const links = Array.from(this.links, ([link, search]) => search.result(now(link)));
    return {
      relays: this.relays.size,
      links: links.filter(
        ({ matched_keys, waiting_keys, unused_keys, without_record }) =>
          matched_keys + waiting_keys + unused_keys + without_record.length > 0,
      ),
      elsewhere: [...this.#elsewhere.values()],
      unknown: this.relays.size - this.#known.size,
    };
  }
}
