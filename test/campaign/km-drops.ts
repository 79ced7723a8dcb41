/**
 * The KM takes a key and drops the connection before its answer, again and again: nothing may be lost,
 * nothing may have two IDs, each key is stored once. Real sockets, the node's own custody and session.
 */
import { dropConnection } from "../emulator/km/index.ts";
import { KmBench } from "../rig/km-bench.ts";

export interface DropsResult {
  readonly drops: number;
  readonly keys: number;
  /** Supplies of keys that the KM had already. */
  readonly repeats: number;
  /** Keys that the KM does not have in the end. Must be 0. */
  readonly lost: number;
  /** IDs with two contents, and contents with two IDs. Must be 0. */
  readonly conflicts: number;
  /** Blocks that the module still holds. Must be 0. */
  readonly held: number;
}

export async function kmDrops(drops: number): Promise<DropsResult> {
  const bench = await KmBench.open();
  const { km, module } = bench;
  const drop = () => km.behave(dropConnection("before answering", drops));
  let stop = drop();
  for (let dropped = 0; dropped < drops; dropped++) {
    bench.distil(8);
    const { keys, repeats } = km.store.summary();
    await bench.live(() => {
      const now = km.store.summary();
      return now.keys + now.repeats > keys + repeats && km.counts.open === 0;
    });
    // Now and then a connection lives: else it would be the same few keys for ever.
    if (dropped % 4 === 3) {
      stop();
      await bench.live(() => module.blocks.size === 0);
      stop = drop();
    }
  }
  stop();
  await bench.live(() => module.blocks.size === 0);
  const { repeats } = km.store.summary();
  const result = { drops, keys: bench.keys, repeats, ...bench.outcome() };
  await bench.close();
  return result;
}
