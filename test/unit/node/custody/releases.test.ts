import test from "ava";
import type { OwnSession } from "../../../../src/node/custody/own-session.ts";
import { Releases } from "../../../../src/node/custody/releases.ts";
import type { BlockRef } from "../../../../src/port/key.ts";
import { settle } from "../../../clock.ts";

const ref = (number: number): BlockRef => ({ epoch: "00112233aabbccdd", number });

function made() {
  const told: string[] = [];
  const tell = (what: string) => (refs: readonly BlockRef[]) =>
    told.push(`${what} ${refs.map(({ number }) => number).join(" ")}`);
  const session = { release: tell("release"), discard: tell("discard") } as unknown as OwnSession;
  const at: { session: OwnSession | undefined } = { session };
  return { told, session, at, releases: new Releases(() => at.session) };
}

test("what is told in one turn is one message", async (t) => {
  const { told, releases } = made();
  releases.tell([ref(1)]);
  releases.tell([]);
  releases.settle(ref(2), "release");
  releases.settle(ref(3), "discard");
  t.deepEqual(told, ["discard 3"]);
  await settle();
  releases.tell([]);
  await settle();
  t.deepEqual(told, ["discard 3", "release 1 2"]);
  t.true(releases.wasTold("00112233aabbccdd/1"));
  t.false(releases.wasTold("00112233aabbccdd/3"));
  t.true(releases.confirmed("00112233aabbccdd/1"));
  t.false(releases.confirmed("00112233aabbccdd/1"), "once");
});

test("without a session nothing is told, nor later to another one", async (t) => {
  const { told, releases, at, session } = made();
  at.session = undefined;
  releases.tell([ref(1)]);
  releases.settle(ref(2), "discard");
  at.session = session;
  await settle();
  t.deepEqual(told, []);
  t.false(releases.wasTold("00112233aabbccdd/1"));
  releases.tell([ref(4)]);
  releases.clear();
  t.false(releases.wasTold("00112233aabbccdd/4"), "a new session was told nothing");
});
