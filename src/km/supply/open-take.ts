/** A question of an application for keys that were offered to it, until the owner has answered for all of them. Pure. */
import type { Use } from "../store/shapes.ts";

export interface OpenTake {
  readonly uses: readonly Use[];
  /** Place of the application among the slaves of its set. */
  readonly slave: number;
  /** IDs that the owner has not answered for. */
  readonly left: Set<string>;
  readonly deadline: number;
  readonly done: (result: readonly Use[] | "unknown" | "late") => void;
}

/** Names one slave of a key. */
export function placeOf(id: string, slave: number): string {
  return slave === 0 ? id : `${id} ${slave}`;
}
