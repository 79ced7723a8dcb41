/** When all faults are over: nothing hangs, and both books agree (rule L of the key manager's README). */
import { bytesOf } from "../../../src/km/store/ranges.ts";
import type { Use } from "../../../src/km/store/shapes.ts";
import type { SimKm } from "./sim-km.ts";
import type { SimWorld as World } from "./world.ts";

export function compareAtEnd(world: World): void {
  const { a, b, oracle } = world;
  for (const [km, other] of [
    [a, b],
    [b, a],
  ] as const) {
    for (const why of pending(km, other)) oracle.bad("L", `at ${km.name} ${why}`);
  }
  const books = (km: SimKm) => {
    const { books: own } = km.link;
    return [...own.stock.extents.values()]
      .map(({ number, length, regions }) => ({
        number,
        length,
        regions: regions.map(({ start, end, version, mark }) => [start, end, version, mark]),
      }))
      .sort((x, y) => x.number - y.number);
  };
  const mine = JSON.stringify(books(a));
  const theirs = JSON.stringify(books(b));
  if (mine !== theirs) oracle.bad("L", `the books of stock differ: ${mine} / ${theirs}`);
  const counts = (from: SimKm, to: SimKm) => {
    const told = JSON.stringify(from.link.books.state.told);
    const heard = JSON.stringify(to.link.books.state.heard);
    if (told !== heard) oracle.bad("L", `fates that ${from.name} told ${told}, and heard ${heard}`);
  };
  counts(a, b);
  counts(b, a);
  const { takes } = world.drawn;
  const areWitnessed = takes.a === "witnessed" && takes.b === "witnessed";
  if (areWitnessed && oracle.slaveOnly() > 0)
    oracle.bad("L", `${oracle.slaveOnly()} keys have the slave alone`);
  if (!oracle.restored && !world.damage) wholeBooks(world);
}

/** Without a disk that was put back or lost bytes every byte that was handed out is counted, and every good key was matched. */
function wholeBooks({ a, b, oracle, link, expired, counts, toldBytes }: World): void {
  // A pair of keys that differs may end at one side when the session breaks, and expires at the other.
  const mayExpire = link.lost + (counts.differs ?? 0);
  if (expired > mayExpire) oracle.bad("L", `${expired} keys expired, of ${mayExpire} that may`);
  const taken = a.link.books.state.told.taken + b.link.books.state.told.taken;
  if (taken < oracle.slaveBytes) {
    oracle.bad("L", `${oracle.slaveBytes} bytes were taken, ${taken} are counted`);
  }
  if (a.link.books.state.matched !== b.link.books.state.matched) {
    oracle.bad("L", "both ends have matched as much");
  }
  if (a.link.books.state.matched !== link.goodBytes) {
    oracle.bad(
      "L",
      `${link.goodBytes} good bytes came, ${a.link.books.state.matched} were matched`,
    );
  }
  const silent = toldBytes.silent(a.link.books.stock.extents);
  if (silent > 0) oracle.bad("L", `${silent} bytes are used, and nothing tells for what`);
}

/** It waits for an application, and so at both ends. */
function isPrepared({ id, owner, state, request }: Use, other: SimKm): boolean {
  const there = other.link.books.uses.get(id);
  if ((there === undefined || there.owner === owner || request) ?? there.request) return false;
  return owner ? state === "P" && there.state === "B" : state === "B" && there.state === "P";
}

function* pending({ alive, link }: SimKm, other: SimKm): Generator<string> {
  if (!alive) yield "the KM is down";
  if (link.phase !== "ready") yield `the session is ${link.phase}`;
  if (link.bufferedKeys > 0) yield `${link.bufferedKeys} keys wait for a match`;
  if (link.owner.pending > 0) yield `${link.owner.pending} offers wait`;
  if (link.peer.openTakes > 0) yield `${link.peer.openTakes} takes wait`;
  const waits: [number, number] = [0, 0];
  for (const use of link.books.uses.values()) {
    if (isPrepared(use, other)) waits[use.owner ? 0 : 1] += bytesOf(use.ranges);
    else {
      yield `key ${use.id} is ${use.owner ? "own" : "theirs"} ${use.state} fate ${use.fate ?? "?"} ${use.number}`;
      break;
    }
  }
  const { bound, prepared } = link.books.underWay;
  if (bound > 0) yield `${bound} bytes are on their way, and no key is`;
  if (`${prepared}` !== `${waits}`) yield `${prepared} bytes are prepared, and keys of ${waits}`;
  for (const { regions, number } of link.books.stock.extents.values()) {
    if (regions.some(({ giving }) => giving)) yield `extent ${number} is half given`;
  }
}
