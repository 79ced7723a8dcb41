/** A pair of modules, Alice and Bob, each attached by itself, fed by one source. */
import { type Clock, every, type Timer } from "../../src/base/clock.ts";
import type { ModuleRole } from "../../src/port/module.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import { PairEnd, type PairNames, type TransportKind } from "./end.ts";
import type { PhysicalLink } from "./physics/link.ts";
import type { BlockSource, DistilledBlock } from "./source/source.ts";

export interface PairOptions {
  /** Where the devices appear: `alice.tty`, `bob.tty` and so on. */
  readonly folder: string;
  /** How the modules are attached; default serial. */
  readonly transport?: TransportKind;
  /** Bits per second of serial ports; 0 for no limit. */
  readonly baud: number;
  readonly source: BlockSource;
  /** The physics behind the source, if it has any: telemetry follows from it. */
  readonly link?: PhysicalLink;
  /** ms between blocks. */
  readonly blockIntervalMs: number;
  readonly clock: Clock;
  /** Blocks that each module can hold; distilling waits when one is full. Default 4,096. */
  readonly maxBlocks?: number;
  /** Default: `QKD-A-0001` and `QKD-B-0001`. */
  readonly moduleIds?: PairNames | undefined;
  /** Of the noise on the lines; default 1. */
  readonly seed?: number;
  /** Called once both modules are plugged in, before the first block is asked of the source. */
  readonly prepare?: (pair: EmulatedPair) => void;
}

export class EmulatedPair {
  readonly alice: PairEnd;
  readonly bob: PairEnd;
  /** Whether a full module throws blocks away, at both ends, instead of waiting. */
  overflows = false;
  /** Blocks that were thrown away. */
  overflowed = 0;
  readonly #options: PairOptions;
  #timer: Timer | undefined;
  #waiting: DistilledBlock | undefined;
  #exhausted = false;
  #distilled = 0;
  #bits = 0;
  #lastQber: number | undefined;
  #lastRate: { secret: number; sifted: number } | undefined;
  #lastAt: number;
  /** When the next block may be finished, with the key rate that a node asked for. */
  #allowedAt = 0;

  /** Plugs both modules in and begins to distil. @throws what `prepare` throws, with all undone */
  constructor(options: PairOptions) {
    this.#options = options;
    this.#lastAt = options.clock.now();
    this.alice = this.#end("alice");
    this.bob = this.#end("bob");
    for (const end of this.ends) end.plug();
    try {
      options.prepare?.(this);
    } catch (error) {
      this.close();
      throw error;
    }
    this.#timer = every(options.clock, Math.max(1, options.blockIntervalMs), () => this.#distil());
    this.#distil();
  }

  get ends(): readonly [PairEnd, PairEnd] {
    return [this.alice, this.bob];
  }

  get link(): PhysicalLink | undefined {
    return this.#options.link;
  }

  /** No more blocks will come. */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  get distilledBlocks(): number {
    return this.#distilled;
  }

  get distilledBits(): number {
    return this.#bits;
  }

  /** Unplugs both, wipes all key, leaves no file behind. Any number of times. */
  close(): void {
    this.#timer?.cancel();
    for (const end of this.ends) {
      end.unplug();
      end.module.close();
    }
    this.#waiting?.alice.fill(0);
    this.#waiting?.bob.fill(0);
  }

  #end(role: ModuleRole): PairEnd {
    const { folder, transport = "serial", baud, clock, maxBlocks, seed = 1 } = this.#options;
    const { moduleIds } = this.#options;
    return new PairEnd({
      role,
      folder,
      transport,
      baud,
      clock,
      maxBlocks,
      moduleIds,
      seed: seed * 2 + (role === "alice" ? 0 : 1),
      telemetry: (end) => this.#telemetry(end),
    });
  }

  #distil(): void {
    const { clock, source, blockIntervalMs } = this.#options;
    const modules = this.ends.map(({ module }) => module);
    if (this.#exhausted || !modules.every(({ running }) => running)) return;
    // The amount of key follows the lower of the two requests (Kq-1 §7.1).
    const targets = modules.map(({ targetKeyRate }) => targetKeyRate).filter((rate) => rate > 0);
    const now = clock.now();
    if (targets.length > 0 && now < this.#allowedAt) return;
    this.#waiting ??= source.next();
    const block = this.#waiting;
    if (block === undefined) {
      this.#exhausted = true;
      this.#timer?.cancel();
      return;
    }
    const full = modules.some(({ fill }) => fill >= 1);
    // A full module does not distil: neither end may have a block that the other has not.
    if (full && !this.overflows) return;
    this.#waiting = undefined;
    this.#allowedAt =
      targets.length === 0
        ? 0
        : Math.max(now - blockIntervalMs, this.#allowedAt) +
          (block.facts.bits * 1_000) / Math.min(...targets);
    if (full) this.#overflow(block);
    else this.#store(block);
  }

  #store(block: DistilledBlock): void {
    this.#measured(block);
    for (const [end, bytes] of [
      [this.alice, block.alice],
      [this.bob, block.bob],
    ] as const) {
      if (end.skip > 0) end.skip--;
      else end.distill(block.facts, bytes);
    }
  }

  #overflow(block: DistilledBlock): void {
    block.alice.fill(0);
    block.bob.fill(0);
    this.overflowed++;
    for (const { module } of this.ends) {
      module.event({
        code: "key_buffer_overflow",
        severity: "major",
        text: "a block was not stored",
      });
    }
  }

  #measured({ facts }: DistilledBlock): void {
    const now = this.#options.clock.now();
    const seconds = Math.max(0.001, (now - this.#lastAt) / 1_000);
    this.#lastAt = now;
    this.#lastQber = facts.qber;
    this.#lastRate = { secret: facts.bits / seconds, sifted: (facts.siftedBits ?? 0) / seconds };
    this.#distilled++;
    this.#bits += facts.bits;
  }

  #telemetry(end: PairEnd): TelemetrySample {
    const { module } = end;
    const receiver = module.identity.role === "bob";
    const buffer = { key_buffer_fill: module.fill, key_buffer_bits: module.heldBits };
    const { source } = this.#options;
    // While a recording is played back, telemetry is not that of the physics that come after it.
    const link = "link" in source ? source.link : this.#options.link;
    if (link !== undefined)
      return { at: end.wall(), values: { ...link.telemetry(receiver), ...buffer } };
    // A slow, reproducible drift: a detector that is being cooled, a case that follows the room.
    const phase = this.#options.clock.now() / 60_000;
    return {
      at: end.wall(),
      values: {
        ...(this.#lastQber !== undefined && { qber: this.#lastQber }),
        ...(this.#lastRate !== undefined && {
          secret_key_rate: this.#lastRate.secret,
          sifted_rate: this.#lastRate.sifted,
        }),
        ...buffer,
        module_temperature: 31 + 0.5 * Math.sin(phase),
        ...(receiver && { detector_temperature: -50 + 0.1 * Math.sin(phase * 3) }),
      },
    };
  }
}
