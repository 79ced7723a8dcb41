/** The other side of the link benchmarks: a module that never runs out of key. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { checkOf } from "../../drivers/qmlp/check.ts";
import { every, systemClock } from "../../src/port/clock.ts";
import { EmulatedModule } from "../../test/emulator/module.ts";
import { EmulatedPcie } from "../../test/emulator/pcie.ts";
import { EmulatedPort } from "../../test/emulator/port.ts";
import type { Transport, TransportHandlers } from "../../test/emulator/transport.ts";

const [folder = "", via = "", baud = "0", length = "0"] = process.argv.slice(2);
const blockBytes = Number(length);
const ahead = Math.max(8, Math.floor(33_554_432 / blockBytes));

const handlers: TransportHandlers = {
  bytes: (chunk) => module.push(chunk),
  drained: () => module.pump(),
};
const path = join(folder, "module");
const transport: Transport =
  via === "pcie"
    ? new EmulatedPcie(path, "QKD-A-0001", systemClock, handlers)
    : new EmulatedPort(path, Number(baud), systemClock, handlers);

const bytes = randomBytes(blockBytes);
const check = via === "pcie" ? "gmac" : "sha-256";
const value = checkOf(check, bytes);
const module: EmulatedModule = new EmulatedModule({
  identity: {
    moduleId: "QKD-A-0001",
    matchingModuleId: "QKD-B-0001",
    role: "alice",
    vendor: "emulated",
    model: "bench",
    serial: "1",
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
every(systemClock, 2, () => {
  while (module.heldBlocks < ahead) {
    const facts = { ref: { epoch: "00112233aabbccdd", number: number++ }, bits: blockBytes * 8 };
    module.distill(facts, Buffer.from(bytes));
  }
  for (const [name, { released }] of module.history) {
    if (!released) break;
    module.history.delete(name);
  }
});
transport.plug();
process.send?.("ready");
