/** One is one, in all that is printed. */
import test, { type ExecutionContext } from "ava";
import { noColours } from "../../../../src/host/terminal/terminal.ts";
import { keptText, keptWords } from "../../../../src/node/alarms/kept-back.ts";
import { lines as keyLines } from "../../../../src/node/cli/keys.ts";
import { brokerText } from "../../../../src/node/cli/status.ts";
import { FaultBench } from "../../../rig/fault-bench.ts";
import { pluralOfOne } from "../../../rig/plurals.ts";

function right(t: ExecutionContext, lines: readonly string[]): void {
  for (const line of lines) t.notRegex(line, pluralOfOne);
}

const reasons = [
  "withheld.qber",
  "withheld.no_qber",
  "withheld.operator",
  "withheld.ledger_repaired",
  "withheld.replayed",
  "withheld.past_unknown",
  "withheld",
  "damaged",
  "quarantined",
  "other_km",
];

test("a plural after 1 would be found", (t) => {
  t.regex("1 keys", pluralOfOne);
  t.regex("kept back: 1 blocks or keys", pluralOfOne);
  for (const text of ["11 keys", "1 234 keys", "1 key", "1 was", "2 001 keys"]) {
    t.notRegex(text, pluralOfOne);
  }
});

test("what is kept back", (t) => {
  for (const reason of reasons) {
    right(t, [`1 ${keptWords(reason, 1)}`, keptText({ [reason]: 1 })]);
    t.not(keptWords(reason, 1), keptWords(reason, 2));
    t.notRegex(keptWords(reason, 1), /\bthey\b/);
  }
});

test("keys of a module", (t) => {
  const one = Object.fromEntries(
    [
      "held_blocks",
      "in_flight",
      "supplied",
      "repeats",
      "confirmed",
      "bits",
      "withheld",
      "quarantined",
      "empty_blocks",
      "released_blocks",
    ].map((name) => [name, 1]),
  );
  const counts = {
    module: "alice",
    in_module_bits: 1,
    since_start: one,
    kept_back: reasons.map((why) => {
      return { why, count: 1, text: keptWords(why, 1), waits: true, command: "qkd-node" };
    }),
    ledger: {
      ...{ blocks: 1, complete: 1, withheld: 1, damaged: 1 },
      keys: { delivered: 1, quarantined: 1, assigned: 1 },
    },
  };
  const lines = keyLines(counts, noColours, 80);
  right(t, lines);
  t.true(lines.some((line) => line.endsWith("1 key, and 1 time one again")));
  t.true(lines.some((line) => line.endsWith("1 of 1 block")));
  t.true(keyLines({ ...counts, since_start: {} }, noColours, 80).some((one) => one.endsWith("–")));
});

test("what waits for the broker", (t) => {
  const broker = { url: "mqtt://b", up: true, reason: "" };
  t.regex(brokerText({ ...broker, waiting: 1 }, noColours), /, 1 event waits$/);
  t.regex(brokerText({ ...broker, waiting: 2 }, noColours), /, 2 events wait$/);
});

test("verdicts, the status, and the doctor's report", async (t) => {
  for (const keptBack of reasons.map((why) => ({ [why]: 1 }))) {
    const bench = await FaultBench.open();
    bench.conditions.keptBack = keptBack;
    for (const flow of [false, true]) {
      await bench.run(20, () => (flow ? bench.keys(1) : undefined));
      const { statusText, doctorText, manager } = bench.surfaces();
      right(t, [...statusText, ...doctorText, manager.health?.text ?? ""]);
    }
    await bench.watch.stop();
  }
  const bench = await FaultBench.open();
  await bench.run(40, () => bench.keys());
  let verdict = "";
  // A KM that answers one key and hangs.
  await bench.run(70, (second) => {
    bench.offered();
    if (second % 60 === 10) bench.counters.confirmed++;
    if (second % 11 === 10) bench.reconnect("KM does not answer");
    const { statusText, doctorText, status } = bench.surfaces();
    right(t, [...statusText, ...doctorText]);
    verdict = status.text;
  });
  t.not(verdict, "");
  await bench.watch.stop();
});
