/**
 * A lightweight node: alarms, outbox, manager interface and state as in the daemon, over a module
 * that is physics and no hardware. No KM, no keys.
 */

import { join } from "node:path";
import * as v from "valibot";
import { type Clock, every, type Timer } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import { diskFiles } from "../../src/host/disk/files.ts";
import { verdictKinds } from "../../src/node/alarms/verdict.ts";
import { parseConfig } from "../../src/node/config/load.ts";
import { openState } from "../../src/node/state/state.ts";
import { StateStore } from "../../src/node/state/store.ts";
import { TelemetryWindow } from "../../src/node/telemetry/window.ts";
import { Monitoring, type WatchedModule } from "../../src/node/wiring/monitoring.ts";
import type { DriverKind } from "../../src/port/driver-kind.ts";
import type { FigureName, FigureValue } from "../../src/port/telemetry.ts";
import { presets } from "../../test/emulator/physics/bb84.ts";
import { PhysicalLink } from "../../test/emulator/physics/link.ts";
import { random } from "../../test/random.ts";

export interface NodeOptions {
  readonly url: string;
  readonly protocol: 4 | 5;
  readonly base: string;
  readonly telemetrySeconds: number;
  /** More of `[manager]`: user, files. */
  readonly access: Readonly<Record<string, string>>;
}

export const moduleName = "alice";

/** A configuration needs a driver; this one is never asked for one. */
const simulated: DriverKind<object> = {
  kind: "simulated",
  options: v.strictObject({}),
  create() {
    throw new Error("a simulated module has no driver");
  },
};

function configuration(id: string, folder: string, options: NodeOptions): string {
  const { url, protocol, base, telemetrySeconds, access } = options;
  const q = JSON.stringify;
  const more = Object.entries(access).map(([key, value]) => `${key} = ${q(value)}\n`);
  return `[node]
id = ${q(id)}
state_dir = ${q(folder)}

[manager]
url = ${q(url)}
protocol = ${protocol}
base = ${q(base)}
telemetry_interval_s = ${telemetrySeconds}
${more.join("")}
[km.main]
host = "127.0.0.1"
port = 9443
transport = "plain"

[[module]]
name = ${q(moduleName)}
km = "main"
driver.kind = "simulated"
`;
}

/** A receiver at the end of a fibre. */
class SimulatedModule implements WatchedModule {
  readonly name = moduleName;
  readonly link: PhysicalLink;
  readonly #window = new TelemetryWindow(10_000);
  readonly #since: number;
  #supplied = 0;
  #bits = 0;

  constructor(seed: number, since: number) {
    this.link = new PhysicalLink(presets.gys, { km: 20 }, seed);
    this.#since = since;
  }

  /** A second goes by. @returns what the module reports */
  second(now: number): Readonly<Partial<Record<FigureName, FigureValue>>> {
    const { bits } = this.link.advance(1);
    this.#supplied++;
    this.#bits += bits;
    const values = { ...this.link.telemetry(true), key_buffer_fill: 0.01, key_buffer_bits: bits };
    this.#window.add({ values }, now);
    return values;
  }

  describe() {
    return {
      name: this.name,
      driver: "simulated",
      where: "nowhere",
      km: "main",
      module_id: "QKD-B-0001",
      matching_module_id: "QKD-A-0001",
      role: "bob",
      vendor: "simulated",
      model: "receiver",
      serial: "0001",
      firmware: "1.0.0",
    } as const;
  }

  state() {
    const since = this.#since;
    return { module: "OPERATING", link: "ACTIVE", km: "UP", reason: "", since } as const;
  }

  health() {
    return { ...verdictKinds.good, code: "good", text: "Keys flow", since: this.#since } as const;
  }

  conditions() {
    return {
      module: "OPERATING",
      moduleTrouble: "",
      kms: [{ name: "main", condition: "UP", trouble: "" }],
      halted: undefined,
      ledgerTrouble: undefined,
      onRequest: false,
      heldBlocks: 0,
      keptBack: {},
    } as const;
  }

  keptCounts() {
    return {};
  }

  takeTelemetryWindow() {
    return this.#window.take(performance.now());
  }

  peekTelemetryWindow() {
    return this.#window.peek(performance.now());
  }

  supply() {
    const supplied = this.#supplied;
    return {
      supplied,
      confirmed: supplied,
      repeats: 0,
      refused: {},
      withheld: 0,
      quarantined: 0,
      empty_blocks: 0,
      bits: this.#bits,
      released_blocks: supplied,
      in_flight: 0,
      held_blocks: 0,
    };
  }

  async command(): Promise<void> {}
}

export class FleetNode {
  readonly id: string;
  readonly #monitoring: Monitoring;
  readonly #module: SimulatedModule;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #raised = 0;
  readonly #open: string[] = [];

  private constructor(id: string, monitoring: Monitoring, module: SimulatedModule, clock: Clock) {
    this.id = id;
    this.#monitoring = monitoring;
    this.#module = module;
    this.#clock = clock;
  }

  /** Opens its state; it does not connect yet. */
  static async open(
    id: string,
    seed: number,
    folder: string,
    options: NodeOptions,
    { clock, log }: { clock: Clock; log: Log },
  ): Promise<FleetNode> {
    const own = join(folder, id);
    const config = parseConfig(configuration(id, own, options), `${own}.toml`, [simulated]);
    const state = new StateStore(await openState(diskFiles, own));
    // The process is not this node's alone: what it uses is no alarm of a node.
    const health = { take: () => [], stop: () => {} };
    const parts = { files: diskFiles, state, clock, random: random(seed), log, health };
    const monitoring = await Monitoring.open(config, parts);
    return new FleetNode(id, monitoring, new SimulatedModule(seed, clock.wall()), clock);
  }

  start(): void {
    const { watch } = this.#monitoring;
    this.#monitoring.start([this.#module], new Map());
    watch.link(moduleName, undefined, undefined);
    watch.link(moduleName, "main", undefined);
    this.#timer = every(this.#clock, 1_000, () => {
      watch.telemetry(moduleName, { values: this.#module.second(this.#clock.now()) });
    });
  }

  /** The module tells of a fault; each time of another, so that none counts as flapping. */
  raise(): void {
    const code = `fault_${++this.#raised}`;
    this.#open.push(code);
    this.#tell(code, "major");
  }

  /** The oldest fault is over. */
  clear(): void {
    const code = this.#open.shift();
    if (code !== undefined) this.#tell(code, "cleared");
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#monitoring.stop();
  }

  #tell(code: string, severity: string): void {
    const at = this.#clock.wall();
    const facts = { code, severity, text: "simulated" };
    this.#monitoring.event({ type: "module_event", module: moduleName, at, facts });
  }
}
