/**
 * The module of the benchmarks. Arguments: folder, `serial` or `pcie`, baud, bytes of a block, and
 * optionally the check over blocks and how many blocks there are a second; by default the module never
 * runs out of key.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { checkOf } from "../../drivers/qmlp/check.ts";
import { every, systemClock } from "../../src/port/clock.ts";
import { EmulatedModule } from "../../test/emulator/module.ts";
import { EmulatedPcie } from "../../test/emulator/pcie.ts";
import { EmulatedPort } from "../../test/emulator/port.ts";
import type { Transport, TransportHandlers } from "../../test/emulator/transport.ts";

const [folder = "", via = "", baud = "0", length = "0", checked = "", rate = "0"] =
  process.argv.slice(2);
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
const check = checked === "gmac" ? "gmac" : "sha-256";
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
/** When each block was there, ms on the clock that all processes share. */
let times: number[] = [];
const perSecond = Number(rate);
let begun: number | undefined;

function due(): boolean {
  if (perSecond === 0) return module.heldBlocks < ahead;
  if (module.heldBlocks >= ahead) return false;
  // Not before somebody takes them.
  if (begun === undefined) {
    if (number > 0 && module.heldBlocks === 0) begun = performance.now();
    return number === 0;
  }
  return number - 1 < ((performance.now() - begun) * perSecond) / 1_000;
}

function distil(): void {
  while (due()) {
    const facts = { ref: { epoch: "00112233aabbccdd", number }, bits: blockBytes * 8, qber: 0.03 };
    if (perSecond > 0) times[number] = performance.timeOrigin + performance.now();
    number++;
    module.distill(facts, Buffer.from(bytes));
  }
  for (const [name, { released }] of module.history) {
    if (!released) break;
    module.history.delete(name);
  }
}
every(systemClock, perSecond === 0 ? 2 : 1, distil);
process.on("message", () => {
  process.send?.({ times });
  times = [];
});
transport.plug();
process.send?.("ready");
