/** Connects to a specimen's module and keeps what the session tells, for the suite to look at. */
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type BlockFacts, type BlockRef, blockName, type KeyBlock } from "../../src/port/key.ts";
import type { ModuleDriver, ModuleEvent, ModuleSession } from "../../src/port/module.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import type { Specimen } from "./specimen.ts";

const never = new AbortController().signal;

export class Observer {
  readonly blocks: KeyBlock[] = [];
  readonly damaged: BlockFacts[] = [];
  readonly released: BlockRef[] = [];
  readonly samples: TelemetrySample[] = [];
  readonly events: ModuleEvent[] = [];
  onBlock: (block: KeyBlock) => void = () => {};
  readonly #specimen: Specimen;
  #driver: ModuleDriver | undefined;
  readonly #sessions: ModuleSession[] = [];
  /** Timers of the clock keep no process alive; a session that has only them would end the test. */
  readonly #alive = setInterval(() => {}, 60_000);

  constructor(specimen: Specimen) {
    this.#specimen = specimen;
  }

  async connect(signal = never): Promise<ModuleSession> {
    this.#driver ??= this.#specimen.driver({ clock: systemClock, log: silentLog });
    const session = await this.#driver.connect(
      {
        block: (block) => {
          this.blocks.push(block);
          this.onBlock(block);
        },
        damaged: (facts) => this.damaged.push(facts),
        released: (refs) => this.released.push(...refs),
        telemetry: (sample) => this.samples.push(sample),
        absent: () => {},
        event: (event) => this.events.push(event),
      },
      signal,
    );
    this.#sessions.push(session);
    return session;
  }

  /** The next connection is made by a new driver, as after a restart of the node. */
  restarted(): void {
    this.#driver = undefined;
  }

  /** Names of the blocks that came, in their order. */
  names(): string[] {
    return this.blocks.map((block) => blockName(block.ref));
  }

  /** Forgets the blocks that came so far. */
  forget(): void {
    for (const block of this.blocks.splice(0)) block.wipe();
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.close()));
    this.forget();
    clearInterval(this.#alive);
  }
}
