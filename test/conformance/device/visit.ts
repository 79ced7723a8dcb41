/** A session with a module of which nothing is known but what it says. */
import { createHmac, randomBytes } from "node:crypto";
import { describe, Fault } from "../../../src/base/errors.ts";
import { type BlockRef, blockName } from "../../../src/port/key.ts";
import type { ModuleDriver, ModuleEvent, ModuleSession } from "../../../src/port/module.ts";
import type { TelemetrySample } from "../../../src/port/telemetry.ts";
import { Broken } from "../run.ts";

/** Blocks are compared by a digest under a secret of this run: no key stays here. */
const secret = randomBytes(32);

export interface Seen {
  readonly ref: BlockRef;
  readonly name: string;
  readonly bits: number;
  readonly bytes: number;
  readonly digest: string;
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export class Visit {
  readonly blocks: Seen[] = [];
  readonly damaged: string[] = [];
  readonly released: string[] = [];
  readonly samples: TelemetrySample[] = [];
  readonly events: ModuleEvent[] = [];
  /** Called with each block as it comes. */
  onBlock: (block: Seen) => void = () => {};
  session!: ModuleSession;
  ended: string | undefined;

  /** @throws Broken if nothing answers, or not what it should */
  static async open(driver: ModuleDriver, limitMs = 15_000): Promise<Visit> {
    const visit = new Visit();
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), limitMs);
    try {
      visit.session = await driver.connect(
        {
          block(block) {
            const { ref, bits, byteLength: bytes } = block;
            const digest = createHmac("sha256", secret).update(block.expose()).digest("hex");
            block.wipe();
            const seen = { ref, name: blockName(ref), bits, bytes, digest };
            visit.blocks.push(seen);
            visit.onBlock(seen);
          },
          damaged: ({ ref }) => visit.damaged.push(blockName(ref)),
          released: (refs) => visit.released.push(...refs.map(blockName)),
          telemetry: (sample) => visit.samples.push(sample),
          absent: () => {},
          event: (event) => visit.events.push(event),
        },
        stop.signal,
      );
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw new Broken(`no session: ${describe(error)}`);
    } finally {
      clearTimeout(timer);
    }
    void visit.session.ended.then((error) => {
      visit.ended = error === undefined ? "closed" : describe(error);
    });
    return visit;
  }

  /** @throws Broken if the session ends before, or it does not come in time */
  async until(condition: () => boolean, what: string, limitMs: number): Promise<void> {
    const end = performance.now() + limitMs;
    while (!condition()) {
      if (this.ended !== undefined) throw new Broken(`${what}: the session ended: ${this.ended}`);
      if (performance.now() > end) throw new Broken(`${what}: not within ${limitMs / 1_000} s`);
      await pause(5);
    }
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
