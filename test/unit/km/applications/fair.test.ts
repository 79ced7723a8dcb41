import test from "ava";
import { FairTurns } from "../../../../src/km/applications/fair.ts";

/** Works that are over when a test says so; their names in the order in which they began. */
function desk(atOnce: number, mostOfOne: number) {
  const turns = new FairTurns(atOnce, mostOfOne);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const add = (application: string, name = application) =>
    turns.add(application, (done) => {
      begun.push(name);
      ends.push(done);
    });
  return { turns, begun, ends, add };
}

test("however many one has waiting, each of the others is served in between", (t) => {
  const { turns, begun, ends, add } = desk(1, 10);
  for (let i = 0; i < 4; i++) t.true(add("greedy", `greedy ${i}`));
  t.true(add("modest"));
  t.true(add("other"));
  t.is(turns.waiting, 5);
  while (ends.length > 0) ends.shift()?.();
  t.deepEqual(begun, ["greedy 0", "greedy 1", "modest", "other", "greedy 2", "greedy 3"]);
  t.is(turns.waiting, 0);
});

test("so many are under way at a time, over all", (t) => {
  const { turns, begun, ends, add } = desk(3, 10);
  for (const name of ["a", "b", "c", "d", "e"]) add(name);
  t.deepEqual(begun, ["a", "b", "c"]);
  t.is(turns.waiting, 2);
  ends[1]?.();
  t.deepEqual(begun, ["a", "b", "c", "d"]);
  // Over is over.
  ends[1]?.();
  ends[1]?.();
  t.is(begun.length, 4);
  ends[0]?.();
  t.is(begun.length, 5);
});

test("of one so many may wait, and others still may", (t) => {
  const { turns, add, ends } = desk(1, 2);
  t.true(add("a"));
  t.true(add("a"));
  t.true(add("a"));
  t.false(add("a"));
  t.true(add("b"));
  t.is(turns.waiting, 3);
  ends[0]?.();
  t.true(add("a"));
});

test("many that end as soon as they begin need no stack", (t) => {
  const turns = new FairTurns(1, 100_000);
  let end = () => {};
  turns.add("a", (done) => {
    end = done;
  });
  let count = 0;
  for (let i = 0; i < 100_000; i++) {
    turns.add(`application ${i % 7}`, (done) => {
      count++;
      done();
    });
  }
  end();
  t.is(count, 100_000);
  t.is(turns.waiting, 0);
  t.true(turns.add("a", (done) => done()));
  t.is(turns.waiting, 0);
});

test("one application has half of the places at most, whoever waits", (t) => {
  const { begun, ends, add } = desk(4, 10);
  for (let i = 0; i < 5; i++) add("greedy", `greedy ${i}`);
  t.deepEqual(begun, ["greedy 0", "greedy 1"]);
  add("modest");
  add("other");
  t.deepEqual(begun.slice(2), ["modest", "other"]);
  ends[0]?.();
  t.is(begun.at(-1), "greedy 2");
});
