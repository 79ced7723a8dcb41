/** A key that its owner has written down as had, before who asked was answered, is there for the next question. */
import test, { type ExecutionContext } from "ava";
import { useOf } from "../../../../src/km/store/sae-set.ts";
import type { Use } from "../../../../src/km/store/shapes.ts";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import { settle } from "../../../clock.ts";
import { received } from "../../../rig/stored-keys.ts";
import { World } from "../../../sim/km/story.ts";

const calm = {
  ...{ faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 },
  ...{ delay: 2, refusals: 0, pickUp: 60, preOffers: 0, limits: { lowWater: 0 } },
};

/** Two key managers at rest, with a key for `use`; answers to TAKE are lost until `answers` is called. */
async function open(t: ExecutionContext, use: string, keys = 1) {
  await settle();
  let isLost = true;
  let isDeaf = false;
  let taken = 0;
  const meddle = (message: KxMessage) => {
    if (message.type === "take" && isDeaf) return [];
    if (message.type !== "taken") return [message];
    taken++;
    return isLost ? [] : [message];
  };
  const world = new World(21, 300, { name: "none", world: calm, meddle });
  t.deepEqual(world.run().broken, []);
  const { a, b, clock, network } = world;
  network.allow(true);
  const after = (ms: number) => clock.runUntil(clock.now + ms);
  const request = (length: number, count = 1): string[] => {
    let ids: string[] = [];
    const wanted = { use, keys: count, length, pickUp: 60, deadline: clock.now + 5_000 };
    a.link.owner.request(wanted, (result) => {
      if (typeof result === "string") t.fail(result);
      else ids = result.flatMap((key) => a.link.books.part(key)).map(({ id }) => id);
    });
    after(1_000);
    t.is(ids.length, count);
    return ids;
  };
  const ids = request(8, keys);
  return {
    ...{ a, b, ids, network, after, request },
    /** Keys of 32 bytes come at both ends. */
    supply: (count: number) => {
      for (let n = 1; n <= count; n++) {
        const key = { id: Buffer.alloc(16, 200 + n), bits: 256, bytes: Buffer.alloc(32, n) };
        for (const km of [a, b]) km.supply(key.id.toString("latin1"), received([key]), () => {});
      }
      after(5_000);
    },
    answers: () => {
      isLost = false;
    },
    told: () => taken,
    doubt: () => b.link.peer.inDoubt,
    /** Questions to the owner are lost, too. */
    deaf: () => {
      isDeaf = true;
    },
    hears: () => {
      isDeaf = false;
    },
    /** Application b's key manager stops: its applications have their last answers. */
    stopping: () => b.link.peer.lastTakes(),
    /** Asks, and does not wait. @returns what it has come to so far */
    ask: (some: readonly string[]) => {
      let result: readonly Use[] | string = "none";
      b.link.peer.take(use, some, clock.now + 60_000, (told) => {
        result = told;
      });
      return () => result;
    },
    cut: () => {
      network.cut();
      after(10_000);
    },
    /** What a question has come to after its time. */
    fetch: (some: readonly string[], slave = 0) => {
      let result: readonly Use[] | string = "none";
      b.link.peer.take(
        use,
        some,
        clock.now + 1_500,
        (told) => {
          result = told;
        },
        slave,
      );
      after(2_000);
      return typeof result === "string" ? result : (result as readonly Use[]).map(({ id }) => id);
    },
    /** Fates at rest, of both ends. */
    fates: () => [a.link.books.state.heard, b.link.books.state.told],
  };
}

test("whose question was over when the answer came asks again, also while the link is down, and has it once", async (t) => {
  const { ids, fetch, cut, network, after, told, fates, a, b } = await open(t, "app-a app-b");
  const before = fates()[0]?.taken ?? 0;
  t.is(fetch(ids), "late");
  t.is(told(), 1);
  // The comparison of both books tells what TAKEN would have.
  cut();
  network.allow(false);
  t.deepEqual(fetch(ids), ids);
  t.is(fetch(ids), "unknown");
  network.allow(true);
  after(10_000);
  t.is(told(), 1);
  t.deepEqual(fates()[0], fates()[1]);
  t.is(fates()[0]?.taken, before + 8);
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0);
});

test("one key manager that began anew meanwhile cannot know whom it has answered: nobody gets it", async (t) => {
  const { ids, fetch, network, after, b, fates } = await open(t, "app-a app-b");
  t.is(fetch(ids), "late");
  network.cut();
  b.die();
  b.start();
  after(10_000);
  t.is(fetch(ids), "unknown");
  t.deepEqual(fates()[0], fates()[1]);
});

