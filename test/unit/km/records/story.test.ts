import test from "ava";
import { storyText } from "../../../../src/km/cli/records.ts";
import type { LinkEvent } from "../../../../src/km/peer/events.ts";
import { AffectedSearch } from "../../../../src/km/records/affected.ts";
import { keysOfRelays } from "../../../../src/km/records/choice.ts";
import { encodeRecord, RecordView } from "../../../../src/km/records/codec.ts";
import { kmaKeyId, linkPart, parseUuid, uuid } from "../../../../src/km/records/kma-key-id.ts";
import { ListSearch } from "../../../../src/km/records/list.ts";
import { Notes } from "../../../../src/km/records/notes.ts";
import type { Facts, LifeRecord } from "../../../../src/km/records/record.ts";
import { StorySearch } from "../../../../src/km/records/story.ts";
import { World } from "../../../sim/km/story.ts";

type End = "a" | "b";
const modules = new Map([["m", ["QKD-A", "QKD-B"] as const]]);
const links = { a: ["a", "b"], b: ["b", "a"] } as const;

/** Records of both ends of a life without faults, in which applications got keys. */
function life(): Record<End, LifeRecord[]> {
  const records: Record<End, LifeRecord[]> = { a: [], b: [] };
  const world = new World(11, 300, {
    name: "none",
    world: {
      faults: { kinds: [], meanMs: 1_000 },
      requestMs: 10,
      refusals: 0,
      vanish: 0,
      differ: 0,
      lost: 0,
      preOffers: 0,
    },
  });
  for (const km of [world.a, world.b]) {
    const of = records[km.name];
    const notes = new Notes(modules, (record) => of.push(record));
    const link = { name: "ab", kms: links[km.name], leads: km.name === "a" };
    km.onTold = (event: LinkEvent) => {
      notes.note(link, event, world.clock.now);
      // Steps of one turn may share a record; here each life ends with the last of them.
      if (event.type !== "use") notes.flush();
    };
  }
  if (world.run().broken.length > 0) throw new Error(world.oracle.broken.join());
  return records;
}

function story(id: Buffer, end: End, records: readonly LifeRecord[]) {
  const views = records.map((record) => new RecordView(encodeRecord(record)));
  const search = new StorySearch(id, [{ name: "ab", kms: links[end] }]);
  for (const view of views) search.find(view);
  search.found();
  for (const view of views) search.follow(view);
  return search.result(undefined);
}

const both = life();
const isTaken = ({ kind, facts: { state, fate } }: LifeRecord) =>
  kind === "use" && state === "T" && fate === undefined;
const taken = both.b.find(isTaken) as LifeRecord;
const ksaKey = taken.ids.subarray(0, 16);

test("the story of a KSA-key begins with its QKD-keys and ends with its fate, at both ends", (t) => {
  const atPeer = story(ksaKey, "b", both.b);
  t.is(atPeer.kind, "KSA-key");
  const steps = atPeer.steps.map(({ step }) => step);
  const received = steps.filter((step) => step === "received").length;
  t.true(received >= 1);
  t.true(steps.indexOf("received") < steps.indexOf("matched"));
  t.true(steps.indexOf("matched") < steps.indexOf("bound"));
  t.true(steps.indexOf("bound") < steps.indexOf("taken"));
  const atOwner = story(ksaKey, "a", both.a);
  const own = atOwner.steps.map(({ step }) => step);
  t.true(own.indexOf("offered") < own.indexOf("supplied"));
  t.true(own.indexOf("supplied") < own.indexOf("fate"));
  t.is(atOwner.steps.find(({ step }) => step === "fate")?.fate, "taken");
  t.truthy(atOwner.steps.find(({ step }) => step === "supplied")?.applications);
});

test("a QKD-key's story names the KSA-keys that have bytes of it, and its KMA-keys", (t) => {
  const qkd = story(ksaKey, "b", both.b).steps.find(({ step }) => step === "received")?.reason;
  const told = story(parseUuid(qkd ?? "") as Buffer, "b", both.b);
  t.is(told.kind, "QKD-key");
  t.is(told.steps[0]?.step, "received");
  t.is(told.steps[1]?.step, "matched");
  t.true(told.steps.some(({ ksa_key, step }) => ksa_key === uuid(ksaKey) && step === "taken"));
  const unit = told.steps[1]?.kma_keys?.[0] ?? "";
  for (const end of ["a", "b"] as const) {
    const of = story(parseUuid(unit) as Buffer, end, both[end]);
    t.is(of.kind, "KMA-key");
    t.true(of.steps.some(({ reason }) => reason === qkd));
  }
});

test("an ID that no record has is not known", (t) => {
  t.is(story(Buffer.alloc(16, 1), "a", both.a).kind, "unknown");
  const beyond = kmaKeyId(linkPart(["a", "b"]), 1_000_000, 0);
  t.is(story(beyond, "a", both.a).kind, "unknown");
  t.regex(storyText(story(beyond, "a", both.a)), /not known here/);
});

test("every line of a story fits 80 columns", (t) => {
  for (const end of ["a", "b"] as const) {
    for (const line of storyText(story(ksaKey, end, both[end])).split("\n")) {
      t.true(line.length <= 80, line);
    }
  }
});

