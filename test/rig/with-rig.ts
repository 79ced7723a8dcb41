/** A rig for the length of a test, and what must hold of it in the end. */
import type { ExecutionContext } from "ava";
import { patience } from "../patience.ts";
import { Rig, type RigOptions } from "./rig.ts";

/** For what should take a second or two on any machine. */
export const deadline = () => patience(60_000);

export async function withRig(
  options: RigOptions,
  body: (rig: Rig) => Promise<void>,
): Promise<void> {
  await using rig = await Rig.start({ baud: 0, ...options });
  await body(rig);
}

/** Every key exactly once at each KM, under one ID, the same at both; everything released. */
export function assertWhole(t: ExecutionContext, rig: Rig, keys: number): void {
  t.deepEqual(rig.compare(), { common: keys, different: 0, oneSided: 0 });
  const secret = Buffer.alloc(32, 1);
  for (const { km, name } of rig.ends) {
    t.is(km.store.size, keys);
    t.is(km.store.summary().conflicts, 0);
    const contents = new Set(km.store.digest(secret).values());
    t.is(contents.size, keys, "one key under two IDs");
    t.is(rig.pair[name].module.heldBlocks, 0);
  }
}
