/** Keys of a link were pads of relays: what came of those is found, over as many links as it went. */
import test from "ava";
import { stepText } from "../../../../src/km/cli/records.ts";
import { relayedLines } from "../../../../src/km/cli/relayed.ts";
import type { LinkEvent } from "../../../../src/km/peer/events.ts";
import { AffectedSearch, type LinkNow } from "../../../../src/km/records/affected.ts";
import { encodeRecord, RecordView } from "../../../../src/km/records/codec.ts";
import { Notes } from "../../../../src/km/records/notes.ts";
import type { LifeRecord } from "../../../../src/km/records/record.ts";
import { RelayTrail } from "../../../../src/km/records/relayed.ts";
import { StorySearch } from "../../../../src/km/records/story.ts";
import { relayModule } from "../../../../src/km/relay/modules.ts";
import type { RelayTold } from "../../../../src/km/relay/ports.ts";

const period = { from: 0, to: 1e12 };
const relay = (n: number) => n.toString(16).padStart(32, "0");
const idsOf = (...hex: string[]) => Buffer.from(hex.join(""), "hex");
const links = ["b", "c", "d"];

/** Records of a KM with links to `b` by fibre, and to `c` and `d` by relay. */
function book() {
  const records: LifeRecord[] = [];
  const notes = new Notes(new Map([["m", ["QKD-1", "QKD-2"]]]), (record) => records.push(record));
  const of = (name: string) => ({ name, kms: ["km-a", `km-${name}`] as const, leads: true });
  let at = 1_000;
  const note = (link: string, event: LinkEvent) => notes.note(of(link), event, at++);
  return {
    matched: (link: string, number: number, module: string, ...ids: string[]) => {
      const origin = { module, bits: 256, at: 500, generatedAt: 400 };
      const batch = {
        ...{ modules: ["x", "y"], unit: 32, split: 0, ids: idsOf(...ids) },
        runs: [{ count: ids.length, origin }],
      } as const;
      note(link, {
        ...{ type: "matched", number, keys: ids.length, bytes: 32 * ids.length, waited: 0 },
        batch,
      } as unknown as LinkEvent);
    },
    use: (link: string, id: string, request: string, extent: number, start: number) => {
      const use = {
        ...{ type: "use", state: "S", owner: true, fate: undefined, request, had: 0, offer: "o" },
        keys: [{ id, count: 1, ranges: [{ extent, start, end: start + 32 }] }],
      };
      note(link, use as unknown as LinkEvent);
    },
    ended: (one: Partial<RelayTold> & Pick<RelayTold, "relay" | "role" | "path">) =>
      notes.relayed({ scheme: "case-1", length: 32, ms: 1, ...one }, at++),
    views: () => {
      notes.flush();
      return records.map((record) => new RecordView(encodeRecord(record)));
    },
  };
}

const none: LinkNow = {
  ...{ waitingKeys: 0, waitingBits: 0, leftOverKeys: 0, extents: new Map() },
  free: () => 0,
};

function trailOf(views: readonly RecordView[], relays: ReadonlySet<string>): RelayTrail {
  const trail = new RelayTrail(links, period, relays);
  for (const view of views) trail.find(view);
  for (const view of views) trail.follow(view);
  return trail;
}

function padsOf(views: readonly RecordView[]): AffectedSearch {
  const search = new AffectedSearch("b", period);
  for (const view of views) search.find(view);
  for (const view of views) search.follow(view);
  return search;
}

