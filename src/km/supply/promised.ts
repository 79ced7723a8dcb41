/**
 * A key is promised to a slave from the owner's word that the slave has it until it is answered: an answer that came too late,
 * or in time for some keys of a question only, is kept for the next question. Of the life of this process, since a disk
 * may be older than an answer. Pure.
 */
import { slavesOf } from "../store/sae-set.ts";
import type { Use } from "../store/shapes.ts";

/** @param slave its place in the set of the key */
export function promise(use: Use, slave: number): void {
  use.promised = (use.promised ?? 0) | (2 ** slave);
}

export function isPromised({ promised = 0, had }: Use, slave: number): boolean {
  return (promised & ~had & (2 ** slave)) !== 0;
}

/** Of an owner whose disk is older now only what it still has written down is kept. @param had slaves, one bit each */
export function keepPromised(use: Use, had: number): void {
  if (use.promised !== undefined) use.promised &= had;
}

/** Of keys that are bound here, those that are promised, each as often as it is. */
export function promisedKeys(uses: Iterable<Use>): number {
  let keys = 0;
  for (const use of uses) if (!use.owner && use.state === "B") keys += [...promisedTo(use)].length;
  return keys;
}

/** Slaves that it is promised to, the first first. */
export function* promisedTo(use: Use): Generator<number> {
  for (let slave = 0; slave < slavesOf(use.request); slave++) {
    if (isPromised(use, slave)) yield slave;
  }
}
