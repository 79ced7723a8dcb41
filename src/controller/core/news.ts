/** What changed, and why: told as it happens, and the newest kept for who looks. */
import type { ChangeStatus } from "../model/status.ts";
import type { ControllerWorld } from "./world.ts";

const mostKept = 200;

export class News {
  readonly #world: Pick<ControllerWorld, "wall" | "told">;
  readonly #kept: ChangeStatus[] = [];

  constructor(world: Pick<ControllerWorld, "wall" | "told">) {
    this.#world = world;
  }

  /** The newest first. */
  get kept(): readonly ChangeStatus[] {
    return this.#kept;
  }

  /** @param afterMs since what caused it */
  tell(kind: ChangeStatus["kind"], object: string, text: string, afterMs?: number): void {
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
