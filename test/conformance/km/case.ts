import type { Level } from "../run.ts";
import type { Kit } from "./kit.ts";
import type { Binding } from "./target.ts";

export interface KmCase {
  readonly id: string;
  /** A sentence. */
  readonly title: string;
  /** Default `must`. */
  readonly level?: Level;
  /** Default: both. */
  readonly binding?: Binding;
  /** What must be there to try it. */
  readonly needs?: "tls" | "restart";
  run(kit: Kit): Promise<void>;
}
