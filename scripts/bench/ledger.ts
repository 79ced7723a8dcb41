/** What recording costs: custody and ledger with a disk that syncs, beside one whose sync does nothing. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { diskFiles, type FileSystem } from "../../src/host/disk/files.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { type Benchmark, percentile, type Sample } from "./measure.ts";

const epoch = "00112233aabbccdd";

/** The same files, but nothing waits for the disk. */
const unsynced: FileSystem = {
  ...diskFiles,
  async open(path, flags, mode) {
    const file = await diskFiles.open(path, flags, mode);
    return {
      read: (...args) => file.read(...args),
      write: (...args) => file.write(...args),
      datasync: async () => {},
      truncate: (length) => file.truncate(length),
      stat: () => file.stat(),
      close: () => file.close(),
    };
  },
  syncFolder: async () => {},
};

/** Not on a file system in memory: the folder of the sources is on the disk. */
const onDisk = import.meta.dirname;

/**
 * Records as many keys as go, or so many a second: each is complete, and then released.
 * @param perSecond 0: as many as go
 */
async function record(files: FileSystem, perSecond: number, seconds: number): Promise<Sample> {
  const folder = mkdtempSync(join(onDisk, ".bench-ledger-"));
  const ledger = await LedgerFile.open(files, join(folder, "ledger"), silentLog);
  const waits: number[] = [];
  let durable = 0;
  let number = 0;
  const one = () => {
    const ref = { epoch, number: number++ };
    const begun = performance.now();
    ledger.append({ kind: "complete", ref });
    ledger.whenDurable(() => {
      durable++;
      waits.push(performance.now() - begun);
      ledger.append({ kind: "released", ref });
    });
  };
  const before = process.cpuUsage();
  const begun = performance.now();
  const end = begun + seconds * 1_000;
  try {
    while (performance.now() < end) {
      const due =
        perSecond === 0 ? 256 : ((performance.now() - begun) * perSecond) / 1_000 - number;
      // As a KM's window bounds what can be under way.
      const room = 4_096 - (number - durable);
      for (let i = 0; i < Math.min(due, room); i++) one();
      await new Promise((resolve) =>
        perSecond === 0 ? setImmediate(resolve) : setTimeout(resolve, 1),
      );
    }
    const took = (performance.now() - begun) / 1_000;
    const { user, system } = process.cpuUsage(before);
    const sorted = waits.sort((a, b) => a - b);
    return {
      value: durable / took,
      cores: (user + system) / took / 1e6,
      notes: { "p50 ms": percentile(sorted, 0.5), "p99 ms": percentile(sorted, 0.99) },
    };
  } finally {
    await ledger.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const ledgerBenchmarks: readonly Benchmark[] = [
  {
    name: "ledger",
    about: "keys recorded as delivered and released, as many as go; baseline: without syncs",
    unit: "keys/s",
    each: "key",
    reach: { least: 50_000 },
    subject: (seconds) => record(diskFiles, 0, seconds),
    baseline: (seconds) => record(unsynced, 0, seconds),
  },
  {
    name: "ledger 442/s",
    about: "the same at 442 keys a second, the best published rate in keys of 32 KiB",
    unit: "keys/s",
    each: "key",
    reach: { ratio: 0.9 },
    subject: (seconds) => record(diskFiles, 442, seconds),
    baseline: (seconds) => record(unsynced, 442, seconds),
  },
];
