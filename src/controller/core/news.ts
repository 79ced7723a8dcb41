/** What changed, and why: told as it happens, and the newest kept for who looks. */
import { Buckets } from "../../base/bucket.ts";
import type { ChangeStatus } from "../model/status.ts";
import type { ControllerWorld } from "./world.ts";

const mostKept = 200;
/** What a key manager does is told so often; what it does beyond that says nothing more. */
const ofNode = { burst: 20, refillMs: 60_000 } as const;
const mostNodes = 1_000;

export class News {
  readonly #world: Pick<ControllerWorld, "now" | "wall" | "told">;
  readonly #ofNodes = new Buckets(ofNode, mostNodes);
  readonly #kept: ChangeStatus[] = [];

  constructor(world: Pick<ControllerWorld, "now" | "wall" | "told">) {
    this.#world = world;
  }

  /** The newest first. */
  get kept(): readonly ChangeStatus[] {
    return this.#kept;
  }

  /** @param afterMs since what caused it */
  tell(kind: ChangeStatus["kind"], object: string, text: string, afterMs?: number): void {
    if (kind === "node" && !this.#ofNodes.take(object, this.#world.now())) return;
    const change = {
      time: new Date(this.#world.wall()).toISOString(),
      kind,
      object,
      text,
      ...(afterMs !== undefined && { after_ms: Math.round(afterMs) }),
    };
    this.#kept.unshift(change);
    if (this.#kept.length > mostKept) this.#kept.pop();
    this.#world.told(change);
  }
}
