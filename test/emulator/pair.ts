/** A pair of modules, Alice and Bob, each behind a serial port of its own, fed by one source. */
import { join } from "node:path";
import { type Clock, every, type Timer } from "../../src/port/clock.ts";
import type { ModuleRole } from "../../src/port/module.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import { EmulatedModule } from "./module.ts";
import { EmulatedPort } from "./port.ts";
import type { BlockSource, DistilledBlock } from "./source/source.ts";

export interface PairOptions {
  /** Where `alice.tty` and `bob.tty` appear. */
  readonly folder: string;
  /** Bits per second; 0 for no limit. */
  readonly baud: number;
  readonly source: BlockSource;
  /** ms between blocks. */
  readonly blockIntervalMs: number;
  readonly clock: Clock;
  /** Blocks that each module can hold; distilling waits when one is full. Default 4,096. */
  readonly maxBlocks?: number;
}

export interface PairEnd {
  readonly module: EmulatedModule;
  readonly port: EmulatedPort;
}

const moduleIds = { alice: "QKD-A-0001", bob: "QKD-B-0001" } as const;

export class EmulatedPair {
  readonly alice: PairEnd;
  readonly bob: PairEnd;
  readonly #options: PairOptions;
  #timer: Timer | undefined;
  #waiting: DistilledBlock | undefined;
  #exhausted = false;
  #distilled = 0;
  #bits = 0;
  #lastQber: number | undefined;
  #lastRate: { secret: number; sifted: number } | undefined;
  #lastAt: number;

  /** Plugs both modules in and begins to distil. */
  constructor(options: PairOptions) {
    this.#options = options;
    this.#lastAt = options.clock.now();
    this.alice = this.#end("alice");
    this.bob = this.#end("bob");
    this.alice.port.plug();
    this.bob.port.plug();
    this.#timer = every(options.clock, Math.max(1, options.blockIntervalMs), () => this.#distil());
    this.#distil();
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
    for (const end of [this.alice, this.bob]) {
      end.port.unplug();
      end.module.close();
    }
    this.#waiting?.alice.fill(0);
    this.#waiting?.bob.fill(0);
  }

  #end(role: ModuleRole): PairEnd {
    const { folder, baud, clock, maxBlocks } = this.#options;
    const port = new EmulatedPort(join(folder, `${role}.tty`), baud, clock, {
      bytes: (chunk) => module.push(chunk),
      drained: () => module.pump(),
    });
    const module: EmulatedModule = new EmulatedModule({
      identity: {
        moduleId: moduleIds[role],
        matchingModuleId: moduleIds[role === "alice" ? "bob" : "alice"],
        role,
        vendor: "emulated",
        model: role === "alice" ? "transmitter" : "receiver",
        serial: role === "alice" ? "EMU-0001-A" : "EMU-0001-B",
        firmware: "1.0.0",
      },
      line: {
        transmit: (bytes) => port.send(bytes),
        backlog: () => port.backlog,
        lowWater: port.lowWater,
      },
      clock,
      telemetry: () => this.#telemetry(module),
      ...(maxBlocks !== undefined && { maxBlocks }),
    });
    return { module, port };
  }

  #distil(): void {
    if (this.#exhausted || !this.alice.module.running || !this.bob.module.running) return;
    this.#waiting ??= this.#options.source.next();
    const block = this.#waiting;
    if (block === undefined) {
      this.#exhausted = true;
      this.#timer?.cancel();
      return;
    }
    // A full module does not distil: neither end may have a block that the other has not.
    if (this.alice.module.fill >= 1 || this.bob.module.fill >= 1) return;
    this.#waiting = undefined;
    this.#measured(block);
    this.alice.module.distill(block.facts, block.alice);
    this.bob.module.distill(block.facts, block.bob);
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

  #telemetry(module: EmulatedModule): TelemetrySample {
    const { clock } = this.#options;
    // A slow, reproducible drift: a detector that is being cooled, a case that follows the room.
    const phase = clock.now() / 60_000;
    return {
      at: clock.wall(),
      values: {
        ...(this.#lastQber !== undefined && { qber: this.#lastQber }),
        ...(this.#lastRate !== undefined && {
          secret_key_rate: this.#lastRate.secret,
          sifted_rate: this.#lastRate.sifted,
        }),
        key_buffer_fill: module.fill,
        key_buffer_bits: module.heldBits,
        module_temperature: 31 + 0.5 * Math.sin(phase),
        ...(module.identity.role === "bob" && {
          detector_temperature: -50 + 0.1 * Math.sin(phase * 3),
        }),
      },
    };
  }
}
