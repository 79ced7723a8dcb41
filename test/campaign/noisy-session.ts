/**
 * A whole QMLP session, node and emulated module, over a noisy line in memory and in passed-in time:
 * every block must arrive as it was distilled, none wrong, none lost, however often it takes.
 */
import { createHash } from "node:crypto";
import type { Link, LinkFactory } from "../../drivers/link/link.ts";
import { qmlpDriver } from "../../drivers/qmlp/connect.ts";
import { silentLog } from "../../src/base/log.ts";
import { blockName } from "../../src/port/key.ts";
import type { ModuleSession } from "../../src/port/module.ts";
import { ManualClock, settle } from "../clock.ts";
import { Noise, type NoiseRates } from "../emulator/faults/noise.ts";
import { EmulatedModule } from "../emulator/module.ts";
import { random } from "../random.ts";

export interface SessionResult {
  readonly blocks: number;
  /** Frames that the node received, over all sessions. */
  readonly frames: number;
  readonly faults: number;
  readonly sessions: number;
  /** Blocks that came with other bytes than distilled. Must be 0. */
  readonly wrong: number;
  /** Blocks that never came or were not released. Must be 0. */
  readonly lost: number;
  /** Passed-in time, ms. */
  readonly ms: number;
}

const blockBytes = 2_000;
const epoch = "00112233aabbccdd";

function content(number: number): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  for (let at = 0; at < blockBytes; at += 32) {
    createHash("sha256").update(`${number}/${at}`).digest().copy(bytes, at);
  }
  return bytes;
}

/** The line: what is written goes through the noise and arrives in the next turn. */
class MemoryLink implements Link {
  readonly ended: Promise<Error | undefined>;
  readonly backlog = 0;
  #end: (error: Error | undefined) => void = () => {};
  readonly #onWrite: (bytes: Buffer) => void;

  constructor(onWrite: (bytes: Buffer) => void) {
    this.#onWrite = onWrite;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  write(bytes: Buffer): void {
    this.#onWrite(Buffer.from(bytes));
  }

  close(): Promise<void> {
    this.#end(undefined);
    return Promise.resolve();
  }
}

export async function blocksThroughNoise(
  blocks: number,
  rates: NoiseRates,
  seed: number,
): Promise<SessionResult> {
  const draw = random(seed);
  const clock = new ManualClock();
  const down = new Noise(rates, draw);
  const up = new Noise(rates, draw);
  let toNode: (chunk: Buffer) => void = () => {};
  let onTheWay = 0;
  const module: EmulatedModule = new EmulatedModule({
    identity: {
      moduleId: "QKD-A-0001",
      matchingModuleId: "QKD-B-0001",
      role: "alice",
      vendor: "v",
      model: "m",
      serial: "s",
      firmware: "f",
    },
    line: {
      transmit(bytes) {
        onTheWay += bytes.length;
        const noisy = down.pass(Buffer.from(bytes));
        setImmediate(() => {
          onTheWay -= bytes.length;
          toNode(noisy);
          module.pump();
        });
      },
      backlog: () => onTheWay,
      lowWater: 16_384,
    },
    clock,
    telemetry: () => ({ values: { qber: 0.03 } }),
  });
  const factory: LinkFactory = {
    where: "memory",
    checked: false,
    maxBody: 512,
    open(onBytes) {
      toNode = onBytes;
      return Promise.resolve(
        new MemoryLink((bytes) => {
          const noisy = up.pass(bytes);
          setImmediate(() => module.push(noisy));
        }),
      );
    },
  };
  const driver = qmlpDriver("qmlp", factory, { clock, log: silentLog });
  const done = new Set<string>();
  let wrong = 0;
  let released = 0;
  let distilled = 0;
  let sessions = 0;
  let frames = 0;
  let session: ModuleSession | undefined;
  const connect = async () => {
    sessions++;
    const one: ModuleSession = await driver.connect(
      {
        block(block) {
          const name = blockName(block.ref);
          if (!content(block.ref.number).equals(block.expose())) wrong++;
          else done.add(name);
          session?.grant(1, block.byteLength);
          session?.release([block.ref]);
          block.wipe();
        },
        damaged: () => {},
        released: (refs) => {
          released += refs.length;
        },
        telemetry: () => {},
        absent: () => {},
        event: () => {},
      },
      new AbortController().signal,
    );
    session = one;
    one.grant(16, 1_048_576 + 16 * blockBytes);
    void one.ended.then(() => {
      frames += one.quality().framesReceived;
      session = undefined;
    });
  };
  let connecting: Promise<void> | undefined;
  while (module.heldBlocks > 0 || distilled < blocks) {
    while (distilled < blocks && module.heldBlocks < 64) {
      const number = distilled++;
      const facts = { ref: { epoch, number }, bits: blockBytes * 8 };
      module.distill(facts, content(number));
    }
    if (session === undefined && connecting === undefined) {
      connecting = connect()
        .catch(() => {})
        .then(() => {
          connecting = undefined;
        });
    }
    // Time passes only when nothing more happens by itself.
    const before = [onTheWay, done.size, released].join();
    await settle();
    if (before === [onTheWay, done.size, released].join()) await clock.advance(10);
  }
  const last = session as ModuleSession | undefined;
  if (last !== undefined) {
    const closing = last.close();
    await clock.advance(2_000);
    await closing;
  }
  module.close();
  return {
    blocks,
    frames,
    faults: down.faults + up.faults,
    sessions,
    wrong,
    lost: blocks - done.size,
    ms: clock.now(),
  };
}
