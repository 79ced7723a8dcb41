import test from "ava";
import { Prepared, type PreparingLink } from "../../../../src/km/applications/prepared.ts";

type Offer = [keys: number, length: number, pickUp: number, deadline: number];

/** A link on which so much is free, and so many keys are prepared: what it is asked to prepare. */
function link(
  free: number,
  prepared: number,
  phase = "ready",
): PreparingLink & { offers: Offer[] } {
  const offers: Offer[] = [];
  const core = {
    phase,
    books: { stock: { free: () => free }, side: 0 },
    owner: { preOffer: (...offer: Offer) => void offers.push(offer), prepared: () => prepared },
  };
  return { core, offers } as unknown as PreparingLink & { offers: Offer[] };
}

function prepare(keys: number, on: PreparingLink): void {
  new Prepared({ keys, length: 32, pickUp: 60, deadlineMs: 500, now: () => 1_000 }).fill(on);
}

/** So many keys of 32 bytes are plenty where 16 are prepared. */
const plenty = 8 * 16 * 32;

test("keys are prepared, eight at a time, with the time that a request's have", (t) => {
  const empty = link(plenty, 0);
  prepare(16, empty);
  t.deepEqual(empty.offers, [
    [8, 32, 60, 1_500],
    [8, 32, 60, 1_500],
  ]);
});

test("they are filled up when half of them are gone, and not before", (t) => {
  const counts = [9, 8, 1].map((there) => {
    const on = link(plenty, there);
    prepare(16, on);
    return on.offers.length;
  });
  t.deepEqual(counts, [0, 1, 2]);
});

test("none is prepared where stock is short, where the link is down, or none is wanted", (t) => {
  for (const [keys, on] of [
    [16, link(plenty - 1, 0)],
    [16, link(plenty, 0, "greeting")],
    [0, link(plenty, 0)],
  ] as const) {
    prepare(keys, on);
    t.deepEqual(on.offers, []);
  }
});
