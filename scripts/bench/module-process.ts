/**
 * The modules of the benchmarks. Arguments: folder, `serial` or `pcie`, baud, bytes of a block, and
 * optionally the check over blocks, how many blocks there are a second (by default they never run out),
 * and how many modules: `module`, `module1`, `module2`, … in the folder.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { checkOf } from "../../drivers/qmlp/check.ts";
import { every, systemClock } from "../../src/base/clock.ts";
import { EmulatedModule } from "../../test/emulator/module.ts";
import { EmulatedPcie } from "../../test/emulator/pcie.ts";
import { EmulatedPort } from "../../test/emulator/port.ts";
import type { Transport, TransportHandlers } from "../../test/emulator/transport.ts";

const [folder = "", via = "", baud = "0", length = "0", checked = "", rate = "0", count = "1"] =
  process.argv.slice(2);
const blockBytes = Number(length);
const perSecond = Number(rate);
const ahead = Math.max(8, Math.floor(33_554_432 / blockBytes / Number(count)));

const bytes = randomBytes(blockBytes);
const check = checked === "gmac" ? "gmac" : "sha-256";
const value = checkOf(check, bytes);
/** When each block of the first module was there, ms on the clock that all processes share. */
let times: number[] = [];

function plug(index: number): void {
  const handlers: TransportHandlers = {
    bytes: (chunk) => module.push(chunk),
    drained: () => module.pump(),
  };
  const path = join(folder, index === 0 ? "module" : `module${index}`);
  const moduleId = `QKD-A-${index}`;
  const transport: Transport =
    via === "pcie"
      ? new EmulatedPcie(path, moduleId, systemClock, handlers)
      : new EmulatedPort(path, Number(baud), systemClock, handlers);
  const module: EmulatedModule = new EmulatedModule({
    identity: {
      moduleId,
      matchingModuleId: `QKD-B-${index}`,
      role: "alice",
      vendor: "emulated",
      model: "bench",
      serial: String(index),
      firmware: "1",
    },
    line: {
      transmit: (frame) => transport.send(frame),
      backlog: () => transport.backlog,
      lowWater: transport.lowWater,
    },
    clock: systemClock,
    telemetry: () => ({ values: { qber: 0.03 } }),
    check,
    // Every block is the same, so its check is too: the module must not be the slower side.
    checkOf: () => value,
  });
  let number = 0;
  let begun: number | undefined;
  const due = () => {
    if (module.heldBlocks >= ahead) return false;
    if (perSecond === 0) return true;
    // Not before a node takes them.
    if (begun === undefined) {
      if (number > 0 && module.heldBlocks === 0) begun = performance.now();
      return number === 0;
    }
    return number - 1 < ((performance.now() - begun) * perSecond) / 1_000;
  };
  const distil = () => {
    while (due()) {
      if (index === 0 && perSecond > 0) {
        times[number] = performance.timeOrigin + performance.now();
      }
      const ref = {
        epoch: `00112233aabbcc${index.toString(16).padStart(2, "0")}`,
        number: number++,
      };
      module.distill({ ref, bits: blockBytes * 8, qber: 0.03 }, Buffer.from(bytes));
    }
    for (const [name, { released }] of module.history) {
      if (!released) break;
      module.history.delete(name);
    }
  };
  every(systemClock, perSecond === 0 ? 2 : 1, distil);
  distil();
  transport.plug();
}

for (let index = 0; index < Number(count); index++) plug(index);
process.on("message", () => {
  process.send?.({ times });
  times = [];
});
process.send?.("ready");
