/** What node controllers tell on the manager's topics, to the links that it is about. */
import type { CoreParts } from "./parts.ts";
import type { Routes } from "./routes.ts";
import type { HeardNode } from "./world.ts";

export class NodeWords {
  readonly #parts: Pick<CoreParts, "topology" | "news">;
  readonly #routes: Routes;
  /** Words of nodes that there was no room for. */
  leftOut = 0;

  constructor(parts: Pick<CoreParts, "topology" | "news">, routes: Routes) {
    this.#parts = parts;
    this.#routes = routes;
  }

  heard({ node, online, at, heardAt, alarms, isGone, isLeftOut }: HeardNode): void {
    const { topology } = this.#parts;
    const told = alarms.map(({ since, ...one }) => {
      return { ...one, by: "mqtt" as const, since: new Date(since).toISOString() };
    });
    const concerned = isLeftOut ? undefined : topology.heard(node, { online, at, heardAt }, told);
    if (concerned === undefined) return this.#noRoom(node);
    this.#routes.judge(concerned);
    if (isGone) topology.heardNoMore(node);
  }

  /** Told of the first; who writes to a broker can make up any number. */
  #noRoom(node: string): void {
    if (this.leftOut++ > 0) return;
    const text = "what it tells over MQTT is not taken: there are too many nodes";
    this.#parts.news.tell("node", node, text);
  }
}
