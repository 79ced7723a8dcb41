/** What the log says of key managers that connect: each of a thousand, and little of one that does nothing else. */
import test from "ava";
import { Fault } from "../../../src/base/errors.ts";
import { type Log, silentLog } from "../../../src/base/log.ts";
import { nothingSaved } from "../../../src/controller/core/world.ts";
import { Network } from "../../../src/controller/wiring/network.ts";
import { ManualClock } from "../../clock.ts";
import { plainPolicy } from "../../rig/wire-controller.ts";

test("a key manager that comes and goes without end is told a few times, and the others all the same", async (t) => {
  const lines: string[] = [];
  const write = (line: string, facts?: object) =>
    void lines.push(`${line} ${JSON.stringify(facts)}`);
  const log: Log = { ...silentLog, info: write, warn: write };
  const clock = ManualClock.ofToday();
  const kms = Array.from({ length: 1_000 }, (_, i) => `km-${i}`);
  const network = new Network({
    policy: plainPolicy(kms),
    store: { save: () => {}, told: () => {} },
    saved: nothingSaved(),
    role: "active",
    past: [],
    onChange: () => {},
    clock,
    log,
  });
  t.teardown(() => network.stop());
  for (let i = 0; i < 5_000; i++) {
    network.attached("km-0");
    network.detached("km-0", new Fault("ck.closed", "the connection of the KM is over"));
    network.twice();
  }
  t.true(lines.length < 20, `${lines.length} lines`);
  for (const km of kms) network.attached(km);
  const told = (km: string) => lines.some((line) => line.includes(`connected {"from":"${km}"`));
  t.true(kms.every(told));
  await clock.advance(60_000);
  t.true(lines.some((line) => line.startsWith("lines were left out")));
});
