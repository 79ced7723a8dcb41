/** How much of a link's stock an application holds: what is asked for, given, and fetched. */
import test from "ava";
import { Outstanding } from "../../../../src/km/applications/outstanding.ts";
import { useOf } from "../../../../src/km/store/sae-set.ts";
import { noOffer, type Use } from "../../../../src/km/store/shapes.ts";

/** A key of 256 bits that `a` was given, for `b`. */
function given(n: number, more: Partial<Use> = {}): Use {
  return {
    id: n.toString(16).padStart(32, "0"),
    count: 1,
    offer: noOffer,
    owner: true,
    ranges: [
      { extent: 1, start: n * 32, end: n * 32 + 8 },
      { extent: 2, start: n * 32, end: n * 32 + 24 },
    ],
    state: "S",
    fate: undefined,
    had: 0,
    request: useOf(["a", "b"]),
    assigned: false,
    number: 0,
    pickUp: 60,
    ...more,
  };
}

function bench(...uses: Use[]) {
  const held = new Map(uses.map((use) => [use.id, use]));
  const link = { name: "fibre", core: { books: { uses: held } } };
  const outstanding = new Outstanding([link], 1_000);
  const holder = { id: "a", outstandingBits: 1_024 };
  /** What came of asking for so many bits where 1,024 may be held. */
  const hold = (bits: number, now: number) =>
    outstanding.hold(link, holder, { keys: 1, bits }, now);
  /** Whether it may. */
  const begin = (bits: number, now: number) => typeof hold(bits, now) === "function";
  return { held, link, outstanding, hold, begin };
}

const ofSae = "too many keys of the SAE are not fetched yet";

test("what was given before a restart counts; what has an end, is of others, or of none yet does not", (t) => {
  const { begin } = bench(
    given(1),
    given(2),
    given(3, { fate: "T" }),
    given(4, { state: "P", request: undefined }),
    given(5, { owner: false }),
    given(6, { request: useOf(["a2", "b"]) }),
    given(7, { state: "V" }),
  );
  t.false(begin(520, 0));
  t.true(begin(512, 0));
  t.false(begin(8, 0), "what is asked for counts");
});

test("what was not given is not held, what was given is until it is fetched or expires", (t) => {
  const { held, hold, begin } = bench();
  const end = (bits: number, isGiven: boolean) => {
    const done = hold(bits, 0);
    if (typeof done === "string") return t.fail(done);
    done(isGiven);
  };
  end(512, false);
  end(1_024, true);
  for (const n of [1, 2, 3, 4]) held.set(given(n).id, given(n));
  t.false(begin(256, 999));
  held.delete(given(1).id);
  (held.get(given(2).id) as Use).fate = "X";
  t.false(begin(256, 999), "all keys on their way are not looked at more than once a second");
  t.true(begin(256, 1_000));
  t.true(begin(256, 1_000));
  t.false(begin(8, 2_000), "also while these have no answer");
});

test("each link has stock of its own, and each application", (t) => {
  const { link, outstanding, hold, begin } = bench();
  t.true(begin(1_024, 0));
  const holds = (one: typeof link, id: string) =>
    typeof outstanding.hold(one, { id, outstandingBits: 1_024 }, { keys: 1, bits: 1_024 }, 0) ===
    "function";
  t.true(holds({ ...link, name: "other" }, "a"));
  t.true(holds(link, "a2"));
  t.is(hold(8, 0), ofSae);
});

test("an application holds no more keys than it may, however short, and all together no more than there is memory for", (t) => {
  const { held, link, outstanding } = bench();
  const ask = (id: string, keys: number, now: number) =>
    outstanding.hold(link, { id, outstandingKeys: 600 }, { keys, bits: keys * 8 }, now);
  const give = (id: string, keys: number, from: number) => {
    const done = ask(id, keys, 0);
    if (typeof done === "string") return t.fail(done);
    for (let n = from; n < from + keys; n++) {
      held.set(given(n).id, given(n, { request: useOf([id, "b"]) }));
    }
    done(true);
  };
  give("a", 600, 0);
  t.is(ask("a", 1, 5_000), ofSae);
  give("a2", 350, 1_000);
  t.is(ask("a2", 60, 5_000), "too many keys are not fetched yet");
  // Who holds few has keys all the same.
  give("a3", 256, 2_000);
  t.is(ask("a3", 1, 5_000), "too many keys are not fetched yet");
  // Of whomever they are.
  for (let n = 0; n < 300; n++) held.delete(given(n).id);
  t.is(typeof ask("a2", 60, 6_000), "function");
  t.is(typeof ask("a", 20, 6_000), "function");
});
