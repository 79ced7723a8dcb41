/** The links that routes may go by, and whose: one that is reserved or rationed is not for all. */
import { Graph, scarceCost } from "../routing/graph.ts";
import type { PairTerms } from "../routing/pair-plan.ts";
import type { Wires } from "../routing/planner.ts";
import type { Link } from "../topology/link.ts";
import type { CoreParts } from "./parts.ts";

/** Stock may be used up over so long, ms: that part of it counts as what a link can give. */
const horizonMs = 600_000;

export class UsableLinks {
  readonly #parts: Pick<CoreParts, "topology" | "policy">;
  /** May a class use a link that not all may: one function each, so that terms that are alike are the same. */
  readonly #mayUse = new Map<string, PairTerms["mayUse"]>();
  /** Names of those that were reserved when that was asked last. */
  #reserved = "";

  constructor(parts: Pick<CoreParts, "topology" | "policy">) {
    this.#parts = parts;
    this.isOtherwiseReserved();
  }

  /** As they are now. */
  wires(): Wires {
    const { nodes, links } = this.#parts.topology;
    const usable = [...links.values()].filter(({ judgement }) => judgement.usable);
    const names = [...nodes.keys()];
    const graph = (some: readonly Link[]) =>
      new Graph(
        names,
        some.map((link) => ({
          a: link.a,
          b: link.b,
          capacity: link.capacity(horizonMs),
          cost: link.judgement.state === "scarce" ? scarceCost : 1,
        })),
      );
    const open = usable.filter((link) => this.#isForAll(link));
    const all = graph(usable);
    return { all, open: open.length === usable.length ? all : graph(open) };
  }

  /** Others are reserved than when this was asked last: routes of other classes have to leave them. */
  isOtherwiseReserved(): boolean {
    const { topology } = this.#parts;
    const before = this.#reserved;
    const reserved = [...topology.links.values()].filter((link) => topology.isReserved(link));
    this.#reserved = reserved.map(({ name }) => name).join("\n");
    return this.#reserved !== before;
  }

  /** Undefined: a class of this name may use those that are for all. */
  mayUse(name: string, isReserved: boolean): PairTerms["mayUse"] {
    const { topology, policy } = this.#parts;
    const isNamed = policy.links.some(({ ration }) => ration?.classes?.includes(name));
    if (!isReserved && !isNamed) return undefined;
    const known = this.#mayUse.get(`${name} ${isReserved}`);
    if (known !== undefined) return known;
    const mayUse = (a: string, b: string) => {
      const link = topology.linkBetween(a, b);
      if (link === undefined) return false;
      if (topology.isReserved(link) && !isReserved) return false;
      return link.policy?.ration?.classes?.includes(name) ?? true;
    };
    this.#mayUse.set(`${name} ${isReserved}`, mayUse);
    return mayUse;
  }

  #isForAll(link: Link): boolean {
    return !this.#parts.topology.isReserved(link) && link.policy?.ration?.classes === undefined;
  }
}
