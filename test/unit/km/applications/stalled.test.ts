/** A disk that does not answer: nothing is begun that would wait for it, and be lost. */
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { ApplicationKeys, type KeyLink } from "../../../../src/km/applications/keys.ts";
import { type Application, ApplicationTable } from "../../../../src/km/applications/table.ts";
import { useOf } from "../../../../src/km/store/sae-set.ts";
import { EtsiRefusal } from "../../../../src/wire/etsi014/refusal.ts";
import { ManualClock } from "../../../clock.ts";
import { limits, twoKeys } from "../../../rig/key-question.ts";

const rate = { keysPerS: 10, burst: 20 };
const [a, b] = [
  { id: "a", km: "km-a", names: ["a"], partners: ["b"], rate },
  { id: "b", km: "km-b", names: ["b"], partners: [], rate },
] as [Application, Application];
const id = "1".padStart(32, "0");

function bench() {
  const clock = new ManualClock();
  const disk = { isStalled: true };
  const begun: string[] = [];
  const bound = {
    id,
    count: 1,
    owner: false,
    state: "B",
    request: useOf(["b", "a"]),
    had: 0,
    ranges: [],
  };
  const link = {
    ...{ name: "fibre", peer: "km-b", level: "any" },
    core: {
      phase: "ready",
      books: { stock: { free: () => 320_000 }, side: 0, uses: new Map([[id, bound]]) },
      owner: {
        request: () => begun.push("request"),
        preOffer: () => begun.push("pre-offer"),
        prepared: () => 0,
      },
      peer: { take: () => begun.push("take") },
    },
  } as unknown as KeyLink;
  const table = new ApplicationTable("km-a", [a, b]);
  const keys = new ApplicationKeys({
    ...{ me: "km-a", table: () => table, links: [link] },
    limits,
    ...{ outstanding: 10_000, pickUp: 60, answerTimeout: ms(1_000), prepared: 8 },
    isStalled: () => disk.isStalled,
    now: () => clock.now(),
    after: (ms, fn) => void clock.after(ms, fn),
  });
  return { keys, disk, begun };
}

test("while the disk of the store does not answer nothing is offered or taken, and that is told at once", (t) => {
  const { keys, disk, begun } = bench();
  const told: unknown[] = [];
  const done = (result: unknown) => {
    const { status, message, retryAfter } = result as EtsiRefusal;
    t.true(result instanceof EtsiRefusal);
    told.push([status, message, retryAfter]);
  };
  keys.give(a, "b", twoKeys, done);
  keys.take(a, "b", [id], done);
  const refused = [503, "the disk of this KME does not answer", 5];
  t.deepEqual(told, [refused, refused]);
  t.deepEqual(begun, []);
  for (const { requests, refused } of keys.counts.values()) t.is(requests, refused);
  disk.isStalled = false;
  keys.take(a, "b", [id], done);
  keys.give(a, "b", twoKeys, done);
  t.deepEqual(begun.slice(0, 2), ["take", "request"]);
});

test("nothing is prepared while the disk does not answer", (t) => {
  const { keys, disk, begun } = bench();
  keys.tick();
  t.deepEqual(begun, []);
  disk.isStalled = false;
  keys.tick();
  t.true(begun.includes("pre-offer"));
});
