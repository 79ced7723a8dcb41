/** One end of an emulated link: a module, the line with its faults, and what it is attached by. */
import { join } from "node:path";
import type { Clock } from "../../src/base/clock.ts";
import type { BlockFacts } from "../../src/port/key.ts";
import type { ModuleRole } from "../../src/port/module.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import { random } from "../random.ts";
import { FaultyLine } from "./faults/line.ts";
import { EmulatedModule } from "./module.ts";
import { EmulatedPcie } from "./pcie.ts";
import { EmulatedPort } from "./port.ts";
import { EmulatedSocket } from "./socket.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

export type TransportKind = "serial" | "pcie" | "socket";

export interface EndOptions {
  readonly role: ModuleRole;
  /** Where its devices appear. */
  readonly folder: string;
  readonly transport: TransportKind;
  /** Bits per second of a serial port; 0 for no limit. */
  readonly baud: number;
  readonly clock: Clock;
  readonly seed: number;
  readonly maxBlocks: number | undefined;
  readonly moduleIds?: PairNames | undefined;
  readonly telemetry: (end: PairEnd) => TelemetrySample;
}

/** Names of both modules, and of their devices. */
export interface PairNames {
  readonly alice: string;
  readonly bob: string;
}

const moduleIds: PairNames = { alice: "QKD-A-0001", bob: "QKD-B-0001" };

/** The module's own clock: its wall time may be wrong. */
class SkewedClock implements Clock {
  /** Added to the wall time, ms. */
  skew = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wall(): number {
    return this.shown(this.#clock.wall());
  }

  /** What this clock shows at a moment of the right one. The module counts in whole ms from 1970. */
  shown(wall: number): number {
    return Math.max(0, Math.round(wall + this.skew));
  }

  after(ms: number, fn: () => void) {
    return this.#clock.after(ms, fn);
  }
}

export class PairEnd {
  readonly module: EmulatedModule;
  readonly port: Transport;
  readonly line: FaultyLine;
  /** Blocks that this end will not get, though the other does: the two are out of step. */
  skip = 0;
  readonly #clock: SkewedClock;

  constructor(options: EndOptions) {
    const { role, clock, maxBlocks, telemetry, moduleIds: ids = moduleIds } = options;
    this.#clock = new SkewedClock(clock);
    this.port = attach(options, {
      bytes: (chunk) => this.line.receive(chunk),
      drained: () => this.module.pump(),
    });
    const ends = {
      send: (bytes: Buffer) => this.port.send(bytes),
      backlog: () => this.port.backlog,
      deliver: (chunk: Buffer) => this.module.push(chunk),
    };
    this.line = new FaultyLine(ends, clock, random(options.seed));
    this.module = new EmulatedModule({
      identity: {
        moduleId: ids[role],
        matchingModuleId: ids[role === "alice" ? "bob" : "alice"],
        role,
        vendor: "emulated",
        model: role === "alice" ? "transmitter" : "receiver",
        serial: role === "alice" ? "EMU-0001-A" : "EMU-0001-B",
        firmware: "1.0.0",
      },
      line: {
        transmit: (bytes) => this.line.transmit(bytes),
        backlog: () => this.line.backlog,
        lowWater: this.port.lowWater,
      },
      clock: this.#clock,
      telemetry: () => telemetry(this),
      ...(maxBlocks !== undefined && { maxBlocks }),
    });
  }

  /** Stores a block; when it was made is told by this module's own clock. */
  distill(facts: BlockFacts, bytes: Buffer): boolean {
    const { generatedAt } = facts;
    if (generatedAt === undefined) return this.module.distill(facts, bytes);
    return this.module.distill({ ...facts, generatedAt: this.#clock.shown(generatedAt) }, bytes);
  }

  /** Wall time of the module, ms. */
  wall(): number {
    return this.#clock.wall();
  }

  /** Sets the module's clock that many ms forward or back. */
  skewClock(ms: number): void {
    this.#clock.skew += ms;
  }

  plug(): void {
    this.port.plug();
  }

  unplug(): void {
    this.line.clear();
    this.port.unplug();
  }

  /** As after a power cycle of the module: the session is forgotten, in the middle of whatever it was. */
  reset(): void {
    this.line.clear();
    this.module.reset();
    if (this.port instanceof EmulatedPcie) this.port.reset();
  }

  /** Another module answers from now on. */
  rename(moduleId: string): void {
    this.module.identity = { ...this.module.identity, moduleId };
    this.reset();
  }
}

function attach(
  { role, folder, transport, baud, clock }: EndOptions,
  handlers: TransportHandlers,
): Transport {
  if (transport === "pcie") {
    return new EmulatedPcie(join(folder, role), moduleIds[role], clock, handlers);
  }
  if (transport === "socket") return new EmulatedSocket(join(folder, `${role}.sock`), handlers);
  return new EmulatedPort(join(folder, `${role}.tty`), baud, clock, handlers);
}
