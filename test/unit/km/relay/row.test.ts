/** Whole relays over some hops: both ends have the same key, for as much pad as is told; and of one that fails, where it did. */
import { randomBytes } from "node:crypto";
import test from "ava";
import { useOfRelay } from "../../../../src/km/relay/ports.ts";
import { costBytes } from "../../../../src/km/relay/scheme.ts";
import type { Relay, RelayScheme } from "../../../../src/wire/kx/relay-messages.ts";
import { random } from "../../../random.ts";
import { RelayRow, type RowRules } from "../../../rig/relay-row.ts";

const kms = ["a", "b", "c", "d"] as const;
const via = ["b", "c"] as const;
const hops = 3;
const withinMs = 3_000;
const schemes: readonly RelayScheme[] = ["case-1", "case-2", "destination", "centralized", "aes"];

function rowOf(rules: Partial<RowRules> = {}) {
  const row = new RelayRow([...kms, "z"], { withinMs, ...rules });
  const relay = (scheme: RelayScheme, length = 64) =>
    row.relay("a", "d", {
      via,
      scheme,
      length,
      ...(scheme === "centralized" && { collector: "z" }),
    });
  return { row, relay };
}

for (const scheme of schemes) {
  for (const length of [32, 64, 57_344, 1_048_576]) {
    test(`${scheme}: ${length} bytes over three hops are the same at both ends, for the pads that are told`, (t) => {
      const { row, relay } = rowOf();
      t.is(relay(scheme, length).end, undefined);
      const [one, other] = [row.kept.get("a"), row.kept.get("d")];
      t.true(one !== undefined && other !== undefined && one.equals(other));
      t.is(one?.length, length);
      t.deepEqual([...row.kept.keys()].sort(), ["a", "d"]);
      t.is(row.lentBytes, costBytes(scheme, kms.length, length));
      t.is(row.underWay, 0);
      if (scheme === "aes") return t.is(row.lentBytes, 64 * hops);
      const each = row.lentBytes / (length * hops);
      // A batch costs next to nothing beside its key; a single key of 256 bits as much again, two of them half.
      if (length > 64) t.true(each <= 1.005, `${each} bits of pad a bit and hop`);
      else if (scheme.startsWith("case")) t.is(each, 1 + 32 / length);
    });
  }
}

for (const scheme of schemes) {
  test(`${scheme}: of a KM that says nothing the one before it tells, in time for another route`, (t) => {
    for (const [mute, before] of [
      ["b", "a"],
      ["c", "b"],
      ["d", "c"],
    ] as const) {
      const { row, relay } = rowOf({ isMute: (from) => from === mute });
      const { end, ms } = relay(scheme);
      // What is XORed comes together at the last KM, or at the collector: it misses that of a KM between.
      const isXored = scheme === "destination" || scheme === "centralized";
      const who = isXored && mute === "c" ? ["b", "d", "z"] : [before];
      t.is(end?.failure, "late", mute);
      t.true(who.includes(end?.at ?? ""), `${end?.at} tells of ${mute}`);
      t.true(ms <= withinMs, `${ms}`);
      t.is(row.kept.get("a"), undefined);
      // What the others still have of it ends by itself, or the destination is told.
      for (let i = 0; i < withinMs / 100; i++) row.tick();
      t.is(row.underWay, 0);
      t.true(row.dropped.includes("d"));
    }
  });

  test(`${scheme}: what fails at a hop is told with where it did, and neither end has a key`, (t) => {
    const stories: readonly (readonly [string, string, Partial<RowRules>])[] = [
      ...(["a", "b", "c"] as const).map(
        (me) =>
          ["stock", me, { lends: (from: string) => (from === me ? "stock" : undefined) }] as const,
      ),
      ...(["b", "c"] as const).map(
        (me) => ["policy", me, { mayPass: (km: string) => km !== me }] as const,
      ),
      ["policy", "d", { mayKeep: () => false }],
      ["full", "d", { isFull: (me) => me === "d" }],
    ];
    for (const [failure, at, rules] of stories) {
      const { row, relay } = rowOf(rules);
      t.deepEqual(relay(scheme).end, { failure, at } as never);
      for (let i = 0; i < withinMs / 100; i++) row.tick();
      // The other end of a link waits for no pad of it.
      t.deepEqual([row.underWay, row.kept.size, row.bound], [0, 0, 0], `${failure} at ${at}`);
    }
    // The source has no room: the destination is told, and drops it.
    const { row, relay } = rowOf({ isFull: (me) => me === "a" });
    t.deepEqual(relay(scheme).end, { failure: "full", at: "a" });
    t.deepEqual(row.dropped, ["d"]);
  });
}

