/**
 * The KM takes a key and drops the connection before its answer, again and again: nothing may be lost,
 * nothing may have two IDs, each key is stored once. Real sockets, the node's own custody and session.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Custody } from "../../src/custody/custody.ts";
import { LedgerFile } from "../../src/custody/ledger-file.ts";
import { connectKm } from "../../src/kq1/connect.ts";
import { Kq1Session } from "../../src/kq1/session.ts";
import { backoff } from "../../src/lifecycle/retry.ts";
import { systemClock } from "../../src/port/clock.ts";
import { silentLog } from "../../src/port/log.ts";
import { diskFiles } from "../../src/state/files.ts";
import { dropConnection, KeyManager } from "../emulator/km/index.ts";
import { Module } from "../rig/custody-bench.ts";

export interface DropsResult {
  readonly drops: number;
  readonly keys: number;
  /** Supplies of keys that the KM had already. */
  readonly repeats: number;
  /** Keys that the KM does not have in the end. Must be 0. */
  readonly lost: number;
  /** IDs with two contents, and contents with two IDs. Must be 0. */
  readonly conflicts: number;
  /** Blocks that the module still holds. Must be 0. */
  readonly held: number;
}

const never = new AbortController().signal;

export async function kmDrops(drops: number): Promise<DropsResult> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-drops-"));
  const ledger = await LedgerFile.open(diskFiles, join(folder, "ledger"), silentLog);
  const custody = new Custody(
    { qberLimit: 0.11, keyBits: undefined, maxHeldBlocks: 64, maxHeldBytes: 1_048_576 },
    {
      ledger,
      clock: systemClock,
      log: silentLog,
      backoff: () => backoff({ firstMs: 1, maxMs: 1, random: () => 0 }),
      onEvent: () => {},
    },
  );
  const module = new Module();
  const km = new KeyManager({ security: "plain" });
  const port = await km.listen();
  let stop = km.behave(dropConnection("before answering", drops));
  const endpoint = {
    host: "127.0.0.1",
    port,
    serverName: "km",
    tls: undefined,
    connectTimeoutMs: 5_000,
  };
  let keys = 0;
  const distil = () => {
    while (module.blocks.size < 8) {
      const content = createHash("sha256").update(`key ${keys}`).digest();
      module.add(keys++, 256, {}, content);
    }
    module.offer();
  };
  module.connect(custody);
  let dropped = 0;
  const live = async (until: () => boolean) => {
    const socket = await connectKm(endpoint, systemClock, never);
    const session = new Kq1Session(
      socket,
      {
        where: "km",
        moduleId: "QKD-A",
        matchingModuleId: "QKD-B",
        window: 4,
        answerTimeoutMs: 5_000,
        clock: systemClock,
        log: silentLog,
      },
      custody,
    );
    custody.kmUp(session);
    while (!until()) await new Promise((resolve) => setImmediate(resolve));
    const done = session.ended;
    void session.close();
    await done;
    custody.kmDown();
  };
  for (; dropped < drops; dropped++) {
    distil();
    const before = km.store.summary();
    const arrivals = before.keys + before.repeats;
    await live(() => {
      const now = km.store.summary();
      return now.keys + now.repeats > arrivals && km.counts.open === 0;
    });
    // Now and then a connection lives: else it would be the same few keys for ever.
    if (dropped % 4 === 3) {
      stop();
      await live(() => module.blocks.size === 0);
      stop = km.behave(dropConnection("before answering", drops));
    }
  }
  stop();
  await live(() => module.blocks.size === 0);
  const { keys: stored, repeats, conflicts } = km.store.summary();
  const contents = new Set(km.store.digest(Buffer.alloc(32)).values());
  await ledger.close();
  await km.close();
  rmSync(folder, { recursive: true });
  return {
    drops,
    keys,
    repeats,
    lost: keys - stored,
    conflicts: conflicts + stored - contents.size,
    held: module.blocks.size,
  };
}
