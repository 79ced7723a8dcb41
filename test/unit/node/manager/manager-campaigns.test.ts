/** Short runs of what `npm run soak -- --only manager` does at length. */
import test from "ava";
import { alarmCuts } from "../../../campaign/alarm-cuts.ts";
import { hostileCommands, hostilePackets } from "../../../campaign/hostile-manager.ts";
import { rounds } from "../../../campaign-scale.ts";

const mebibyte = 2 ** 20;

test.serial(
  "cuts at every byte while alarms come and go: none lost, in order, the same event_id",
  async (t) => {
    t.timeout(180_000);
    const result = await alarmCuts(rounds(1_000), 6);
    t.like(result, { lost: 0, wrong: 0, stale: 0 });
    t.true(
      result.transitions > rounds(1_000) && result.repeats > rounds(100),
      JSON.stringify(result),
    );
    t.log(`${result.transitions} transitions, ${result.repeats} repeats`);
  },
);

test.serial("hostile command payloads: nothing carried out, thrown, or kept", async (t) => {
  t.timeout(180_000);
  const result = await hostileCommands(rounds(20_000), 22);
  t.like(result, { executed: 0, thrown: 0 });
  t.true(result.growth < 4 * mebibyte, `${result.growth} bytes`);
});

test.serial("hostile packets of a broker: the connection ends or nothing happens", async (t) => {
  t.timeout(180_000);
  const result = await hostilePackets(rounds(10_000), 5);
  t.is(result.thrown, 0);
  t.true(result.growth < 4 * mebibyte, `${result.growth} bytes`);
});
