/** Relays that applications wait for, which end as a test says. */
import test from "ava";
import { always } from "../../../../src/base/wanted.ts";
import { Demands } from "../../../../src/km/relay/demands.ts";
import type { RelayEnd } from "../../../../src/km/relay/source.ts";

function bench(batch = 1_000) {
  const begun: { readonly length: number; readonly done: (end: RelayEnd) => void }[] = [];
  const demands = new Demands({
    me: "km-a",
    batch: () => batch,
    relay: (length, done) => begun.push({ length, done }),
  });
  /** An application asks. @returns what it was told, and how it goes away */
  const ask = (bytes: number) => {
    const told: string[] = [];
    let isThere = true;
    const isTaken = demands.ask(
      bytes,
      () => isThere,
      (end) => told.push(end?.failure ?? "came"),
    );
    const leave = () => {
      isThere = false;
    };
    return { told, leave, isTaken };
  };
  return { demands, begun, ask };
}

const late = { failure: "late", at: "km-b" } as const;

test("who asks again after each time that it gave up has one relay begun, and is told of that", (t) => {
  const { begun, ask } = bench();
  const gone = Array.from({ length: 300 }, () => {
    const one = ask(96);
    one.leave();
    return one;
  });
  const last = ask(64);
  t.deepEqual(
    begun.map(({ length }) => length),
    [192],
  );
  begun[0]?.done(undefined);
  t.deepEqual(last.told, ["came"]);
  t.true(gone.every(({ told, isTaken }) => isTaken && told.length === 1));
});

test("each that still waits has a relay of its own, and so has who wants more than one that was left", (t) => {
  const { begun, ask } = bench();
  const one = ask(64);
  ask(64);
  t.is(begun.length, 2);
  one.leave();
  ask(65);
  t.is(begun.length, 3);
  ask(64);
  t.is(begun.length, 3);
});

test("where the relay that was left fails, who took it over has one of its own begun, once", (t) => {
  const { begun, ask } = bench();
  ask(64).leave();
  const next = ask(64);
  begun[0]?.done(late);
  t.is(begun.length, 2);
  t.deepEqual(next.told, []);
  begun[1]?.done(late);
  t.deepEqual(next.told, ["late"]);
  // Nothing is begun for one that has gone as well.
  ask(64).leave();
  const also = ask(64);
  also.leave();
  begun[2]?.done(late);
  t.is(begun.length, 3);
  t.deepEqual(also.told, ["late"]);
});

test("what is longer than one relay goes in several, and has come when all of them have", (t) => {
  const { begun, ask } = bench(100);
  const { told } = ask(130);
  t.deepEqual(
    begun.map(({ length }) => length),
    [100, 100, 64],
  );
  begun[2]?.done(undefined);
  begun[0]?.done(undefined);
  t.deepEqual(told, []);
  begun[1]?.done(undefined);
  t.deepEqual(told, ["came"]);
  begun.length = 0;
  const failed = ask(130);
  begun[0]?.done(late);
  t.deepEqual(failed.told, [], "it is over when the last is");
  begun[1]?.done(undefined);
  begun[2]?.done(undefined);
  t.deepEqual(failed.told, ["late"]);
});

test("demands, what they ask for, and relays of one are bounded", (t) => {
  const many = bench();
  const taken = Array.from({ length: 300 }, () => many.ask(32).isTaken);
  t.is(taken.filter((one) => one).length, 256);
  const large = bench(1_048_576);
  const some = Array.from({ length: 64 }, () => large.ask(1_048_576).isTaken);
  t.is(some.filter((one) => one).length, 32);
  for (const { done } of large.begun.splice(0)) done(undefined);
  t.true(large.ask(1_048_576).isTaken);
  const short = bench(64);
  t.true(short.demands.ask(1_048_576, always, () => {}));
  t.is(short.begun.length, 16);
});

test("after a relay failed the next question begins with a short one, and goes on when that went well", (t) => {
  const { begun, ask } = bench();
  const lengths = () => begun.map(({ length }) => length);
  ask(400);
  t.deepEqual(lengths(), [800]);
  begun.shift()?.done(late);
  const { told } = ask(400);
  t.deepEqual(lengths(), [64]);
  begun.shift()?.done(late);
  t.deepEqual(told, ["late"]);
  t.deepEqual(lengths(), [], "nothing more is burnt for it");
  const mended = ask(600);
  begun.shift()?.done(undefined);
  t.deepEqual(lengths(), [1_000, 136]);
  for (const { done } of begun.splice(0)) done(undefined);
  t.deepEqual(mended.told, ["came"]);
  ask(400);
  t.deepEqual(lengths(), [800]);
});

test("a relay that is too long for an older KM makes the next question no slower", (t) => {
  const { begun, ask } = bench();
  ask(400);
  begun.shift()?.done({ failure: "long", at: "km-b" });
  ask(400);
  t.is(begun[0]?.length, 800);
});
