/** A small fleet, as `npm run fleet` runs a large one. */

import test from "ava";
import { spread } from "../../scripts/fleet/figures.ts";
import { type FleetOptions, readOptions } from "../../scripts/fleet/options.ts";
import { held, runFleet } from "../../scripts/fleet/run.ts";
import { testWith } from "../needs.ts";

const quick = ["--nodes", "20", "--processes", "2", "--seconds", "3", "--telemetry", "1"];

/** How fast it is depends on the machine: that is for `npm run fleet` to say. */
const patience = 30_000;

function options(...more: string[]): FleetOptions {
  return readOptions([...quick, "--alarm-every", "2", ...more]) as FleetOptions;
}

testWith(
  "mosquitto",
  "twenty nodes at Mosquitto: all online, no alarm lost, also over a restart of the broker",
  async (t) => {
    t.timeout(120_000);
    const result = await runFleet(options("--broker", "mosquitto"), (line) => t.log(line));
    t.true(held(result, patience), JSON.stringify(result));
    t.is(result.connecting.online, 20);
    t.is(result.restart?.online, 20);
    t.is((result.restart?.alarms.count ?? 0) + result.unheard, 20);
    t.true((result.restart?.attempts ?? 0) >= 20);
    t.is(result.storm.count, 20);
    t.true(result.steady.alarms.count > 10);
    t.is(result.offlineAtEnd, 20);
    t.is(result.retainedPerNode, 5, "status, inventory, state, and the two plain links");
  },
);

testWith("nats-server", "twenty nodes at NATS with JetStream, MQTT 3.1.1", async (t) => {
  t.timeout(120_000);
  const result = await runFleet(options("--broker", "nats-server", "--no-restart"), (line) =>
    t.log(line),
  );
  t.true(held(result, patience), JSON.stringify(result));
  t.is(result.protocol, 4);
  t.is(result.restart, undefined);
  t.is(result.offlineAtEnd, 20);
});

test("percentiles are nearest ranks, and of nothing are zeros", (t) => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  t.deepEqual(spread(values), { count: 200, p50: 100, p99: 198, max: 200 });
  t.deepEqual(spread([7]), { count: 1, p50: 7, p99: 7, max: 7 });
  t.deepEqual(spread([]), { count: 0, p50: 0, p99: 0, max: 0 });
});

for (const [wrong, says] of [
  [["--nodes", "0"], /--nodes: expected a number, 1 or more/],
  [["--broker", "rabbit"], /--broker: expected mqtt\[s\]:/],
  [["--protocol", "3"], /--protocol: expected 5 or 4/],
  [["--speed"], /Unknown option '--speed'/],
] as const) {
  test(`the command line says what is wrong: ${wrong.join(" ")}`, (t) => {
    t.throws(() => readOptions([...wrong]), { message: says });
  });
}
