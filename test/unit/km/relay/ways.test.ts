import test from "ava";
import { PairWays } from "../../../../src/km/relay/ways.ts";

test("what a controller gave is first; one that failed is last for a while", (t) => {
  const ways = new PairWays("controller", [["b"], ["d"]]);
  t.true(ways.any);
  t.deepEqual(ways.list(0), [["b"], ["d"]]);
  t.true(ways.mayAsk(0));
  t.true(ways.give([["d"]]));
  t.false(ways.give([["d"]]));
  t.false(ways.mayAsk(0));
  t.deepEqual(ways.list(0), [["d"], ["b"]]);
  ways.failed(["d"], 0);
  t.deepEqual(ways.list(9_999), [["b"], ["d"]]);
  t.true(ways.mayAsk(9_999));
  t.false(ways.mayAsk(10_000));
  t.deepEqual(ways.list(10_000), [["d"], ["b"]]);
  ways.failed(["d"], 10_000);
  ways.worked(["d"]);
  t.deepEqual(ways.list(10_000), [["d"], ["b"]]);
});

test("a way whose keys were others is last for ten minutes, whatever comes by it meanwhile", (t) => {
  const ways = new PairWays("configuration", [["b"], ["d"], ["e"]]);
  ways.distrust(["b"], 0);
  ways.worked(["b"]);
  ways.failed(["d"], 0);
  t.deepEqual(ways.list(1), [["e"], ["d"], ["b"]]);
  t.deepEqual(ways.list(599_999), [["d"], ["e"], ["b"]]);
  t.deepEqual(ways.list(600_000), [["b"], ["d"], ["e"]]);
});

test("a controller that knows nothing is asked ever more seldom, and at once when it is there again", (t) => {
  const ways = new PairWays("next_hop", []);
  let now = 0;
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    ways.askedInVain(now);
    const from = now;
    while (!ways.mayAsk(now)) now += 100;
    waits.push(now - from);
  }
  t.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  ways.askedInVain(now);
  ways.askAgain();
  t.true(ways.mayAsk(now));
});

test("where the configuration says which way no controller has a say", (t) => {
  const ways = new PairWays("configuration", [["b"]], [["d"]]);
  t.deepEqual(ways.list(0), [["b"]]);
  t.false(ways.mayAsk(0));
  t.false(new PairWays("configuration", []).any);
  t.deepEqual(new PairWays("controller", [["b"]], [["d"]]).list(0), [["d"], ["b"]]);
});

test("over a link that is reserved go the routes of a controller alone", (t) => {
  let reserved = "b";
  const ways = new PairWays("controller", [["b"], ["d"]], [], (next) => next === reserved);
  t.deepEqual(ways.list(0), [["d"]]);
  ways.give([["b"]]);
  t.deepEqual(ways.list(0), [["b"], ["d"]]);
  reserved = "";
  ways.give([["d"]]);
  t.deepEqual(ways.list(0), [["d"], ["b"]]);
});
