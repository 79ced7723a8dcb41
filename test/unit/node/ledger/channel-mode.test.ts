import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { LedgerFile } from "../../../../src/node/ledger/ledger-file.ts";
import { Channel } from "../../../../src/node/module/channel.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk } from "../../../faults/disk.ts";
import { LineModule } from "../../../rig/zeroize-bench.ts";

test("what was cut to be supplied is supplied also when all KMs ask for keys over HTTPS now", async (t) => {
  for (const wasProactive of [true, false]) {
    const clock = new ManualClock();
    const ledger = await LedgerFile.open(new Disk(), "/ledger", silentLog, { clock });
    const ref = { epoch: "00112233aabbccdd", number: 255 };
    ledger.append({
      kind: "cut",
      ref,
      keyBits: 256,
      onRequest: !wasProactive,
      claimant: undefined,
    });
    const module = new LineModule();
    module.held = [0, 1];
    const km = {
      name: "km",
      serverName: "km",
      endpoint: () => {
        throw new Fault("kq1.connect", "nothing listens");
      },
      https: { path: "/", connections: 1 },
      window: 1,
      answerTimeout: ms(1_000),
    };
    const channel = new Channel(
      {
        name: "alice",
        moduleId: undefined,
        matchingModuleId: undefined,
        qberLimit: 0.11,
        keyBits: 256,
        onRequest: true,
        maxHeldBlocks: 8,
        maxHeldBytes: 1_024,
        kms: [km],
      },
      {
        driver: module.driver,
        ledger,
        clock,
        log: silentLog,
        random: () => 0,
        onEvent: () => {},
        onState: () => {},
      },
    );
    channel.start();
    for (let i = 0; i < 30; i++) await clock.advance(20);
    t.is(channel.kms()[0]?.condition, wasProactive ? "DOWN" : "AWAITED");
    t.is(channel.state().reason.includes("nothing listens"), wasProactive, "an operator sees why");
    t.is(channel.access()?.desk.stored, wasProactive ? 0 : 2);
    const stopped = channel.stop();
    for (let i = 0; i < 30; i++) await clock.advance(1_000);
    await stopped;
    await ledger.close();
  }
});
