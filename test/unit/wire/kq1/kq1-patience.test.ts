/** How long a KM is waited for: see `src/wire/kq1/patience.ts`. */
import test from "ava";
import { Patience } from "../../../../src/wire/kq1/patience.ts";

const limit = 5_000;

/** A KM that was given keys at these times and answers as told; when and why it is given up, if it is. */
function wait(
  sent: readonly number[],
  answers: readonly (readonly [at: number, key: number])[],
  until = 200_000,
): string {
  const patience = new Patience(limit);
  const left = new Set(sent.keys());
  const events = [...answers];
  let due = Number.POSITIVE_INFINITY;
  for (let now = 0; now <= until; now++) {
    for (; events[0]?.[0] === now; events.shift()) {
      left.delete((events[0] as readonly [number, number])[1]);
      patience.answered(now);
    }
    const oldest = [...left].find((key) => (sent[key] as number) <= now);
    if (oldest === undefined) {
      due = Number.POSITIVE_INFINITY;
      continue;
    }
    const at = sent[oldest] as number;
    if (due === Number.POSITIVE_INFINITY) due = at + limit;
    if (now < due) continue;
    const more = patience.look({ id: oldest, at }, now);
    if (typeof more === "string") return `${now}: ${more}`;
    due = now + more;
  }
  return "never";
}

const times = (count: number, every: number, from = every) =>
  Array.from({ length: count }, (_, i) => from + i * every);

test("a KM that answers nothing is given up once the first key has waited its time", (t) => {
  t.is(wait([0], []), "5000: KM does not answer");
  t.is(wait([0, 4_999, 4_999], []), "5000: KM does not answer", "later keys give it no more time");
});

test("a first answer in the last moment is in time, and gives the others their time anew", (t) => {
  t.is(wait([0, 0], [[4_999, 0]]), "9999: KM does not answer");
  t.is(
    wait(
      [0, 0],
      [
        [4_999, 0],
        [9_998, 1],
      ],
    ),
    "never",
  );
});

test("slow and steady: a window takes as long as it takes", (t) => {
  const answers = times(1_000, 60).map((at, key) => [at, key] as const);
  t.is(wait(new Array<number>(1_000).fill(0), answers), "never");
  const slowest = times(30, 4_999).map((at, key) => [at, key] as const);
  t.is(wait(new Array<number>(30).fill(0), slowest), "never");
});

test("a KM that stops in the middle is given up one answer timeout after its last answer", (t) => {
  const answers = times(100, 60).map((at, key) => [at, key] as const);
  t.is(wait(new Array<number>(256).fill(0), answers), "11000: KM does not answer");
});

test("what was sent to a KM that was idle has its whole time", (t) => {
  t.is(wait([0, 100_000], [[10, 0]]), "105000: KM does not answer");
});

test("a key that is left out while others are answered ends it, after ten answer timeouts", (t) => {
  const sent = [0, ...times(5_000, 60)];
  const answers = times(5_000, 60, 100).map((at, i) => [at, i + 1] as const);
  t.is(wait(sent, answers), "50000: KM answers others and leaves one key unanswered");
});

test("keys that are overtaken now and then are waited for", (t) => {
  // In each window of 64 the newest is answered first.
  const sent = new Array<number>(640).fill(0);
  const order = sent.map((_, i) => i - (i % 64) + 63 - (i % 64));
  const answers = times(640, 60).map((at, i) => [at, order[i] as number] as const);
  t.is(wait(sent, answers), "never");
});
