/** Keys of a pair are given up while some are on their way: those come to nothing, and what is begun next does not. */
import test from "ava";
import type { RelayEnd } from "../../../../src/km/relay/source.ts";
import type { RelayScheme } from "../../../../src/wire/kx/relay-messages.ts";
import { RelayRow, type RowRules } from "../../../rig/relay-row.ts";

const schemes: readonly RelayScheme[] = ["case-1", "case-2", "destination", "centralized", "aes"];
const clocks: Readonly<Record<string, number>> = { a: 0, b: 7_000, c: -2_000, d: 90_000, z: 4 };

function rowOf(rules: Partial<RowRules> = {}) {
  const withinMs = 3_000;
  const aheadMs = (me: string) => 1e12 + (clocks[me] ?? 0);
  return new RelayRow(["a", "b", "c", "d", "z"], { withinMs, aheadMs, ...rules });
}

const orderOf = (scheme: RelayScheme) =>
  ({
    ...{ via: ["b", "c"], scheme, length: 64 },
    ...(scheme === "centralized" && { collector: "z" }),
  }) as const;

for (const scheme of schemes) {
  test(`${scheme}: both ends have a key with the time of its source, whatever clocks say between`, (t) => {
    const row = rowOf();
    t.is(row.relay("a", "d", orderOf(scheme)).end, undefined);
    t.deepEqual([row.times.get("a"), row.times.get("d")], [1e12, 1e12]);
  });
}

test("a key that a controller has reserved has the time of its source at both ends, too", (t) => {
  const row = rowOf();
  t.is(row.relayReserved(["a", "b", "c", "d"], 64), undefined);
  t.is(row.kept.size, 2);
  t.deepEqual([row.times.get("a"), row.times.get("d")], [1e12, 1e12]);
});

test("a relay that waits for its end comes to nothing at once at its source", (t) => {
  const row = rowOf({ isMute: (from) => from === "c" });
  const ends: RelayEnd[] = [];
  row.begin("a", "d", orderOf("case-2"), (end) => ends.push(end));
  t.deepEqual(row.desk("a").giveUpTo("b", 2e12), { ended: 0, storing: 0 });
  t.deepEqual(row.desk("a").giveUpTo("d", 1e12 - 1), { ended: 0, storing: 0 });
  t.deepEqual(row.desk("a").giveUpTo("d", 1e12), { ended: 1, storing: 0 });
  row.settle();
  t.deepEqual(ends, [{ failure: "refused", at: "a" }]);
  t.is(row.kept.size, 0);
  // The destination drops what it may have.
  t.deepEqual(row.dropped, ["d"]);
});

test("of what is under way all is of a time that ends now, also by the clock of a source that is a day ahead", (t) => {
  const day = 86_400_000;
  const row = rowOf({
    aheadMs: (me) => 1e12 + (me === "a" ? day : 0),
    isMute: (from) => from === "b",
  });
  const ends: RelayEnd[] = [];
  row.begin("a", "d", orderOf("case-2"), (end) => ends.push(end));
  row.settle();
  // As after the clock was set right.
  t.deepEqual(row.desk("a").giveUpTo("d", 1e12), { ended: 0, storing: 0 });
  t.deepEqual(row.desk("a").giveUpTo("b", 1e12, true), { ended: 0, storing: 0 });
  t.deepEqual(row.desk("a").giveUpTo("d", 1e12, true), { ended: 1, storing: 0 });
  row.settle();
  t.deepEqual(ends, [{ failure: "refused", at: "a" }]);
});

test("one that the destination has, and is being stored at the source, is told of", (t) => {
  const row = rowOf();
  const counts: number[] = [];
  row.onKeep = (me) => {
    if (me === "a") counts.push(row.desk("a").giveUpTo("d", 1e12).storing);
  };
  t.is(row.relay("a", "d", orderOf("case-1")).end, undefined);
  t.deepEqual(counts, [1]);
  t.deepEqual(row.desk("a").giveUpTo("d", 1e12), { ended: 0, storing: 0 });
});

test("one that is being stored at the destination comes to nothing, and its source keeps none", (t) => {
  const row = rowOf();
  const counts: object[] = [];
  row.onKeep = (me) => {
    if (me === "d") counts.push(row.desk("d").giveUpTo("a", 1e12));
  };
  t.deepEqual(row.relay("a", "d", orderOf("case-1")).end, { failure: "refused", at: "d" });
  t.deepEqual(counts, [{ ended: 0, storing: 1 }]);
  t.false(row.kept.has("a"));
  t.deepEqual(new Set(row.dropped), new Set(["d"]));
});

