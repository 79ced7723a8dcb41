/** A KM is taken out of the configuration while the way in which keys leave was changed, too. */
import test from "ava";
import { claimantOfKm } from "../../../../src/node/keys/key-id.ts";
import { type Bench, durable, Km, withBench } from "../../../rig/custody-bench.ts";
import { custodyStory } from "../../../sim/custody-story.ts";

/** A block that was cut for requests: three of its keys may be with the first KM, one with the second. */
async function begun(bench: Bench): Promise<void> {
  bench.module.connect(bench.custody);
  bench.module.add(0, 1_024);
  bench.module.offer();
  await durable(bench);
  await bench.restart({ onRequest: false, kms: ["c", "a"] });
  bench.module.connect(bench.custody);
  bench.module.offer();
  await durable(bench);
  const [c, a] = [new Km(bench.custody), new Km(bench.custody)];
  bench.custody.kmUp(c, "c");
  bench.custody.kmUp(a, "a");
  await durable(bench);
  c.answer("internal_error", 3);
  await durable(bench);
  await bench.clock.advance(5_000);
  await durable(bench);
  bench.custody.kmDown("c");
  bench.custody.kmDown("a");
}

const options = { onRequest: true, keyBits: 256, kms: ["c", "a"], fresh: true } as const;

test("what was bound to a KM that is taken out waits for it, and what was another's goes on to that", async (t) => {
  await withBench(options, async (bench) => {
    await begun(bench);
    await bench.restart({ onRequest: false, kms: ["c"] });
    const { custody, module } = bench;
    module.connect(custody);
    module.offer();
    await durable(bench);
    const c = new Km(custody);
    custody.kmUp(c, "c");
    await durable(bench);
    t.is(c.outstanding.length, 3);
    const kept = () => custody.keptBackKeys.list(9).map(({ why, reason }) => [why, reason]);
    t.deepEqual(kept(), [["other_km", "a"]]);
    custody.kms.free("a", [claimantOfKm("a")]);
    await durable(bench);
    await bench.clock.advance(61_000);
    await durable(bench);
    t.deepEqual(kept(), []);
  });
});

test("stories of keys that were freed while kept for a repeat, or that fit no unit any more, end well", async (t) => {
  for (const seed of [7_707_138, 9_111_577, 9_124_006, 7_713_343]) {
    t.deepEqual((await custodyStory(seed)).broken, [], `${seed}`);
  }
});
