/** Reads at the broker what nodes tell, connection by connection, and passes on what changes by it. */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Moment } from "../../ops/alarms/severity.ts";
import type { Listening } from "../../ops/manager/listening.ts";
import type { HeardNode } from "../core/world.ts";
import type { NodesHeard } from "./nodes.ts";

/** How often it is seen to that what was heard before has come again, ms. */
const lookMs = 1_000;

export class NodesListening implements Listening {
  readonly #nodes: NodesHeard;
  readonly #clock: Clock;
  readonly #onNode: (node: HeardNode) => void;
  #looking: Timer | undefined;

  /** @param onNode what is known of a node is another now */
  constructor(nodes: NodesHeard, clock: Clock, onNode: (node: HeardNode) => void) {
    this.#nodes = nodes;
    this.#clock = clock;
    this.#onNode = onNode;
  }

  get filters(): readonly string[] {
    return this.#nodes.filters;
  }

  onMessage(topic: string, payload: Buffer, retained: boolean): void {
    const heard = this.#nodes.hear(topic, payload, this.#moment, retained);
    if (heard !== undefined) this.#onNode(heard);
  }

  onConnected(): void {
    this.#looking?.cancel();
    this.#nodes.connected();
  }

  onSubscribed(): void {
    this.#nodes.subscribed(this.#clock.now());
    this.#looking?.cancel();
    const looking = every(this.#clock, lookMs, () => {
      for (const node of this.#nodes.look(this.#moment)) this.#onNode(node);
      if (!this.#nodes.isWaiting) looking.cancel();
    });
    this.#looking = looking;
  }

  /** Without the broker all holds that was heard. */
  onEnded(): void {
    this.#looking?.cancel();
  }

  get #moment(): Moment {
    return { now: this.#clock.now(), wall: this.#clock.wall() };
  }
}
