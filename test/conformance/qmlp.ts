/** The emulated module behind a serial port, a PCIe card or a socket, for the conformance suite. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { driverKinds } from "../../drivers/index.ts";
import { encodeKeyHeader } from "../../drivers/qmlp/blocks.ts";
import { type Frame, type } from "../../drivers/qmlp/frame.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { BlockFacts } from "../../src/port/key.ts";
import { EmulatedModule } from "../emulator/module.ts";
import { EmulatedPcie } from "../emulator/pcie.ts";
import { EmulatedPort } from "../emulator/port.ts";
import { EmulatedSocket } from "../emulator/socket.ts";
import type { Transport, TransportHandlers } from "../emulator/transport.ts";
import { readFrames, writeFrame } from "../rig/qmlp-bench.ts";
import type { Made, Malformation, Specimen } from "./specimen.ts";

export type Via = "serial" | "pcie" | "socket";

const moduleId = "QKD-A-0001";
const epoch = "00112233aabbccdd";

interface Attached {
  readonly transport: Transport;
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
}

function attach(via: Via, folder: string, handlers: TransportHandlers): Attached {
  if (via === "pcie") {
    const path = join(folder, "card");
    const transport = new EmulatedPcie(path, moduleId, systemClock, handlers);
    return { transport, kind: "qmlp-pcie", options: { path, channel: 0 } };
  }
  const path = join(folder, "module");
  if (via === "socket") {
    const transport = new EmulatedSocket(path, handlers);
    return { transport, kind: "qmlp-socket", options: { address: transport.path } };
  }
  const transport = new EmulatedPort(path, 0, systemClock, handlers);
  return { transport, kind: "qmlp", options: { path, baud: 921_600, rtscts: false } };
}

/** Bytes that look like key, with the bits after the end 0. */
export function keyBytes(number: number, bits: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(bits / 8));
  for (let at = 0; at < bytes.length; at += 32) {
    createHash("sha256").update(`${number} ${at}`).digest().copy(bytes, at);
  }
  const spare = bytes.length * 8 - bits;
  const last = bytes.length - 1;
  if (spare > 0) bytes[last] = (bytes[last] as number) & (0xff << spare);
  return bytes;
}

/** A key header that contradicts what the node granted or was told. */
function header(bits: number): Buffer {
  const facts = { ref: { epoch, number: 900_000 }, bits, qber: 0.01 };
  return encodeKeyHeader(facts, randomBytes(32));
}

/** Changes the next reliable frame; the frame is an event that nobody waits for. */
type Change = (frame: Frame) => Buffer;

const instead =
  (messageType: number, body: Buffer | (() => Buffer), reliable = true): Change =>
  (frame) =>
    writeFrame({
      ...frame,
      type: messageType,
      reliable,
      body: typeof body === "function" ? body() : body,
    });

const changes: Readonly<Record<string, Change>> = {
  "MORE without a block": instead(type.more, Buffer.alloc(10)),
  "a block with a wrong hash": instead(type.key, () =>
    Buffer.concat([header(256), randomBytes(32)]),
  ),
  "a block longer than announced": instead(type.key, () => header(0xffff_fff8)),
  "a header that is cut off": instead(type.key, Buffer.alloc(40)),
  "half a reference": instead(type.released, Buffer.alloc(23)),
  "an unknown message": instead(0x7e, randomBytes(20)),
  "a reliable frame without its flag": instead(type.released, Buffer.alloc(16), false),
  "telemetry that runs past its end": instead(
    type.telemetry,
    Buffer.from("0100ffff000000000000000001001320", "hex"),
    false,
  ),
  "an event of no severity": instead(type.event, Buffer.alloc(12, 0xff)),
  "a result nobody asked for": instead(type.result, Buffer.alloc(8, 0xaa)),
  "a frame with a wrong CRC": (frame) => {
    const bytes = writeFrame(frame);
    bytes[5] = (bytes[5] as number) ^ 1 || 1;
    return bytes;
  },
  "a frame longer than allowed": () =>
    Buffer.concat([Buffer.from(randomBytes(200_000).map((byte) => byte || 1)), Buffer.from([0])]),
  "random bytes": () => randomBytes(5_000),
  "nothing but zeros": () => Buffer.alloc(20_000),
};

export async function qmlpSpecimen(via: Via): Promise<Specimen> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-specimen-"));
  let change: Change | undefined;
  let changed: (() => void) | undefined;
  const { transport, kind, options } = attach(via, folder, {
    bytes: (chunk) => module.push(chunk),
    drained: () => module.pump(),
  });
  const transmit = (bytes: Buffer) => {
    const frame = change === undefined ? undefined : readFrames(bytes)[0];
    if (change === undefined || frame?.type !== type.event) return transport.send(bytes);
    transport.send(change(frame));
    change = undefined;
    changed?.();
  };
  const module: EmulatedModule = new EmulatedModule({
    identity: {
      moduleId,
      matchingModuleId: "QKD-B-0001",
      role: "alice",
      vendor: "emulated",
      model: via,
      serial: "1",
      firmware: "1",
    },
    line: { transmit, backlog: () => transport.backlog, lowWater: transport.lowWater },
    clock: systemClock,
    telemetry: () => ({ values: { qber: 0.03, detector_counts: [1, 2] } }),
  });
  const plug = async () => {
    transport.plug();
    if (transport instanceof EmulatedSocket) await transport.ready();
  };
  await plug();
  let number = 0;
  const malformations = Object.entries(changes).map(
    ([name, one]): Malformation => ({
      name,
      inject: () =>
        new Promise((resolve) => {
          change = one;
          changed = resolve;
          module.event({ code: "vendor_32768", severity: "cleared", text: "" });
        }),
    }),
  );
  const driverKind = driverKinds.find((one) => one.kind === kind);
  return {
    malformations,
    driver(context) {
      if (driverKind === undefined) throw new Error(`no driver ${kind}`);
      return driverKind.create(options, context);
    },
    distil(bits): Promise<Made> {
      const facts: BlockFacts = {
        ref: { epoch, number: number++ },
        bits,
        qber: 0.031,
        siftedBits: bits * 2,
        generatedAt: 1_700_000_000_000,
      };
      const bytes = keyBytes(facts.ref.number, bits);
      module.distill(facts, Buffer.from(bytes));
      return Promise.resolve({ facts, bytes });
    },
    held: () => Promise.resolve(module.heldNames),
    unplug: () => Promise.resolve(transport.unplug()),
    plug,
    restart: () => Promise.resolve(module.reset()),
    identity(id) {
      module.identity = { ...module.identity, moduleId: id };
      return Promise.resolve();
    },
    close() {
      transport.unplug();
      module.close();
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}
