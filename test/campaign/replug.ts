/**
 * A module on a real serial port, pulled out and put back in mid-frame again and again, with the
 * node's own rules for reconnecting, in passed-in time.
 */

import { readdirSync } from "node:fs";
import { silentLog } from "../../src/base/log.ts";
import { backoff } from "../../src/base/retry.ts";
import { reconnecting } from "../../src/host/life/reconnecting.ts";
import { moduleWaits } from "../../src/host/life/waits.ts";
import { blockName } from "../../src/port/key.ts";
import type { ModuleSession } from "../../src/port/module.ts";
import { ManualClock } from "../clock.ts";
import { eventually } from "../eventually.ts";
import { random } from "../random.ts";
import { content, QmlpBench } from "../rig/qmlp-bench.ts";

export interface ReplugResult {
  readonly cycles: number;
  /** Longest passed-in time from the return of the device to an open session, ms. */
  readonly slowest: number;
  /** Blocks distilled, and of these: never taken, taken with other bytes. */
  readonly blocks: number;
  readonly lost: number;
  readonly wrong: number;
  /** Blocks offered after the module had confirmed their release. Must be 0. */
  readonly doubled: number;
  /** Descriptors open at the end more than after the first cycles. */
  readonly leaked: number;
}

const blockLength = 30_000;
const descriptors = () => readdirSync("/proc/self/fd").length;

export async function replug(cycles: number, seed: number): Promise<ReplugResult> {
  const draw = random(seed);
  const clock = new ManualClock();
  const bench = new QmlpBench(clock, 0);
  const taken = new Set<string>();
  const released = new Set<string>();
  let wrong = 0;
  let doubled = 0;
  let session: ModuleSession | undefined;
  let connecting = false;
  const look = () => {
    for (const ref of bench.released.splice(0)) released.add(blockName(ref));
    for (const block of bench.blocks.splice(0)) {
      const name = blockName(block.ref);
      if (released.has(name)) doubled++;
      if (content(block.ref.number, blockLength).equals(block.expose())) taken.add(name);
      else wrong++;
      session?.grant(1, block.byteLength);
      session?.release([block.ref]);
      block.wipe();
    }
  };
  const kept = reconnecting({
    name: "module",
    async connect(signal) {
      connecting = true;
      const one = await bench.connect(signal).finally(() => {
        connecting = false;
      });
      one.grant(4, 1_048_576 + 4 * blockLength);
      session = one;
      return one;
    },
    onDown: () => {
      session = undefined;
    },
    schedule: () => backoff({ ...moduleWaits, random: draw }),
    settledAfterMs: 5_000,
    clock,
    log: silentLog,
  });
  /** Lets time pass until it is so; the device works in real time meanwhile. @returns passed-in ms */
  const until = async (condition: () => boolean): Promise<number> => {
    const begun = clock.now();
    await eventually(
      "the next step",
      async () => {
        // While nobody speaks only waiting times pass; else the device must not be the slower one.
        if (!condition()) await clock.advance(session === undefined && !connecting ? 20 : 0.2);
        await new Promise((resolve) => setTimeout(resolve, 0));
        look();
        return condition();
      },
      { pauseMs: 0 },
    );
    return clock.now() - begun;
  };
  const end = async () => {
    const stopping = kept.stop();
    await clock.advance(2_000);
    await stopping;
    await bench.close();
  };
  let slowest = 0;
  let distilled = 0;
  let before = 0;
  try {
    await until(() => session !== undefined);
    for (let cycle = 0; cycle < cycles; cycle++) {
      while (bench.module.heldBlocks < 3) bench.distil(distilled++, blockLength);
      // In the middle of a frame, somewhere in the next blocks.
      const stop = (session?.quality().bytesReceived ?? 0) + Math.floor(draw() * 2 * blockLength);
      await until(() => session === undefined || session.quality().bytesReceived >= stop);
      bench.port.unplug();
      await until(() => session === undefined);
      bench.port.plug();
      slowest = Math.max(slowest, await until(() => session !== undefined));
      if (cycle === Math.min(10, cycles >> 1)) before = descriptors();
      bench.sessions.length = 0;
    }
    await until(() => bench.module.heldBlocks === 0);
    const leaked = descriptors() - before;
    return {
      cycles,
      slowest,
      blocks: distilled,
      lost: distilled - taken.size,
      wrong,
      doubled,
      leaked,
    };
  } finally {
    await end();
  }
}
