/**
 * Stands before a module's driver. While the module is told to destroy its key, blocks that it had
 * already sent still arrive: the shutter is shut then, wipes them, and hands none of them on.
 */
import type { BlockRef, KeyBlock } from "../../port/key.ts";
import type { ModuleDriver, ModuleSession, ModuleSink } from "../../port/module.ts";

/** Blocks that are asked for again; a module can send damaged ones without end. */
const mostRefs = 4_096;

export class Shutter implements ModuleDriver {
  readonly #driver: ModuleDriver;
  #session: ModuleSession | undefined;
  /** How often it was shut and not opened. */
  #shut = 0;
  /** Credit that dropped blocks of this session have used. */
  #credit = { blocks: 0, bytes: 0 };
  /** What was dropped of this session. */
  #refs: BlockRef[] = [];

  constructor(driver: ModuleDriver) {
    this.#driver = driver;
  }

  get kind(): string {
    return this.#driver.kind;
  }

  get where(): string {
    return this.#driver.where;
  }

  inspect(): Readonly<Record<string, string>> {
    return this.#driver.inspect?.() ?? {};
  }

  async destroy(): Promise<void> {
    await this.#driver.destroy?.();
  }

  async connect(sink: ModuleSink, signal: AbortSignal): Promise<ModuleSession> {
    this.#begin(undefined);
    const session = await this.#driver.connect(
      {
        block: (block) => (this.#shut > 0 ? this.#drop(block) : sink.block(block)),
        damaged: (facts, why) => {
          if (this.#shut > 0) this.#again(facts.ref);
          else sink.damaged(facts, why);
        },
        released: (refs) => sink.released(refs),
        telemetry: (sample) => sink.telemetry(sample),
        event: (event) => sink.event(event),
        absent: (code) => sink.absent(code),
      },
      signal,
    );
    this.#begin(session);
    void session.ended.then(() => {
      if (this.#session === session) this.#begin(undefined);
    });
    return session;
  }

  shut(): void {
    this.#shut++;
    this.#driver.shut?.();
  }

  open(): void {
    this.#driver.open?.();
    if (--this.#shut > 0) return;
    const session = this.#session;
    const { blocks, bytes } = this.#credit;
    const refs = this.#refs;
    this.#begin(session);
    if (blocks > 0) session?.grant(blocks, bytes);
    // A module that refused has them all; one that did it has those that it got since.
    if (refs.length > 0) session?.read(refs);
  }

  #begin(session: ModuleSession | undefined): void {
    this.#session = session;
    this.#credit = { blocks: 0, bytes: 0 };
    this.#refs = [];
  }

  #drop(block: KeyBlock): void {
    this.#credit.blocks++;
    this.#credit.bytes += block.byteLength;
    this.#again(block.ref);
    block.wipe();
  }

  #again(ref: BlockRef): void {
    if (this.#refs.length < mostRefs) this.#refs.push(ref);
  }
}