test("what could be affected is the keys of that time, exactly, and what was made of them", (t) => {
  const views = both.b.map((record) => new RecordView(encodeRecord(record)));
  const search = (from: number, to: number, ahead = Number.POSITIVE_INFINITY) => {
    const affected = new AffectedSearch("ab", { from, to, ahead });
    for (const view of views) affected.find(view);
    for (const view of views) affected.follow(view);
    const none = { waitingKeys: 0, waitingBits: 0, leftOverKeys: 0, free: () => 0 };
    return affected.result({ ...none, extents: new Map() });
  };
  const list = new ListSearch("QKD-A", { from: 0, to: 1e12 });
  for (const view of views) list.find(view);
  const { keys } = list.result();
  const all = search(0, 1e12);
  t.is(all.matched_keys + all.unused_keys, keys.length);
  t.true(all.ksa_keys.some(({ ksa_key, state }) => ksa_key === uuid(ksaKey) && state === "T"));
  const times = keys.map(({ received }) => Date.parse(received)).sort((x, y) => x - y);
  const middle = times[times.length >> 1] as number;
  const before = search(0, middle - 0.001);
  const after = search(middle, 1e12);
  t.true(before.matched_keys > 0 && after.matched_keys > 0);
  t.is(before.matched_keys + after.matched_keys, all.matched_keys);
  t.is(search(2e12, 3e12).matched_keys, 0);
  // Their stamps are later than the clock that was set right.
  t.is(search(0, middle - 0.001, middle - 0.001).matched_keys, all.matched_keys);
  t.is(
    new AffectedSearch("cd", { from: 0, to: 1e12 }).result({
      waitingKeys: 0,
      waitingBits: 0,
      leftOverKeys: 0,
      extents: new Map([[3, 5]]),
      free: () => 8,
    }).without_record.length,
    1,
    "an extent without a record could have keys of that time",
  );
});

test("keys of a time are found whenever they were recorded: clocks are set back, and modules' are ahead", (t) => {
  const facts = (at: number, generatedAt: number | null): Facts => ({
    link: "ab",
    kms: ["a", "b"],
    modules: [["QKD-A", "QKD-B"]],
    runs: [[1, 256, at, generatedAt, null, 0]],
    unit: 32,
  });
  const hour = 3_600_000;
  const day = 24 * hour;
  // Recorded a day before it was received, by the clock; and an hour before it was generated, by the module's.
  const records: LifeRecord[] = [
    [2 * day, null] as const,
    [day + hour, 2 * day] as const,
    [day + hour, null] as const,
  ].map(([at, generatedAt], i) => ({
    kind: "matched",
    at: day + 2 * hour,
    ids: Buffer.alloc(16, i + 1),
    ranges: [{ extent: i + 1, key: 0, start: 0, end: 32 }],
    facts: facts(at, generatedAt),
  }));
  const views = records.map((record) => new RecordView(encodeRecord(record)));
  const period = { from: 2 * day - hour, to: 2 * day + hour };
  const affected = new AffectedSearch("ab", period);
  const list = new ListSearch("QKD-A", period);
  for (const view of views) {
    affected.find(view);
    list.find(view);
  }
  t.deepEqual([...affected.extents], [1, 2]);
  t.is(list.result().keys.length, 2);
  const relayed = { ...facts(1, null), modules: [["relay case-1", "relay case-1"]] as const };
  const relays = new Set(["01".repeat(16), "04".repeat(16)]);
  const [first] = records as [LifeRecord];
  const ranges = [{ extent: 4, key: 0, start: 0, end: 32 }];
  const fourth = { ...first, ids: Buffer.alloc(16, 4), ranges, facts: relayed };
  const named = new AffectedSearch("ab", period, keysOfRelays(relays, new Set()));
  for (const view of [...views, new RecordView(encodeRecord(fourth))]) named.find(view);
  t.deepEqual([...named.extents], [4]);
});

test("steps that come together share a record, and keep their order among others", (t) => {
  const written: LifeRecord[] = [];
  const notes = new Notes(modules, (record) => written.push(record));
  const link = { name: "ab", kms: links.a, leads: true };
  const use = (n: number, state: "O" | "S") =>
    ({
      type: "use",
      keys: [
        {
          id: Buffer.alloc(16, n).toString("hex"),
          count: 1,
          ranges: [{ extent: 1, start: n, end: n + 1 }],
        },
      ],
      offer: "11".repeat(24),
      owner: true,
      state,
    }) as const;
  for (let n = 0; n < 100; n++) notes.note(link, use(n, "O"), 1_000);
  notes.note(link, { type: "lost", bytes: 3, extent: 9 }, 1_001);
  notes.note(link, use(1, "S"), 1_002);
  notes.note(link, use(2, "S"), 2_000);
  notes.flush();
  t.deepEqual(
    written.map(({ kind, ids, at }) => [kind, ids.length / 16, at]),
    [
      ["use", 100, 1_000],
      ["lost", 0, 1_001],
      ["use", 1, 1_002],
      ["use", 1, 2_000],
    ],
  );
  t.is(written[0]?.ranges[57]?.key, 57);
});
