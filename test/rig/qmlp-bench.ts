/**
 * The QMLP driver over a real serial link, and an emulated module behind a real PTY, with a place
 * in between where a test may look at frames, change them, and lose them.
 */

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serialLink } from "../../drivers/link/serial.ts";
import { qmlpDriver } from "../../drivers/qmlp/connect.ts";
import { Deframer } from "../../drivers/qmlp/deframer.ts";
import {
  writeFrame as encodeFrame,
  type Frame,
  flagNak,
  flagReliable,
  wireBound,
} from "../../drivers/qmlp/frame.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { BlockFacts, BlockRef, KeyBlock } from "../../src/port/key.ts";
import type { ModuleEvent, ModuleSession } from "../../src/port/module.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import { ManualClock } from "../clock.ts";
import { EmulatedModule } from "../emulator/module.ts";
import { EmulatedPort } from "../emulator/port.ts";
import { eventually } from "../eventually.ts";

/** Longer than any body on this line. */
const maxBody = 65_536;
const never = new AbortController().signal;

export const identity = {
  moduleId: "QKD-A-0001",
  matchingModuleId: "QKD-B-0001",
  role: "alice",
  vendor: "emulated",
  model: "m",
  serial: "s",
  firmware: "1",
} as const;

/** The frames in these bytes, each with a body of its own. */
export function readFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  const deframer = new Deframer(maxBody, (frame) => {
    frames.push({ ...frame, body: Buffer.from(frame.body) });
  });
  deframer.push(Buffer.from(bytes));
  return frames;
}

/** A frame as it goes on the line, with a right CRC. */
export function writeFrame(frame: Frame): Buffer {
  const target = Buffer.alloc(wireBound(frame.body.length));
  const flags = (frame.reliable ? flagReliable : 0) + (frame.nak ? flagNak : 0);
  const { type, seq, ack, body } = frame;
  const end = encodeFrame(type, flags, seq, ack, body, target, 0);
  return target.subarray(0, end);
}

/** Bytes of block `number` that look like key and can be told apart. */
export function content(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 32) {
    createHash("sha256").update(`${number} ${at}`).digest().copy(bytes, at);
  }
  return bytes;
}

export function ref(number: number): BlockRef {
  return { epoch: "00112233aabbccdd", number };
}

export class QmlpBench {
  readonly port: EmulatedPort;
  readonly module: EmulatedModule;
  readonly sessions: ModuleSession[] = [];
  /** What the sessions told their sink, oldest first. */
  readonly blocks: KeyBlock[] = [];
  readonly released: BlockRef[] = [];
  readonly damaged: BlockFacts[] = [];
  readonly samples: TelemetrySample[] = [];
  readonly events: ModuleEvent[] = [];
  /** Changes what the module puts on the line, one frame at a time; nothing: the frame is lost. */
  outgoing: (bytes: Buffer) => Buffer = (bytes) => bytes;
  /** Sees what the node wrote, before the module does. */
  incoming: (chunk: Buffer) => void = () => {};
  /** Bytes since the last connection was asked for: out of the module, and into it. */
  sent = 0;
  taken = 0;
  readonly #folder: string;
  readonly #clock: Clock;

  /**
   * @param clock time of the node and of the module; the line itself always goes by real time
   * @param baud 0 for no limit
   */
  constructor(clock: Clock, baud: number) {
    this.#clock = clock;
    this.#folder = mkdtempSync(join(tmpdir(), "qkd-qmlp-"));
    const path = join(this.#folder, "module.tty");
    this.port = new EmulatedPort(path, baud, systemClock, {
      bytes: (chunk) => {
        this.taken += chunk.length;
        this.incoming(chunk);
        this.module.push(chunk);
      },
      drained: () => this.module.pump(),
    });
    this.module = new EmulatedModule({
      identity,
      line: {
        transmit: (bytes) => this.transmit(this.outgoing(bytes)),
        backlog: () => this.port.backlog,
        lowWater: this.port.lowWater,
      },
      clock,
      telemetry: () => ({ values: { qber: 0.03 } }),
    });
    this.port.plug();
  }

  /** Puts bytes on the line to the node, as if the module had. */
  transmit(bytes: Buffer): void {
    this.sent += bytes.length;
    this.port.send(bytes);
  }

  /** Has the module distil a block of `length` bytes. */
  distil(number: number, length = 1_000, more: Partial<BlockFacts> = {}): BlockFacts {
    const facts = {
      ref: ref(number),
      bits: length * 8,
      qber: 0.031,
      generatedAt: 1_700_000_000_000,
      ...more,
    };
    this.module.distill(facts, content(number, length));
    return facts;
  }

  async connect(signal = never): Promise<ModuleSession> {
    this.sent = 0;
    this.taken = 0;
    const options = { path: this.port.path, baud: 115_200, rtscts: false };
    const driver = qmlpDriver("qmlp", serialLink(options, this.#clock), {
      clock: this.#clock,
      log: silentLog,
    });
    const session = await driver.connect(
      {
        block: (block) => this.blocks.push(block),
        damaged: (facts) => this.damaged.push(facts),
        released: (refs) => this.released.push(...refs),
        telemetry: (sample) => this.samples.push(sample),
        absent: () => {},
        event: (event) => this.events.push(event),
      },
      signal,
    );
    this.sessions.push(session);
    return session;
  }

  /** Waits until nothing is on its way between the two. */
  async quiet(session: ModuleSession): Promise<void> {
    await eventually("all bytes have arrived", () => session.quality(), {
      when: ({ bytesReceived, bytesSent }) =>
        bytesReceived === this.sent && bytesSent === this.taken,
    });
  }

  async close(): Promise<void> {
    this.module.close();
    let open = true;
    const closed = Promise.all(this.sessions.map((session) => session.close()));
    void closed.then(() => {
      open = false;
    });
    // A session waits a little for a module that does not answer, and here time stands still.
    while (open && this.#clock instanceof ManualClock) await this.#clock.advance(100);
    await closed;
    this.port.unplug();
    rmSync(this.#folder, { recursive: true });
  }
}

/** Runs a test on a bench and cleans up after it. */
export async function withModule(
  body: (bench: QmlpBench) => Promise<void>,
  { clock = systemClock as Clock, baud = 0 } = {},
): Promise<void> {
  const bench = new QmlpBench(clock, baud);
  try {
    await body(bench);
  } finally {
    await bench.close();
  }
}
