import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { serialLink } from "../../drivers/link/serial.ts";
import { qmlpDriver } from "../../drivers/qmlp/connect.ts";
import { systemClock } from "../../src/port/clock.ts";
import { Fault } from "../../src/port/errors.ts";
import type { BlockFacts, BlockRef, KeyBlock } from "../../src/port/key.ts";
import { silentLog } from "../../src/port/log.ts";
import type { ModuleEvent, ModuleSession } from "../../src/port/module.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import { EmulatedModule } from "../emulator/module.ts";
import { EmulatedPort } from "../emulator/port.ts";

const never = new AbortController().signal;

const identity = {
  moduleId: "QKD-A-0001",
  matchingModuleId: "QKD-B-0001",
  role: "alice",
  vendor: "emulated",
  model: "m",
  serial: "s",
  firmware: "1",
} as const;

interface Bench {
  readonly module: EmulatedModule;
  readonly port: EmulatedPort;
  readonly blocks: KeyBlock[];
  readonly released: BlockRef[];
  readonly damaged: BlockFacts[];
  readonly samples: TelemetrySample[];
  readonly events: ModuleEvent[];
  connect(): Promise<ModuleSession>;
  /** Resolves once `condition` holds; it is looked at after each call of the sink. */
  until(condition: () => boolean): Promise<void>;
  /** Changes what the module puts on the line. */
  outgoing: (bytes: Buffer) => Buffer;
}

async function withModule(body: (bench: Bench) => Promise<void>, baud = 0): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-qmlp-"));
  const path = join(folder, "module.tty");
  const watchers = new Set<() => void>();
  const told = () => {
    for (const check of watchers) check();
  };
  const port: EmulatedPort = new EmulatedPort(path, baud, systemClock, {
    bytes: (chunk) => module.push(chunk),
    drained: () => module.pump(),
  });
  const module: EmulatedModule = new EmulatedModule({
    identity,
    line: {
      transmit: (bytes) => port.send(bench.outgoing(bytes)),
      backlog: () => port.backlog,
      lowWater: port.lowWater,
    },
    clock: systemClock,
    telemetry: () => ({ values: { qber: 0.03 } }),
  });
  const sessions: ModuleSession[] = [];
  const bench: Bench = {
    module,
    port,
    blocks: [],
    released: [],
    damaged: [],
    samples: [],
    events: [],
    outgoing: (bytes) => bytes,
    async connect() {
      const link = serialLink({ path, baud: 115_200, rtscts: false }, systemClock);
      const driver = qmlpDriver(link, { clock: systemClock, log: silentLog });
      const push =
        <T>(list: T[]) =>
        (item: T) => {
          list.push(item);
          told();
        };
      const session = await driver.connect(
        {
          block: push(bench.blocks),
          damaged: push(bench.damaged),
          released: (refs) => {
            bench.released.push(...refs);
            told();
          },
          telemetry: push(bench.samples),
          event: push(bench.events),
        },
        never,
      );
      sessions.push(session);
      return session;
    },
    until: (condition) =>
      new Promise((resolve) => {
        const check = () => {
          if (!condition()) return;
          watchers.delete(check);
          resolve();
        };
        watchers.add(check);
        check();
      }),
  };
  port.plug();
  try {
    await body(bench);
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
    port.unplug();
    module.close();
    rmSync(folder, { recursive: true });
  }
}

function content(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 32) {
    createHash("sha256").update(`${number} ${at}`).digest().copy(bytes, at);
  }
  return bytes;
}

function distil(module: EmulatedModule, number: number, length = 1_000, more = {}): BlockFacts {
  const ref = { epoch: "00112233aabbccdd", number };
  const facts = { ref, bits: length * 8, qber: 0.031, generatedAt: 1_700_000_000_000, ...more };
  module.distill(facts, content(number, length));
  return facts;
}

test.serial("blocks of any length arrive whole, in order, with their facts", async (t) => {
  await withModule(async ({ module, blocks, connect, until }) => {
    const lengths = [1, 32, 935, 936, 937, 1_024, 5_000, 70_000, 0];
    const facts = lengths.map((length, i) => distil(module, i, length));
    const session = await connect();
    t.like(session.identity, identity);
    session.grant(100, 1_000_000);
    await until(() => blocks.length === lengths.length);
    t.deepEqual(
      blocks.map((block) => block.facts),
      facts,
    );
    blocks.forEach((block, i) => {
      t.true(Buffer.from(block.expose()).equals(content(i, lengths[i] as number)));
    });
    t.is(session.quality().framesBad, 0);
  });
});

test.serial("without credit nothing is offered, and no more than credit allows", async (t) => {
  await withModule(async ({ module, blocks, samples, connect, until }) => {
    for (let i = 0; i < 5; i++) distil(module, i);
    const session = await connect();
    await until(() => samples.length > 0);
    t.is(blocks.length, 0);
    session.grant(2, 100_000);
    await until(() => blocks.length === 2);
    session.grant(10, 0);
    await until(() => blocks.length === 5);
    t.pass();
  });
});

