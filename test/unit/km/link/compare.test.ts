import test from "ava";
import type { Plant } from "../../../sim/km/plants.ts";
import { World } from "../../../sim/km/story.ts";

/** Nothing goes wrong, and keys are prepared for applications to come. */
const calm: Plant = {
  name: "none",
  world: { faults: { kinds: [], meanMs: 1_000 }, differ: 0, lost: 0, preOffers: 1, pickUp: 20 },
};

/** A network whose keys are on their way at this moment, and whose books go on. */
function running(seed: number): World {
  const world = new World(seed, 400, calm);
  world.network.allow(true);
  world.link.begin();
  world.applications.begin();
  const isBusy = () => [world.a, world.b].every(({ link }) => link.books.uses.size > 3);
  while (!isBusy() && !world.link.done) world.clock.runUntil(world.clock.now + 1);
  return world;
}

test("keys of a link that leads to another KM now end at both ends", (t) => {
  let bound = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const [one, other] = [running(seed), running(seed + 100)];
    const { a, b, network, clock } = one;
    for (const km of [a, b, other.b]) km.die();
    network.cut();
    // The configuration of both ends names the other one's KM under the name that this link had.
    b.disk.content = other.b.disk.content;
    one.applications.end();
    a.start();
    b.start();
    bound += [a, b].reduce((sum, { link }) => sum + link.books.uses.size, 0);
    clock.runUntil(clock.now + one.drawn.healMs);
    t.is(a.link.phase, "ready");
    t.deepEqual(
      [a, b].map(({ link }) => link.books.uses.size),
      [0, 0],
      `seed ${seed}`,
    );
  }
  t.true(bound > 0);
});