test("one that the slow disk of its destination has not written is told of until it has, and then dropped", (t) => {
  const row = rowOf();
  row.slow = "d";
  const ends: RelayEnd[] = [];
  row.begin("a", "d", orderOf("case-1"), (end) => ends.push(end));
  t.deepEqual(row.desk("d").giveUpTo("a", 1e12), { ended: 0, storing: 1 });
  row.settle();
  t.deepEqual(ends, [{ failure: "refused", at: "d" }]);
  // The order looks again, and is not done yet.
  t.deepEqual(row.desk("d").giveUpTo("a", 1e12), { ended: 0, storing: 1 });
  t.deepEqual(row.desk("d").giveUpNamed(new Set(row.relays)), { ended: 0, storing: 1 });
  row.disk();
  t.deepEqual(row.desk("d").giveUpTo("a", 1e12), { ended: 0, storing: 0 });
  t.is(row.kept.size, 0);
});

test("one that its source gave up before the disk of its destination had written it is kept at neither", (t) => {
  const row = rowOf();
  row.slow = "d";
  t.is(row.relay("a", "d", orderOf("case-1")).end?.failure, "late");
  row.disk();
  t.is(row.kept.size, 0);
});

test("a disk that writes nothing is given no more than a KM may have under way", (t) => {
  const row = rowOf();
  row.slow = "d";
  const order = { via: ["b", "c"], scheme: "case-1", length: 1_048_576 } as const;
  const failures = Array.from({ length: 33 }, () => row.relay("a", "d", order).end?.failure);
  t.deepEqual(new Set(failures.slice(0, 32)), new Set(["late"]));
  t.is(failures[32], "busy");
});

test("the destination refuses what began before the order and comes after it, and nothing else", (t) => {
  const row = rowOf();
  t.deepEqual(row.desk("d").giveUpTo("a", 1e12), { ended: 0, storing: 0 });
  t.deepEqual(row.relay("a", "d", orderOf("case-1")).end, { failure: "refused", at: "d" });
  t.is(row.kept.size, 0);
  t.is(row.relay("b", "d", { via: ["c"], scheme: "case-1", length: 64 }).end, undefined);
  row.tick();
  t.is(row.relay("a", "d", orderOf("case-1")).end, undefined);
  // A source whose clock is slow is not refused for ever.
  row.desk("d").giveUpTo("a", 2e12);
  t.is(row.relay("a", "d", orderOf("case-1")).end?.failure, "refused");
  // An order for an earlier time does not end that.
  row.desk("d").giveUpTo("a", 1e11);
  t.is(row.relay("a", "d", orderOf("case-1")).end?.failure, "refused");
  for (let i = 0; i < 600; i++) row.tick();
  t.is(row.relay("a", "d", orderOf("case-1")).end, undefined);
});

test("a KM between ends those that are named, and their source is told by whom", (t) => {
  const row = rowOf({ isMute: (from) => from === "d" });
  const ends: RelayEnd[] = [];
  row.begin("a", "d", orderOf("case-2"), (end) => ends.push(end));
  t.deepEqual(row.desk("b").giveUpTo("d", 2e12), { ended: 0, storing: 0 });
  t.deepEqual(row.desk("b").giveUpNamed(new Set(["00".repeat(16)])), { ended: 0, storing: 0 });
  const relay = row.relays[0] as string;
  t.deepEqual(row.desk("b").giveUpNamed(new Set([relay])), { ended: 1, storing: 0 });
  row.settle();
  t.deepEqual(ends, [{ failure: "refused", at: "b" }]);
});

for (const scheme of ["case-1", "case-2", "destination", "aes"] as const) {
  test(`a relay that is named before its first message comes is refused: ${scheme}`, (t) => {
    const row = rowOf();
    const desk = row.desk("d");
    const heard = desk.heard.bind(desk);
    let named = 0;
    desk.heard = (from, message) => {
      // The pad of its last hop is bound there and on record a moment before.
      if (message.type === "relay" && named++ === 0)
        desk.giveUpNamed(new Set([message.relay.toString("hex")]));
      heard(from, message);
    };
    t.is(row.relay("a", "d", orderOf(scheme)).end?.failure, "refused");
    t.is(row.kept.size, 0);
    t.is(row.relay("a", "d", orderOf(scheme)).end, undefined, "the next one is another");
  });
}

for (const scheme of schemes) {
  test(`one that its source has given up and that comes late leaves no key at its destination: ${scheme}`, (t) => {
    const row = rowOf();
    const desk = row.desk("d");
    const heard = desk.heard.bind(desk);
    const held: Parameters<typeof heard>[] = [];
    // A KM between stands still, and goes on.
    desk.heard = (...parts) => {
      if (parts[1].type === "relay") held.push(parts);
      else heard(...parts);
    };
    t.is(row.relay("a", "d", orderOf(scheme)).end?.failure, "late");
    t.true(held.length > 0);
    for (const parts of held) heard(...parts);
    row.settle();
    t.deepEqual([row.kept.size, row.underWay], [0, 0]);
    t.deepEqual(
      row.told.filter(({ me }) => me === "d"),
      [],
    );
    t.is(row.bound, 0);
  });
}
