/** A one-time pad of a session is not taken for that of the next: keys that are equal would be found different. */
import test from "ava";
import { useOfMatch } from "../../../../src/km/matching/match-use.ts";
import { rounds } from "../../../campaign-scale.ts";
import { settle } from "../../../clock.ts";
import { kmStory, World } from "../../../sim/km/story.ts";

const cut = {
  faults: { kinds: ["cut", "clog"], meanMs: 200 },
  ...{ differ: 0, lost: 0, delay: 2, requestMs: 5, keyMs: 5 },
} as const;

for (const batchKeys of [1, 50]) {
  test.serial(
    `no key of a link that is cut all the time is found to differ: batches of up to ${batchKeys}`,
    async (t) => {
      const world = { ...cut, limits: { batchKeys } };
      for (let seed = 1; seed <= rounds(16); seed++) {
        await settle();
        const { broken, counts } = kmStory(seed, 200, { name: "none", oneTime: true, world });
        t.deepEqual(broken, [], `seed ${seed}`);
        t.is(counts.differs, undefined, `seed ${seed}`);
        t.true((counts["one-time"] ?? 0) > 0);
      }
    },
  );
}

test("a pad that was bound to a batch before the session ended is forgotten, whatever the other end does", (t) => {
  const { b } = new World(1, 1, undefined);
  const use = useOfMatch(Buffer.alloc(32, 7));
  const { forBatches } = b.link.peer;
  forBatches.bound(use, "11".repeat(16));
  t.is(forBatches.take(use), "11".repeat(16));
  forBatches.bound(use, "22".repeat(16));
  b.link.down();
  t.is(forBatches.take(use), undefined);
});
