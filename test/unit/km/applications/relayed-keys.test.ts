/** Keys of a link whose stock is relayed when it is asked for. */
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { IsWanted } from "../../../../src/base/wanted.ts";
import { ApplicationKeys, type KeyLink } from "../../../../src/km/applications/keys.ts";
import { type Application, ApplicationTable } from "../../../../src/km/applications/table.ts";
import type { Shortage } from "../../../../src/km/supply/request.ts";
import { limits, twoKeys } from "../../../rig/key-question.ts";

test("what relays for an application is told when that has gone away", (t) => {
  const rate = { keysPerS: 10, burst: 20 };
  const a: Application = { id: "a", km: "km-a", names: ["a"], partners: ["b"], rate };
  const table = new ApplicationTable("km-a", [a, { ...a, id: "b", km: "km-b", names: ["b"] }]);
  const owner = {
    request: (_: unknown, done: (result: Shortage) => void) => done("stock"),
    preOffer: () => {},
    prepared: () => 0,
  };
  const books = { uses: new Map(), side: 0, stock: { free: () => 0 } };
  const core = { phase: "ready", books, owner, peer: {} };
  const link = { name: "b", peer: "km-b", isRelayed: true, level: "otp", core };
  const relayed: [number, IsWanted][] = [];
  const keys = new ApplicationKeys({
    ...{ me: "km-a", table: () => table, links: [link as unknown as KeyLink] },
    limits,
    more: () => (bytes, isWanted) => void relayed.push([bytes, isWanted]),
    ...{ outstanding: 1_000, pickUp: 60, answerTimeout: ms(1_000), prepared: 0 },
    ...{ now: () => 0, after: () => {} },
  });
  let isThere = true;
  keys.give(
    a,
    "b",
    twoKeys,
    () => {},
    () => isThere,
  );
  const [[bytes, isWanted] = []] = relayed;
  t.is(bytes, 64);
  t.true(isWanted?.());
  isThere = false;
  t.false(isWanted?.());
});
