/** How much of a link's stock an application holds: what is asked for, given, and fetched. */
import test from "ava";
import { Outstanding } from "../../../../src/km/applications/outstanding.ts";
import { useOf } from "../../../../src/km/store/sae-set.ts";
import { noOffer, type Use } from "../../../../src/km/store/shapes.ts";

/** A key of 256 bits that `a` was given, for `b`. */
function given(n: number, more: Partial<Use> = {}): Use {
  return {
    id: n.toString(16).padStart(32, "0"),
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
  const outstanding = new Outstanding();
  /** Whether so many bits may be asked for where 1,024 may be held. */
  const begin = (bits: number, now: number) => outstanding.begin(link, "a", bits, 1_024, now);
  const end = (bits: number, isGiven: boolean) => outstanding.end(link, "a", bits, isGiven);
  return { held, link, outstanding, begin, end };
}

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
  const { held, begin, end } = bench();
  t.true(begin(512, 0));
  end(512, false);
  t.true(begin(1_024, 0));
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
  const { link, outstanding, begin } = bench();
  t.true(begin(1_024, 0));
  t.true(outstanding.begin({ ...link, name: "other" }, "a", 1_024, 1_024, 0));
  t.true(outstanding.begin(link, "a2", 1_024, 1_024, 0));
  t.false(begin(8, 0));
  outstanding.end({ ...link, name: "unheard of" }, "a", 8, true);
});
