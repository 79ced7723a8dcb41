import test from "ava";
import type { Use } from "../../../../src/km/store/shapes.ts";
import { keysIn, readGranted } from "../../../../src/km/supply/granted.ts";

const use = (changes: Partial<Use>): Use => ({
  id: "1d".repeat(16),
  count: 1,
  offer: "0f".repeat(24),
  owner: false,
  ranges: [{ extent: 1, start: 0, end: 32 }],
  state: "T",
  fate: undefined,
  had: 1,
  request: "app-b",
  assigned: false,
  number: 1,
  pickUp: 60,
  ...changes,
});

/** Ranges that are forgotten after so many reads of a key. */
function forgottenAfter(key: Use, reads: number): number {
  let forgotten = 0;
  const store = {
    read: (_link: string, _ranges: unknown, done: (bytes: Buffer) => void) =>
      done(Buffer.alloc(32)),
    forget: (_link: string, ranges: readonly unknown[]) => {
      forgotten += ranges.length;
    },
  };
  for (let n = 0; n < reads; n++) readGranted(store, { link: "fibre", uses: [key] }, () => {});
  return forgotten;
}

test("bytes are forgotten by who reads them last, however many are granted them at once", (t) => {
  t.is(forgottenAfter(use({ readers: 1 }), 1), 1);
  t.is(forgottenAfter(use({ readers: 2 }), 1), 0);
  t.is(forgottenAfter(use({ readers: 2 }), 2), 1);
});

test("what a slave of the set may still fetch is not forgotten; the owner's copy is, with its master's answer", (t) => {
  t.is(forgottenAfter(use({ state: "B", readers: 1 }), 1), 0);
  t.is(forgottenAfter(use({ owner: true, state: "S" }), 1), 1);
});

test("keys of several lengths that are read together are each what was given, in order", (t) => {
  const bytes = Buffer.from(Array.from({ length: 8 + 2 * 9 + 1_000 }, (_, i) => (i * 37) & 0xff));
  const long = [
    { extent: 2, start: 0, end: 400 },
    { extent: 3, start: 5, end: 605 },
  ];
  const uses = [
    use({ ranges: [{ extent: 1, start: 0, end: 8 }] }),
    use({ count: 2, ranges: [{ extent: 1, start: 8, end: 26 }] }),
    use({ ranges: long }),
  ];
  t.deepEqual(keysIn(uses, bytes), [
    bytes.subarray(0, 8),
    bytes.subarray(8, 17),
    bytes.subarray(17, 26),
    bytes.subarray(26),
  ]);
});
