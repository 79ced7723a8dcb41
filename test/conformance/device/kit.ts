/** What the cases of the suite for modules have in common: sessions, blocks, and waits. */
import type { ModuleDriver } from "../../../src/port/module.ts";
import { pause, type Seen, Visit } from "./visit.ts";

/** Credit that never runs out. */
export const plenty = { blocks: 1_000, bytes: 1_000_000_000 };

export interface DeviceOptions {
  readonly driver: () => ModuleDriver;
  /** A block must come within this time, ms. */
  readonly waitMs: number;
  /** Nothing more comes if nothing came for so long, ms; default 1,500. */
  readonly silenceMs?: number;
  /** Whether a block may be destroyed; and all key in the module. */
  readonly discard: boolean;
  readonly zeroize: boolean;
}

export class Kit {
  readonly options: DeviceOptions;
  readonly note: (text: string) => void;
  readonly #visits: Visit[] = [];

  constructor(options: DeviceOptions, note: (text: string) => void) {
    this.options = options;
    this.note = note;
  }

  get silence(): number {
    return this.options.silenceMs ?? 1_500;
  }

  async open(): Promise<Visit> {
    const visit = await Visit.open(this.options.driver());
    this.#visits.push(visit);
    return visit;
  }

  /** A new session, and the first blocks that it offers. */
  async first(count: number): Promise<{ visit: Visit; blocks: Seen[] }> {
    const visit = await this.open();
    visit.session.grant(plenty.blocks, plenty.bytes);
    await this.blocks(visit, count);
    return { visit, blocks: visit.blocks.slice(0, count) };
  }

  /** Waits while nothing more may come: for {@link silence}, or until it came all the same. */
  async quiet(came: () => boolean): Promise<void> {
    const end = performance.now() + this.silence;
    while (!came() && performance.now() < end) await pause(10);
  }

  blocks(visit: Visit, count: number): Promise<void> {
    const what = `${count} block${count === 1 ? "" : "s"}`;
    return visit.until(() => visit.blocks.length >= count, what, this.options.waitMs);
  }

  async release(visit: Visit, blocks: readonly Seen[]): Promise<void> {
    const before = visit.released.length;
    visit.session.release(blocks.map(({ ref }) => ref));
    const all = () => visit.released.length >= before + blocks.length;
    await visit.until(all, "the answer to a release", 10_000);
  }

  async end(): Promise<void> {
    await Promise.all(this.#visits.map((visit) => visit.close()));
    const damaged = this.#visits.flatMap((visit) => visit.damaged);
    if (damaged.length > 0) this.note(`${damaged.length} blocks came damaged`);
  }
}
