/**
 * Controller, relay and guard in one process and in passed-in time, on a disk that can fail: what the
 * panel process and the node do, without processes and sockets between them.
 */
import { type Controller, openController } from "../../drivers/panel/controller.ts";
import type { PanelDeviceFactory } from "../../drivers/panel/device.ts";
import { Relay } from "../../drivers/panel/relay.ts";
import { every, type Timer } from "../../src/base/clock.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import type { NodeEvent } from "../../src/node/model/manager.ts";
import { Halt } from "../../src/node/module/halt.ts";
import { type GuardOptions, PanelGuard } from "../../src/node/panel/guard.ts";
import type { ZeroizedModule } from "../../src/node/panel/zeroizer.ts";
import { openState } from "../../src/node/state/state.ts";
import { StateStore } from "../../src/node/state/store.ts";
import type { ModuleCommand } from "../../src/port/module.ts";
import {
  beatMs,
  decodeNode,
  decodePanel,
  encodeLine,
  type PanelMessage,
} from "../../src/port/panel.ts";
import { ManualClock } from "../clock.ts";
import { EmulatedController } from "../emulator/panel/controller.ts";
import { Disk } from "../faults/disk.ts";
import { random } from "../random.ts";

/** A module that does what a test says. */
export class BenchModule implements ZeroizedModule {
  readonly name: string;
  /** Commands that it was given. */
  readonly told: string[] = [];
  forgotten = 0;
  connected = true;
  /** It was zeroized, and says so instead of connecting. */
  zeroized = false;
  /** How often it was shut and not opened. */
  shuts = 0;
  /** What it says to a command; default: done. */
  answer: () => Promise<void> = async () => {};

  constructor(name: string) {
    this.name = name;
  }

  async command(command: ModuleCommand): Promise<void> {
    if (this.zeroized) return;
    if (!this.connected) throw new Fault("module.command", "not connected");
    this.told.push(command.name);
    await this.answer();
  }

  forget(): void {
    this.forgotten++;
  }

  shut(): void {
    this.shuts++;
  }

  open(): void {
    this.shuts--;
  }
}

const through = (message: Parameters<typeof encodeLine>[0]) => encodeLine(message).subarray(0, -1);

export class PanelBench {
  readonly clock = new ManualClock();
  readonly controller: EmulatedController;
  readonly modules: readonly BenchModule[];
  readonly events: NodeEvent[] = [];
  /** `tamper`, `panel_lost`, `zeroized.NAME`, as they are raised now. */
  readonly alarms = new Map<string, string>();
  /** What the panel process told the node. */
  readonly told: PanelMessage[] = [];
  readonly relay: Relay;
  disk = new Disk();
  store!: StateStore;
  halt!: Halt;
  guard!: PanelGuard;
  /** The socket between panel process and node. */
  connected = true;
  options: GuardOptions | undefined;
  #session: Controller | undefined;
  #host: ((report: Buffer) => void) | undefined;
  #unplug: ((error: Error | undefined) => void) | undefined;
  #requests = 0;
  #beat: Timer | undefined;
  #nodeBeat: Timer | undefined;

  private constructor(options: GuardOptions | undefined, modules: readonly string[]) {
    this.options = options;
    this.modules = modules.map((name) => new BenchModule(name));
    this.controller = new EmulatedController({
      clock: this.clock,
      send: (report) => this.#host?.(report),
    });
    this.relay = new Relay({
      clock: this.clock,
      log: silentLog,
      newId: () => `request-${++this.#requests}`,
      tell: (message) => this.#tell(message),
      show: () => this.#session?.show(),
    });
    this.#beat = every(this.clock, beatMs, () => this.relay.beat());
  }

  static async open(
    options: Partial<GuardOptions> | undefined = {},
    modules: readonly string[] = ["alice", "spare"],
  ): Promise<PanelBench> {
    const whole = { expected: true, onTamper: "zeroize", onLost: "supply", ...options } as const;
    const bench = new PanelBench(whole, modules);
    await bench.boot();
    await bench.plug();
    return bench;
  }

  /** The node starts on what the disk has. */
  async boot(): Promise<void> {
    this.store = new StateStore(await openState(this.disk, "/state"));
    this.halt = new Halt();
    this.alarms.clear();
    this.guard = new PanelGuard(this.options, {
      state: this.store,
      halt: this.halt,
      alarms: {
        tampered: (detail) => this.alarms.set("tamper", detail),
        tamperCleared: () => this.alarms.delete("tamper"),
        panelLost: (detail) => {
          if (detail === undefined) this.alarms.delete("panel_lost");
          else this.alarms.set("panel_lost", detail);
        },
        zeroized: (module, detail) => this.alarms.set(`zeroized.${module}`, detail),
      },
      clock: this.clock,
      random: () => 0,
      log: silentLog,
      onEvent: (event) => this.events.push(event),
      onChange: () => this.#answer(),
      health: () => "ok",
      supplying: () => true,
    });
    this.guard.start(this.modules);
    this.#nodeBeat = every(this.clock, beatMs, () => this.#answer());
  }

  /** The power fails; the node starts again on what the disk has then. @param seed of what is torn */
  async powerCut(seed: number): Promise<void> {
    const before = this.disk;
    before.failFrom(0);
    this.#nodeBeat?.cancel();
    await this.guard.stop();
    this.disk = before.afterPowerCut(random(seed));
    this.relay.node(undefined);
    await this.boot();
    this.#tell(this.relay.message());
  }

  /** The controller's cable is plugged in. */
  async plug(): Promise<void> {
    const factory: PanelDeviceFactory = {
      where: "bench",
      open: async (onReport) => {
        const ended = Promise.withResolvers<Error | undefined>();
        this.#host = onReport;
        this.#unplug = ended.resolve;
        return {
          ended: ended.promise,
          send: (report) => this.controller.receive(report),
          close: async () => {
            this.#host = undefined;
            ended.resolve(undefined);
          },
        };
      },
    };
    const session = await openController(factory, {
      clock: this.clock,
      log: silentLog,
      sink: this.relay,
      wish: () => this.relay.wish(),
    });
    this.#session = session;
    void session.ended.then((error) => {
      this.#session = undefined;
      this.relay.controllerLost(describe(error));
    });
    this.controller.tell();
  }

  unplug(): void {
    this.#host = undefined;
    this.#unplug?.(new Fault("link.closed", "unplugged"));
  }

  /** The panel process loses the node, or finds it again. */
  link(connected: boolean): void {
    this.connected = connected;
    if (connected) {
      this.#answer();
      this.#tell(this.relay.message());
    } else {
      this.relay.node(undefined);
      this.guard.gone("disconnected");
    }
  }

  async close(): Promise<void> {
    this.#beat?.cancel();
    this.#nodeBeat?.cancel();
    this.controller.close();
    this.relay.stop();
    await this.#session?.close();
    await this.guard.stop();
  }

  #tell(message: PanelMessage): void {
    this.told.push(message);
    if (this.connected) this.guard.heard(decodePanel(through(message)));
  }

  #answer(): void {
    if (this.connected) this.relay.node(decodeNode(through(this.guard.message())));
  }
}

export async function withPanel(
  body: (bench: PanelBench) => Promise<void>,
  options?: Partial<GuardOptions>,
): Promise<void> {
  const bench = await PanelBench.open(options);
  try {
    await body(bench);
  } finally {
    await bench.close();
  }
}