test("relays that had pads of a link are followed to the stock that they brought, and no other", (t) => {
  const { matched, use, ended, views } = book();
  matched("b", 1, "m", relay(901), relay(902), relay(903));
  use("b", relay(801), `relay ${relay(1)}`, 1, 0);
  use("b", relay(802), `relay ${relay(2)}`, 1, 32);
  use("b", relay(803), '["app-a","app-b"]', 1, 64);
  ended({ relay: relay(1), role: "source", path: ["km-a", "km-b", "km-c"] });
  // Of another way: its pads are of no key of this link.
  matched("c", 7, relayModule("c", "case-1"), relay(1), relay(3));
  use("c", relay(804), '["app-a","app-c"]', 7, 0);
  use("c", relay(805), '["app-a","app-c"]', 7, 32);
  ended({ relay: relay(2), role: "source", path: ["km-a", "km-b", "km-c"], failure: "late" });
  const search = padsOf(views());
  t.deepEqual([...search.relays], [relay(1), relay(2)]);
  const trail = trailOf(views(), search.relays);
  const found = trail.result(() => none);
  t.like(found, { relays: 2, unknown: 0, elsewhere: [] });
  t.is(found.links.length, 1);
  t.like(found.links[0], { link: "c", matched_keys: 1, bits: 256 });
  t.deepEqual(
    found.links[0]?.ksa_keys.map(({ ksa_key }) => ksa_key.replaceAll("-", "")),
    [relay(804)],
  );
  t.deepEqual(
    trail.links.get("c")?.recordedOf({
      extents: new Map([
        [7, 0],
        [8, 0],
      ]),
    }),
    [7],
  );
  t.is(trail.further.size, 0);
});

test("what was relayed and lent again is followed on", (t) => {
  const { matched, use, views } = book();
  matched("b", 1, "m", relay(901));
  use("b", relay(801), `relay ${relay(1)}`, 1, 0);
  matched("c", 7, relayModule("c", "case-1"), relay(1));
  use("c", relay(804), `relay ${relay(5)}`, 7, 0);
  matched("d", 9, relayModule("d", "case-2"), relay(5));
  const { further, relays } = trailOf(views(), padsOf(views()).relays);
  t.deepEqual([...further], [relay(5)]);
  const found = trailOf(views(), new Set([...relays, ...further])).result(() => none);
  t.deepEqual(
    found.links.map(({ link }) => link),
    ["c", "d"],
  );
});

test("a KM between names the pairs that have the keys, and says of how many it does not know", (t) => {
  const { matched, use, ended, views } = book();
  matched("b", 1, "m", ...[901, 902, 903, 904].map(relay));
  for (const n of [1, 2, 3, 4]) use("b", relay(800 + n), `relay ${relay(n)}`, 1, 32 * (n - 1));
  const path = ["km-x", "km-b", "km-a", "km-d", "km-y"];
  ended({ relay: relay(1), role: "transit", path });
  ended({ relay: relay(2), role: "transit", path });
  ended({ relay: relay(3), role: "transit", path, failure: "late" });
  const found = trailOf(views(), padsOf(views()).relays).result(() => none);
  t.like(found, { relays: 4, links: [], unknown: 1 });
  t.deepEqual(found.elsewhere, [{ kms: ["km-x", "km-y"], relays: 2 }]);
  const lines = relayedLines(found);
  t.true(lines.every((line) => line.length <= 80));
  t.regex(lines.join(" "), /km-x and km-y have the keys of 2 relays that this .* passed on/);
  t.regex(lines.join(" "), /1 relay of them no end is on record here/);
  // What became of the relay is told for itself, too.
  const story = new StorySearch(Buffer.from(relay(1), "hex"), []);
  for (const view of views()) story.find(view);
  story.found();
  const { kind, steps } = story.result(undefined);
  t.is(kind, "QKD-key");
  t.deepEqual(steps.map(stepText), ["relayed by km-x > km-b > km-a > km-d > km-y"]);
});

test("keys that wait for their match, and came by such a relay, are counted", (t) => {
  const { matched, use, views } = book();
  matched("b", 1, "m", relay(901));
  use("b", relay(801), `relay ${relay(1)}`, 1, 0);
  const trail = trailOf(views(), padsOf(views()).relays);
  const origin = { module: relayModule("c", "case-1"), bits: 256, at: 1 };
  const found = trail.result((link) => {
    const waits = link === "c" && trail.choice.has(idsOf(relay(1)), origin);
    return waits ? { ...none, waitingKeys: 1, waitingBits: 256 } : none;
  });
  t.like(found, { unknown: 0 });
  t.like(found.links, [{ link: "c", waiting_keys: 1, bits: 256 }]);
  t.false(trail.choice.has(idsOf(relay(2)), origin));
});