test.serial("what is released is gone for good; what is not is offered again", async (t) => {
  await withModule(async ({ module, blocks, released, connect, until }) => {
    for (let i = 0; i < 3; i++) distil(module, i);
    const first = await connect();
    first.grant(10, 100_000);
    await until(() => blocks.length === 3);
    first.release([blocks[1]?.ref as BlockRef]);
    await until(() => released.length === 1);
    await first.close();
    t.is(await first.ended, undefined);
    const second = await connect();
    // Unknown references are confirmed too: the answer may have been lost.
    second.release([blocks[1]?.ref as BlockRef]);
    second.grant(10, 100_000);
    await until(() => blocks.length === 5 && released.length === 2);
    t.deepEqual(
      blocks.slice(3).map((block) => block.ref.number),
      [0, 2],
    );
    t.is(module.heldBlocks, 2);
  });
});

test.serial("a line that damages frames costs time, not keys", async (t) => {
  await withModule(async (bench) => {
    for (let i = 0; i < 40; i++) distil(bench.module, i, 2_000);
    let frames = 0;
    bench.outgoing = (bytes) => {
      frames++;
      if (frames > 3 && frames % 7 === 0) {
        const damaged = Buffer.from(bytes);
        damaged[20] = (damaged[20] as number) ^ 0x40;
        return damaged;
      }
      return frames > 3 && frames % 11 === 0 ? Buffer.alloc(0) : bytes;
    };
    const session = await bench.connect();
    session.grant(100, 1_000_000);
    await bench.until(() => bench.blocks.length === 40);
    bench.blocks.forEach((block, i) => {
      t.true(Buffer.from(block.expose()).equals(content(i, 2_000)));
    });
    t.true(session.quality().framesBad > 0);
  });
});

test.serial("commands are carried out and answered, wrong ones refused", async (t) => {
  await withModule(async ({ module, connect }) => {
    const session = await connect();
    await session.command({ name: "stop" });
    t.false(module.running);
    await session.command({ name: "key_rate", bitsPerSecond: 1_000 });
    t.is(module.targetKeyRate, 1_000);
    const refused = session.command({ name: "telemetry_interval", ms: 5 });
    await t.throwsAsync(refused, { instanceOf: Fault, message: /bad argument/ });
    distil(module, 1);
    await session.command({ name: "zeroize" });
    t.is(module.heldBlocks, 0);
    await session.close();
    await t.throwsAsync(connect(), { instanceOf: Fault, message: /zeroized/ });
  });
});

test.serial("telemetry and events of the module are heard", async (t) => {
  await withModule(async ({ module, samples, events, connect, until }) => {
    await connect();
    await until(() => samples.length > 0);
    t.deepEqual(samples[0]?.values, { qber: 0.03 });
    module.event({ code: "detector_fault", severity: "major", text: "APD 2" });
    await until(() => events.length > 0);
    t.deepEqual(events[0], { code: "detector_fault", severity: "major", text: "APD 2" });
  });
});

test.serial("a module that falls silent, resets or is unplugged ends the session", async (t) => {
  const losses: ((bench: Bench) => void)[] = [
    (bench) => {
      bench.outgoing = () => Buffer.alloc(0);
    },
    (bench) => bench.port.unplug(),
    (bench) => bench.module.reset(),
  ];
  for (const lose of losses) {
    await withModule(async (bench) => {
      const session = await bench.connect();
      await bench.until(() => bench.samples.length > 0);
      lose(bench);
      const error = await session.ended;
      t.true(error instanceof Fault);
      t.true(["link.stalled", "link.closed"].includes((error as Fault).code));
    });
  }
});

test.serial(
  "a device that is not there, or does not speak QMLP, is a fault that says so",
  async (t) => {
    await withModule(async (bench) => {
      bench.port.unplug();
      await t.throwsAsync(bench.connect(), {
        instanceOf: Fault,
        message: /there is no such device/,
      });
      bench.port.plug();
      bench.outgoing = () => Buffer.from("OK\r\n");
      await t.throwsAsync(bench.connect(), { instanceOf: Fault, message: /speaks QMLP/ });
    });
  },
);

test.serial("a port that one session has is not opened twice", async (t) => {
  await withModule(async ({ connect }) => {
    await connect();
    await t.throwsAsync(connect(), { instanceOf: Fault, message: /another process has it/ });
  });
});

test.serial("connecting again and again, in mid-frame or not, leaks no descriptor", async (t) => {
  await withModule(async (bench) => {
    distil(bench.module, 1, 200_000);
    const descriptors = () => readdirSync("/proc/self/fd").length;
    let before = 0;
    for (let round = 0; round < 30; round++) {
      if (round === 5) before = descriptors();
      const session = await bench.connect();
      session.grant(10, 1_000_000);
      if (round % 2 === 0) bench.port.unplug();
      await session.close();
      bench.port.plug();
    }
    t.true(descriptors() <= before + 2);
  });
});

test.serial("the emulated device leaves no link behind", async (t) => {
  let path = "";
  await withModule(async ({ port }) => {
    path = port.path;
    t.true(existsSync(path));
  });
  t.false(existsSync(path));
});
