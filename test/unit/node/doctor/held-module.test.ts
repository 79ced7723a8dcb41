/** What the doctor says of a module that another process has, by the words of each kind of it. */
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import type { ModuleConfig } from "../../../../src/node/config/tables.ts";
import { checkModule } from "../../../../src/node/doctor/modules.ts";
import type { Running } from "../../../../src/node/doctor/subject.ts";

for (const why of [
  "cannot open serial port: another process has it (source=/dev/ttyUSB0)",
  "cannot open PCIe device: another process has it (source=/dev/xdma0_c2h_0)",
  "another process has the folder (source=/var/lib/qcrypto/final)",
]) {
  test(`${why}: it says how to find that`, async (t) => {
    const running = {
      status: { modules: [{ name: "m", state: "DOWN" }] },
      links: { modules: [{ module: "m", up: false, reason: why }] },
      alarms: { alarms: [] },
    } as unknown as Running;
    const [found] = await checkModule({ name: "m" } as ModuleConfig, running, systemClock);
    t.like(found, { id: "module.m.answers", status: "fail", detail: why });
    t.regex(found?.advice ?? "", /^find it with fuser -v/);
  });
}
