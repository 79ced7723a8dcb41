import test from "ava";
import {
  bookOf,
  isFree,
  join,
  type Region,
  reconcile,
  use,
} from "../../../../src/km/store/regions.ts";

const region = (start: number, mark: number, end: number, version = 1): Region => {
  return { start, end, version, mark, giving: false };
};

test("where an offer will be made again both ends go on with the same regions, whatever lies around its bytes", (t) => {
  const offered = [
    { extent: 7, start: 48, end: 60 },
    { extent: 7, start: 60, end: 78 },
  ];
  // Bytes before them came back to the owner; bytes behind them are free.
  const owner = [region(0, 0, 48), region(48, 78, 100)];
  const peer = [region(0, 0, 48, 0), region(48, 48, 100)];
  const atOwner = reconcile(owner, peer.map(bookOf), []);
  const atPeer = reconcile(peer, owner.map(bookOf), offered);
  t.deepEqual([atOwner.used, atPeer.used], [[], []]);
  t.deepEqual(atOwner.regions, owner);
  t.deepEqual(atPeer.regions, [region(0, 0, 48), region(48, 48, 100)]);
  for (const range of offered) use(atPeer.regions, range);
  t.deepEqual(atPeer.regions, atOwner.regions);
});

test("an offer that comes again before one of bytes in front of its own takes none of these", (t) => {
  // Bytes in front came to the owner as a gift after it had made the first offer.
  const offered = [
    { extent: 7, start: 100, end: 105 },
    { extent: 7, start: 92, end: 100 },
    { extent: 7, start: 105, end: 112 },
  ];
  const owner = [region(92, 112, 200)];
  const peer = [region(92, 92, 100), region(100, 100, 200)];
  const { regions, used } = reconcile(peer, owner.map(bookOf), offered);
  t.deepEqual(used, []);
  use(regions, { extent: 7, start: 100, end: 105 });
  t.true(isFree(regions, { extent: 7, start: 92, end: 100 }));
  for (const range of offered) use(regions, range);
  t.deepEqual(join(regions), owner);
});

test("where nothing is on its way both ends join what one region can tell", (t) => {
  const mine = [region(0, 10, 20), region(20, 20, 40), region(40, 50, 60)];
  const theirs = [region(0, 20, 20), region(20, 20, 30, 0), region(30, 30, 60)];
  const whole = [region(0, 20, 40), region(40, 50, 60)];
  t.deepEqual(reconcile(mine, theirs.map(bookOf), []).regions, whole);
  t.deepEqual(reconcile(theirs, mine.map(bookOf), []).regions, whole);
});
