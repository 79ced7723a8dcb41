/** Keys that are prepared ahead cost stock when the other end does not take them: they are tried ever less often then. */
import test from "ava";
import { Prepared } from "../../../../src/km/applications/prepared.ts";
import { settle } from "../../../clock.ts";
import { World } from "../../../sim/km/story.ts";

const calm = {
  ...{ faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 },
  ...{ delay: 2, refusals: 0, pickUp: 60, preOffers: 0, limits: { lowWater: 0, underWay: 4 } },
};

test("keys that the other end refuses are not prepared again and again", async (t) => {
  await settle();
  const meddle = (message: unknown) => [message] as never;
  const world = new World(21, 300, { name: "none", world: calm, meddle });
  world.run();
  const { a, clock, network } = world;
  network.allow(true);
  const { books } = a.link;
  const options = { keys: 8, length: 8, pickUp: 60, deadlineMs: 3_000, now: () => clock.now };
  const prepared = new Prepared(options);
  const free = () => books.stock.free(books.side);
  const burnt = (seconds: number) => {
    const before = free();
    for (let n = 0; n < seconds; n++) {
      prepared.fill({ core: a.link });
      clock.runUntil(clock.now + 1_000);
    }
    return before - free();
  };
  t.true(free() > 1_000, "there is plenty");
  const one = 8 * 8;
  t.is(burnt(1), one);
  // It waits for 1, 2, 4, … s, or as little as half of that.
  const minutes = burnt(120) / one;
  t.true(minutes >= 5 && minutes <= 8, `${minutes} times in two minutes`);
  t.true(burnt(3_600) / one <= 12);
});
