/** How fast a link and the QMLP driver hand over key, to a sink that does nothing with it. */
import { constants, open, read } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { driverKinds } from "../../drivers/index.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { BlockRef } from "../../src/port/key.ts";
import type { ModuleSession } from "../../src/port/module.ts";
import { beside } from "./helper.ts";
import { type Benchmark, cpuMeter, type Sample } from "./measure.ts";

const releasedAtOnce = 16;

/** Takes key for that long, counted from the first block to the last. */
async function take(
  kind: string,
  options: Readonly<Record<string, unknown>>,
  credit: number,
  seconds: number,
): Promise<{ bytes: number; seconds: number; cores: number }> {
  const driver = driverKinds
    .find((one) => one.kind === kind)
    ?.create(options, { clock: systemClock, log: silentLog });
  if (driver === undefined) throw new Error(`no driver ${kind}`);
  let session: ModuleSession | undefined;
  let bytes = 0;
  const refs: BlockRef[] = [];
  let first = 0;
  let last = 0;
  let cores = cpuMeter();
  const done = Promise.withResolvers<void>();
  session = await driver.connect(
    {
      block(block) {
        last = performance.now();
        if (first === 0) {
          first = last;
          cores = cpuMeter();
        } else {
          bytes += block.byteLength;
        }
        session?.grant(1, block.byteLength);
        // Many in one message, as custody has them.
        if (refs.push(block.ref) === releasedAtOnce) session?.release(refs.splice(0));
        block.wipe();
        if (last - first >= seconds * 1_000) done.resolve();
      },
      damaged: () => done.reject(new Error("a block came damaged")),
      released: () => {},
      telemetry: () => {},
      absent: () => {},
      event: () => {},
    },
    new AbortController().signal,
  );
  void session.ended.then((error) => done.reject(error ?? new Error("closed")));
  session.grant(1_000_000, Math.max(credit, session.identity.maxBlockBytes));
  await done.promise;
  const used = cores();
  void session.close();
  return { bytes, seconds: (last - first) / 1_000, cores: used };
}

function serial(baud: number, blockBytes: number): Benchmark {
  return {
    name: `serial ${baud}`,
    about: `key bytes per byte the line could carry at ${baud} bit/s, keys of ${blockBytes} bytes`,
    unit: "of the line",
    reach: { least: 0.96 },
    subject: (seconds) =>
      beside("module-process.ts", ["serial", baud, blockBytes], async (folder) => {
        const options = { path: join(folder, "module"), baud, rtscts: false };
        const taken = await take("qmlp", options, 4_194_304, seconds);
        return { value: taken.bytes / taken.seconds / (baud / 10), cores: taken.cores };
      }),
  };
}

/** Reads what a FIFO gives and does nothing with it. */
async function copy(folder: string, seconds: number): Promise<Sample> {
  const file = await promisify(open)(join(folder, "copy"), constants.O_RDONLY);
  const buffer = Buffer.allocUnsafeSlow(262_144);
  let bytes = 0;
  const cores = cpuMeter();
  const begun = performance.now();
  while (performance.now() - begun < seconds * 1_000) {
    const { bytesRead } = await promisify(read)(file, buffer, 0, buffer.length, null);
    bytes += bytesRead;
  }
  return { value: (bytes * 8) / (performance.now() - begun) / 1e6, cores: cores() };
}

const pcie: Benchmark = {
  name: "pcie",
  about:
    "key through a PCIe link and the driver, keys of 32 KiB; baseline: a bare copy from a FIFO",
  unit: "Gbit/s",
  reach: { least: 1.16, cores: 1 },
  subject: (seconds) =>
    beside("module-process.ts", ["pcie", 0, 32_768, "gmac"], async (folder) => {
      const options = { path: join(folder, "module"), channel: 0 };
      const { bytes, seconds: took, cores } = await take("qmlp-pcie", options, 16_777_216, seconds);
      return { value: (bytes * 8) / took / 1e9, cores };
    }),
  baseline: (seconds) => beside("copy-process.ts", [], (folder) => copy(folder, seconds)),
};

export const linkBenchmarks: readonly Benchmark[] = [
  serial(115_200, 16_384),
  serial(921_600, 16_384),
  serial(3_000_000, 16_384),
  serial(12_000_000, 16_384),
  pcie,
];
