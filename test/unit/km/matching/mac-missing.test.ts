/** Two ends whose `matching_mac` differs: no key is compared, and the end that knows why says so. */
import test from "ava";
import { catalogue } from "../../../../src/km/alarms/catalogue.ts";
import { linkEvent } from "../../../../src/km/history/events.ts";
import { World } from "../../../sim/km/story.ts";

const world = {
  faults: { kinds: ["cut"], meanMs: 20_000 },
  ...{ differ: 0, lost: 0, delay: 2, requestMs: 1_000, keyMs: 100 },
} as const;

function told(oneTime: boolean | "b alone"): number {
  const life = new World(1, 300, { name: "none", oneTime, world });
  return life.run().counts.macMissing ?? 0;
}

test("a follower whose leader makes no one-time MAC tells of it, once a session", (t) => {
  const times = told("b alone");
  t.true(times > 0 && times < 100, `${times} times`);
  t.deepEqual(linkEvent("ab", { type: "macMissing" }, 7), {
    type: "mac_missing",
    at: 7,
    facts: { link: "ab" },
  });
  t.regex(catalogue.matching_fails.action, /matching_mac/);
});

test("ends that agree tell nothing of it", (t) => {
  t.is(told(true), 0);
  t.is(told(false), 0);
});