function hop(path: readonly string[], at: number, more: Partial<Relay> = {}): Relay {
  const length = 64;
  return {
    ...{
      type: "relay",
      relay: randomBytes(16),
      pad: randomBytes(16),
      scheme: "case-2",
      step: "hop",
    },
    ...{ path, at, time: 0, length, body: randomBytes(length), tag: randomBytes(16) },
    ...more,
  };
}

test("what comes under a pad that was not lent costs the next hop none, and is no relay afterwards", (t) => {
  for (const scheme of ["case-1", "case-2", "destination", "aes"] as const) {
    const { row } = rowOf();
    const body = scheme === "case-2" ? 64 : scheme === "aes" ? 80 : 0;
    for (let i = 0; i < 100; i++) {
      row.say("a", "b", hop(kms, 0, { scheme, body: randomBytes(body) }));
      row.settle();
    }
    t.deepEqual([row.lentBytes, row.underWay, row.kept.size], [0, 0, 0], scheme);
    t.true(row.told.every(({ failure, at }) => failure === "pad" && at === "b"));
    t.is(row.told.length, 100);
  }
});

test("a pad of another length, or of another relay, opens nothing", async (t) => {
  const { row } = rowOf();
  for (const length of [32, 64, 95, 97, 1_000]) {
    const message = hop(["a", "b", "d"], 1, { relay: randomBytes(16) });
    const pad = await row.lend("b", "d", length, useOfRelay(message.relay));
    row.say("b", "d", { ...message, pad: pad.id });
    row.settle();
    t.like(row.told.at(-1), { failure: "tag", at: "d" });
  }
  const pad = await row.lend("b", "d", 96, useOfRelay(randomBytes(16)));
  row.say("b", "d", hop(["a", "b", "d"], 1, { pad: pad.id }));
  row.settle();
  t.like(row.told.at(-1), { failure: "pad", at: "d" });
  t.deepEqual([row.underWay, row.kept.size], [0, 0]);
});

test("a KM that says whatever it likes leaves nothing behind, and no key", (t) => {
  const draw = random(25);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(draw() * all.length)] as T;
  const { row } = rowOf();
  const relays = Array.from({ length: 8 }, () => randomBytes(16));
  const names = [...kms, "z", "y"];
  for (let i = 0; i < 5_000; i++) {
    const path = Array.from({ length: 2 + Math.floor(draw() * 4) }, () => pick(names));
    const relay = pick(relays);
    const to = pick(["a", "b", "d", "z"]);
    const scheme = pick(schemes);
    const collector = draw() < 0.3 ? { collector: pick(names) } : {};
    const body = randomBytes(pick([0, 64, 80]));
    const step = pick(["hop", "xor", "sum"] as const);
    const at = Math.floor(draw() * path.length);
    const said = draw();
    if (said < 0.6) row.say("c", to, hop(path, at, { relay, scheme, step, body, ...collector }));
    else if (said < 0.8) row.say("c", to, { type: "relayVoid", relay });
    else row.say("c", to, { type: "relayed", relay, at: pick(names) });
    row.settle();
  }
  t.deepEqual([row.underWay, row.kept.size, row.lentBytes], [0, 0, 0]);
  // And what is good goes on after it.
  t.is(row.relay("a", "d", { via, scheme: "case-2", length: 64 }).end, undefined);
});
