import test from "ava";
import { ms } from "../../../src/base/duration.ts";
import { misbehaviours } from "../../emulator/km/misbehaviours.ts";
import { KmBench } from "../../rig/km-bench.ts";

const alive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(alive));

/** What ends the connection; `undefined`: it goes on. Reasons that refuse a key for good are below. */
const outcomes: Readonly<Record<string, RegExp | undefined>> = {
  slow: undefined,
  "slow-answers": undefined,
  "out-of-order": undefined,
  twice: /not outstanding/,
  never: /does not answer/,
  "drop-before": /connection to the KM ended/,
  "drop-after": /connection to the KM ended/,
  "cut-off": /connection to the KM ended|is not JSON/,
  "wrong-message-id": /not outstanding/,
  "wrong-version": /unknown version/,
  "wrong-command": /unexpected command/,
  "longest-frame": /is not JSON/,
  gateway: /unknown version/,
  "bad-json": /is not JSON/,
  "other-key": /another key_ID/,
  "refuse-busy": undefined,
  "refuse-storage_full": undefined,
  "refuse-hash_mismatch": undefined,
};

for (const [name, ends] of Object.entries(outcomes)) {
  test.serial(`a KM that misbehaves (${name}) has each key once in the end`, async (t) => {
    const bench = await KmBench.open();
    try {
      const stop = bench.km.behave((misbehaviours[name] as (times: number) => never)(2));
      bench.distil(6);
      const all = () => bench.module.blocks.size === 0;
      const fault = await bench.live(all, ms(name === "never" ? 100 : 5_000));
      if (ends === undefined) t.is(fault, undefined);
      else t.regex(fault?.message ?? "", ends);
      stop();
      bench.distil(bench.module.blocks.size + 2);
      while (!all()) await bench.live(all);
      t.deepEqual(bench.outcome(), { lost: 0, conflicts: 0, held: 0 });
    } finally {
      await bench.close();
    }
  });
}

test.serial(
  "a key that a KM refuses for good stays in the module, and the others go on",
  async (t) => {
    const finals = Object.keys(misbehaviours).filter(
      (name) => name.startsWith("refuse-") && !(name in outcomes),
    );
    t.true(finals.length >= 6);
    for (const name of finals) {
      const bench = await KmBench.open();
      bench.km.behave((misbehaviours[name] as (times: number) => never)(2));
      bench.distil(6);
      t.is(await bench.live(() => bench.module.blocks.size === 2), undefined);
      t.deepEqual(bench.outcome(), { lost: 2, conflicts: 0, held: 2 }, name);
      await bench.close();
    }
  },
);

test.serial("a KM may have an IPv6 address", async (t) => {
  const bench = await KmBench.open("::1");
  bench.distil(3);
  t.is(await bench.live(() => bench.module.blocks.size === 0), undefined);
  t.deepEqual(bench.outcome(), { lost: 0, conflicts: 0, held: 0 });
  await bench.close();
});
