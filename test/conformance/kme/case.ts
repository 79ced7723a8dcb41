import type { Level } from "../run.ts";
import type { Kit } from "./kit.ts";

export interface KmeCase {
  readonly id: string;
  /** Of ETSI GS QKD 014 where it is one of §, else of the RFC. */
  readonly clause: string;
  /** A sentence. */
  readonly title: string;
  /** Default `must`: the standard has it so. `should`: it says nothing, and keys are safer so. */
  readonly level?: Level;
  /** What must be there to try it. */
  readonly needs?: "third" | "stranger";
  run(kit: Kit): Promise<void>;
}
