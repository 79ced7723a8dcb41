/** What the code takes for granted, said where it must hold. It is checked in production too. */
import { Fault } from "./errors.ts";

/**
 * Ends the operation if an invariant does not hold: a node that goes on could give a key away twice.
 * What the module holds is offered again after a restart.
 * @param invariant the sentence that is not true then; never made from input or key bytes
 * @throws Fault `invariant` with that sentence
 */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new Fault("invariant", invariant);
}
