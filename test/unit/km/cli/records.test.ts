import test from "ava";
import {
  affectedText,
  givenUpText,
  listText,
  stepText,
  storyText,
} from "../../../../src/km/cli/records.ts";
import type { Affected, StoryStep } from "../../../../src/km/records/tellings.ts";

const id = "03bda72d-aa03-8000-8000-000014000003";
const t0 = "2026-01-31T12:00:00.123Z";

const affected: Affected = {
  link: "fibre-to-the-other-side-of-the-river",
  from: t0,
  to: t0,
  matched_keys: 1,
  waiting_keys: 0,
  left_over_keys: 3,
  unused_keys: 2,
  bits: 768,
  kma_keys: 1,
  extents: [{ extent: 7, matched: t0, keys: 1, of: 3, kma_keys: [[id, id]] }],
  without_record: [9],
  ksa_keys: [
    { ksa_key: id, t: t0, state: "T", applications: "sae-master sae-slave-with-a-long-name" },
  ],
  free_bits: 256,
  left_out: 0,
};

function fits(text: string): boolean {
  return text.split("\n").every((line) => line.length <= 80);
}

test("what could be affected is told in 80 columns, one and many", (t) => {
  const text = affectedText(affected);
  t.true(fits(text), text);
  t.regex(text, /3 QKD-keys/);
  t.regex(text, /matched +1 QKD-key, in 1 extent \(7\)/);
  t.regex(text, /waiting +0 QKD-keys/);
  t.regex(text, /no record +1 extent could have some/);
  t.regex(text, /affected +1 KMA-key\n/);
  t.regex(text, /used for +1 KSA-key\n/);
  t.regex(text, /taken, sae-master/);
  const none = affectedText({
    ...affected,
    matched_keys: 0,
    unused_keys: 0,
    extents: [],
    without_record: [],
    ksa_keys: [],
  });
  t.regex(none, /matched +0 QKD-keys, in no extent/);
  t.notRegex(none, /no record|KSA-KEY /);
});

test("what was given up is told, and what is left to do", (t) => {
  const done = {
    affected,
    dropped_keys: 1,
    ended_relays: 0,
    relayed: [],
    void_extents: 2,
    void_bits: 8_192,
    left_keys: 0,
    link_up: true,
  };
  t.is(
    givenUpText(done),
    [
      "void at both ends: 1.0 KiB of 2 extents",
      "dropped from the buffer: 1 QKD-key",
      "used, and not taken back: 1 KSA-key of the link: tell their applications",
      "(compromise without --delete)",
      "",
    ].join("\n"),
  );
  t.regex(givenUpText({ ...done, ended_relays: 2 }), /^ended while .* on its way: 2 relays$/m);
  const left = givenUpText({ ...done, left_keys: 1 });
  t.regex(left, /^1 key is in a batch or an offer that is under way/m);
  t.regex(givenUpText({ ...done, left_keys: 2 }), /^2 keys are in a batch/m);
  const alone = givenUpText({ ...done, link_up: false });
  t.regex(alone, /^void at this end: 1.0 KiB of 2 extents\n[\s\S]*\nThe link is down: /);
  t.true(fits(alone));
  t.true(fits(left));
});

test("a module's keys are listed in 80 columns", (t) => {
  const key = { id, received: t0, bits: 393_216, became: "matched", extent: 123_456 } as const;
  const text = listText({ module_id: "QKD-A-0001", keys: [key], left_out: 0 });
  t.true(fits(text), text);
  t.regex(text, /^QKD-A-0001: 1 QKD-key\n/);
  t.regex(text, /ext\. 123456/);
  t.regex(listText({ module_id: "A", keys: [], left_out: 0 }), /no key of this time/);
  t.regex(listText({ module_id: "A", keys: [key], left_out: 5 }), /and 5 keys more/);
});

test("every step has words, and a story of any of them fits 80 columns", (t) => {
  const all: Readonly<Record<StoryStep["step"], true>> = {
    received: true,
    waits: true,
    matched: true,
    no_match: true,
    differs: true,
    conflict: true,
    dropped: true,
    offered: true,
    prepared: true,
    supplied: true,
    bound: true,
    taken: true,
    expired: true,
    void: true,
    given_up: true,
    fate: true,
    gave: true,
    got: true,
    lost: true,
    order: true,
    deleted: true,
    relayed: true,
  };
  const steps = Object.keys(all).map(
    (step): StoryStep => ({
      t: t0,
      step: step as StoryStep["step"],
      extent: 281_474_976_710_655,
      start: 0,
      end: 2_097_152,
      bits: 1,
      module: "QKD-A-0001",
      matching_module: "QKD-B-0001",
      kma_keys: [id, id],
      ksa_key: id,
      applications: "a b",
      fate: "taken",
      reason: "them",
      by: "local uid 1000",
    }),
  );
  for (const step of steps) t.notRegex(stepText(step), /undefined/);
  const text = storyText({
    id,
    kind: "QKD-key",
    link: "fibre",
    kms: ["km-a", "km-b"],
    steps,
    left_out: 1,
  });
  t.true(fits(text), text);
  t.regex(text, /and 1 step more/);
  t.regex(text, /: 1 bit\b/);
});

test("of several applications it is told which have a key", (t) => {
  const step = { t: t0, step: "supplied", applications: '["a","b","c"]' } as const;
  t.is(stepText(step), 'supplied for ["a","b","c"]');
  t.is(stepText({ ...step, fetched: '["b"]' }), 'supplied for ["a","b","c"]; ["b"] has it');
  const both = stepText({ ...step, step: "taken", fetched: '["b","c"]' });
  t.is(both, 'taken by the application for ["a","b","c"]; ["b","c"] have it');
});