test("of keys that are asked for together none is lost where one of them is not there", async (t) => {
  const { ids, fetch, cut, answers, doubt } = await open(t, "app-a app-b", 3);
  t.is(fetch(ids.slice(0, 2)), "late");
  t.is(doubt(), 2);
  cut();
  answers();
  t.is(doubt(), 2);
  t.is(fetch([...ids, "0".repeat(32)]), "unknown");
  t.deepEqual(fetch(ids), ids);
});

test("each of several slaves has it once, whichever answers were lost", async (t) => {
  const { ids, fetch, cut, answers, fates, a, b } = await open(
    t,
    useOf(["app-a", "app-b", "app-c"]),
  );
  t.is(fetch(ids, 1), "late");
  cut();
  t.deepEqual(fetch(ids, 1), ids);
  t.is(fetch(ids, 1), "unknown");
  t.is(fetch(ids, 0), "late");
  answers();
  t.deepEqual(fetch(ids, 0), ids);
  t.is(fetch(ids, 0), "unknown");
  t.deepEqual(fates()[0], fates()[1]);
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0);
});

test("who never comes back for it is counted as if it had come", async (t) => {
  const { ids, fetch, cut, after, fates, a, b } = await open(t, "app-a app-b");
  t.is(fetch(ids), "late");
  cut();
  after(70_000);
  t.is(fetch(ids), "unknown");
  t.deepEqual(fates()[0], fates()[1]);
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0);
});

test("a key that was given up is there for no question, whatever the owner says of it later", async (t) => {
  const { ids, fetch, cut, after, answers, fates, a, b } = await open(t, "app-a app-b", 2);
  const [first = "", second = ""] = ids;
  t.is(fetch([first]), "late");
  b.link.peer.giveUp(ids);
  // Its fate is not known before the owner has answered, or the books are compared.
  t.is(b.link.books.uses.get(first)?.state, "B");
  t.is(fetch([second]), "unknown");
  answers();
  cut();
  t.is(fetch([first]), "unknown");
  after(1_000);
  t.deepEqual(fates()[0], fates()[1]);
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0);
});

test("where the owner's disk is put back to before one key of a question, none is had, and the others stay", async (t) => {
  const { ids, fetch, cut, network, after, answers, supply, request, a, b } = await open(
    t,
    "app-a app-b",
  );
  a.disk.copy();
  // All that is free is used, so that the next key is of an extent that the copy does not know.
  request(a.link.books.stock.free(a.link.books.side));
  supply(20);
  const [later = ""] = request(8);
  t.is(fetch([later]), "late");
  cut();
  const taken = fetch([later, ...ids]);
  t.is(taken, "late");
  let answer: readonly Use[] | string = "none";
  b.link.peer.take("app-a app-b", [later, ...ids], Number.POSITIVE_INFINITY, (told) => {
    answer = told;
  });
  after(100);
  network.cut();
  a.die();
  t.true(a.disk.restore());
  a.start();
  answers();
  after(10_000);
  t.is(answer, "unknown");
  t.deepEqual(fetch(ids), ids);
});

test("a key manager that stops asks the owner nothing more: a key whose question was lost is there after its next start", async (t) => {
  const { ids, fetch, ask, stopping, cut, network, deaf, hears, answers, after, b } = await open(
    t,
    "app-a app-b",
    2,
  );
  const [first = "", second = ""] = ids;
  answers();
  deaf();
  const asked = ask([first]);
  after(100);
  stopping();
  hears();
  // The link breaks, and is up again: what was not heard is not asked again.
  cut();
  t.is(asked(), "late");
  t.is(fetch([second]), "late");
  network.cut();
  b.die();
  b.start();
  after(10_000);
  t.deepEqual(fetch([first, second]), [first, second]);
});

test("a key manager that stops still hands on what it asked for, and what the comparison shows to be its application's", async (t) => {
  const { ids, ask, stopping, cut, answers, after, doubt, a, b } = await open(t, "app-a app-b", 2);
  const [first = "", second = ""] = ids;
  const lost = ask([first]);
  after(100);
  t.is(doubt(), 1);
  answers();
  const asked = ask([second]);
  stopping();
  t.is(doubt(), 2);
  after(100);
  t.is(doubt(), 1);
  t.is((asked() as readonly Use[])[0]?.id, second);
  t.is(lost(), "none");
  cut();
  t.is((lost() as readonly Use[])[0]?.id, first);
  t.is(doubt(), 0);
  after(10_000);
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0);
});

test("who asks again before the first answer is told to wait, and not that the key is gone", async (t) => {
  const { ids, ask, fetch, cut, answers, after } = await open(t, "app-a app-b");
  const first = ask(ids);
  after(100);
  t.is(fetch(ids), "late");
  answers();
  cut();
  t.is((first() as readonly Use[])[0]?.id, ids[0]);
  t.is(fetch(ids), "unknown");
});
