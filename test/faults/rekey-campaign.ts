/**
 * A key manager's store gets another master key, and power fails at any file operation of it: of what wraps or
 * holds the master key, and of the store. After each the next start opens the store by itself.
 */

import { ms } from "../../src/base/duration.ts";
import { openEngine } from "../../src/km/io/engine/open.ts";
import { nextMasterKey, openMasterKey } from "../../src/km/io/master-key-source.ts";
import { ManualClock } from "../clock.ts";
import { random } from "../random.ts";
import { allIn, putKeys } from "../rig/stored-keys.ts";
import { tokenConfig as config, TokenOfTest } from "../rig/token-of-test.ts";
import { Disk, PowerCut, systemError } from "./disk.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import type { CampaignResult } from "./points.ts";

const lives = 3;

interface World {
  readonly token: TokenOfTest;
  readonly clock: ManualClock;
  readonly ledger: MemoryLedger;
  readonly bytes: Buffer;
}

/** Starts, finds the key that was put, rekeys, stops. @returns what is wrong */
async function live(disk: Disk, world: World): Promise<string | undefined> {
  const { token, clock, ledger, bytes } = world;
  ledger.disk = disk;
  const machine = { files: disk, ask: token.ask };
  const found = await openMasterKey(config, clock, machine);
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const { store, loaded, damage } = await openEngine({
    folder: "/km/store",
    masterKey: found.key,
    limitBytes: 1e9,
    wipeAfter: ms(10_000),
    cycleMs: 0,
    clock,
    random: (length) => token.bytes(length),
    files: disk,
    ledger: () => ledger,
    reserveBytes: 2_048,
    onFailure: (fault) => failed.reject(fault),
  });
  const all = async () => {
    await found.settle();
    const [key] = allIn(loaded.buffered);
    if (damage.segments.length + damage.groups > 0) return "damage is told";
    if (key === undefined) {
      const put = { id: Buffer.alloc(16, 1), bits: bytes.length * 8, bytes };
      await new Promise<unknown>((done) => putKeys(store, "m", [put], done));
    } else if (!(await new Promise((done) => store.equals(key.handle, bytes, done)))) {
      return "the key has other bytes";
    }
    if (store.resealingBytes === undefined) {
      const next = await nextMasterKey(config, clock, machine);
      await store.rekey(next.key);
      await next.settle();
    }
    for (let i = 0; i < 20 && store.resealingBytes !== undefined; i++) {
      await clock.advance(20_000);
      await new Promise<void>((done) => store.commit({}, done));
    }
    await store.close();
    return store.resealingBytes === undefined ? undefined : "it never ends";
  };
  try {
    return await Promise.race([failed.promise, all()]);
  } catch (error) {
    await store.close().catch(() => {});
    throw error;
  }
}

async function tell(disk: Disk, seed: number): Promise<{ broken: string[]; operations: number }> {
  const draw = random(seed);
  const token = new TokenOfTest();
  disk.put("/km/master-key.hsm", Buffer.from(JSON.stringify(token.wrap(token.bytes(32)))));
  const world = {
    token,
    clock: new ManualClock(),
    ledger: new MemoryLedger(disk, draw),
    bytes: token.bytes(500),
  };
  let current = disk;
  let wasThere = false;
  const broken: string[] = [];
  for (let done = 0, tries = 0; done < lives; tries++) {
    const before = current.troubles;
    try {
      const wrong = await live(current, world);
      if (wrong !== undefined) broken.push(wrong);
      wasThere = true;
      done++;
    } catch (error) {
      const isTrouble = current.troubles > before;
      if (!isTrouble) broken.push(`start ${tries}: ${(error as Error).stack}`);
    }
    if (broken.length > 0 || tries > 20) break;
    if (current.dead) current = current.afterPowerCut(draw);
  }
  const left = [...current.files("/km").keys()].filter((name) => name.endsWith(".next"));
  if (broken.length === 0 && wasThere && left.length > 0) broken.push(`left: ${left}`);
  return { broken, operations: current.operations };
}

/** Power fails at each operation, or at it a disk fails for a while and forgets. @param every one of so many */
export async function rekeyTroubles(
  seeds: readonly number[],
  every: number,
): Promise<CampaignResult> {
  const { operations } = await tell(new Disk(), 1);
  const broken: string[] = [];
  let points = 0;
  for (const seed of seeds) {
    for (const kind of ["cut", "EIO", "ENOSPC", "forgets"] as const) {
      for (let at = 1 + (seed % every); at <= operations; at += every) {
        points++;
        const disk = new Disk();
        const cut = kind === "cut" ? at : at + 3 + ((at * 7 + seed) % 40);
        if (kind === "forgets") disk.forgets = random(seed * 100_003 + at);
        disk.trouble = (operation) => {
          if (operation === cut && kind !== "EIO" && kind !== "ENOSPC") return new PowerCut();
          if (operation !== at) return undefined;
          return systemError(kind === "ENOSPC" ? "ENOSPC" : "EIO");
        };
        const told = await tell(disk, seed * 1_009 + at);
        broken.push(...told.broken.map((what) => `seed ${seed}, ${kind} at ${at}: ${what}`));
      }
    }
  }
  return { points, broken };
}
