/**
 * A chassis controller as its firmware would be: contacts with latches that outlive power, a button, a
 * key switch, six lamps, and a watch over its host. It speaks whole reports over whatever it is
 * attached by.
 */
import {
  decode,
  encodeIdentity,
  encodeStatus,
  type Host,
  type Lamp,
  type Light,
  type Lights,
  lamps,
} from "../../../drivers/panel/report.ts";
import { type Clock, every, type Timer } from "../../../src/base/clock.ts";

export interface ControllerOptions {
  readonly clock: Clock;
  /** Sends a report to the host, if one is there. */
  readonly send: (report: Buffer) => void;
  /** The lamps changed. */
  readonly onLights?: (lights: Lights) => void;
  /** Contacts that there are, 1 to 8; default 4. */
  readonly contacts?: number;
  readonly serial?: string;
}

const statusMs = 250;
/** Without a host for this long it shows so by itself, ms. */
const hostLostMs = 2_000;

const dark = Object.fromEntries(
  lamps.map((lamp) => [lamp, { colour: "off", rhythm: "steady" }]),
) as Lights;
/** What it shows by itself when no host is heard. */
const alone: Lights = { ...dark, node: { colour: "red", rhythm: "slow" } };

export class EmulatedController {
  lights: Lights = dark;
  hostErrors = 0;
  /** The last good report of the host. */
  host: Host | undefined;
  /** It says nothing, and hears nothing. */
  silent = false;
  powerLow = false;
  memoryLost = false;
  selfTestFailed = false;
  readonly #options: ControllerOptions;
  readonly #fitted: number;
  readonly #timer: Timer;
  #sequence = 0;
  #boot = 1;
  #open = 0;
  #latched = 0;
  #button = false;
  #presses = 0;
  #maintenance = false;
  #hostAt = Number.NEGATIVE_INFINITY;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#fitted = (1 << (options.contacts ?? 4)) - 1;
    this.#timer = every(options.clock, statusMs, () => {
      if (!this.hosted) this.#show(alone);
      this.tell();
    });
  }

  get latched(): number {
    return this.#latched;
  }

  /** The host is there and is heard. */
  get hosted(): boolean {
    return this.#options.clock.now() - this.#hostAt < hostLostMs;
  }

  /** The lamp is in this colour and rhythm. A dark one has a rhythm too: ask for both. */
  shows(lamp: Lamp, colour: Light["colour"], rhythm: Light["rhythm"] = "steady"): boolean {
    const light = this.lights[lamp];
    return light.colour === colour && light.rhythm === rhythm;
  }

  close(): void {
    this.#timer.cancel();
  }

  /** Opens or closes a contact, numbered from 0. */
  contact(number: number, open: boolean): void {
    const bit = 1 << number;
    this.#open = open ? this.#open | bit : this.#open & ~bit;
    if (open) this.#latched |= bit;
    this.tell();
  }

  press(down: boolean): void {
    if (down && !this.#button) this.#presses = (this.#presses + 1) & 0xff;
    this.#button = down;
    this.tell();
  }

  key(maintenance: boolean): void {
    this.#maintenance = maintenance;
    this.tell();
  }

  /** Its firmware starts anew: what it latched it still knows. */
  restart(): void {
    this.#boot++;
    this.#sequence = 0;
    this.#button = false;
    this.tell();
  }

  /** Another controller is put in its place, which has seen nothing. */
  replace(): void {
    this.#latched = this.#open;
    this.restart();
  }

  /** Tells the host how it is. */
  tell(): void {
    if (this.silent) return;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#options.send(
      encodeStatus({
        sequence: this.#sequence,
        boot: this.#boot,
        button: this.#button,
        maintenance: this.#maintenance,
        fitted: this.#fitted,
        open: this.#open,
        latched: this.#latched,
        presses: this.#presses,
        powerLow: this.powerLow,
        memoryLost: this.memoryLost,
        selfTestFailed: this.selfTestFailed,
        echo: this.host?.sequence ?? 0,
        hostErrors: this.hostErrors,
      }),
    );
  }

  /** Sends bytes that are none of its own making. */
  sendRaw(report: Buffer): void {
    this.#options.send(report);
  }

  /** A report of the host. */
  receive(report: Buffer): void {
    if (this.silent) return;
    let host: ReturnType<typeof decode>;
    try {
      host = decode(report);
    } catch {
      this.hostErrors = (this.hostErrors + 1) & 0xffff;
      return;
    }
    if (host?.kind !== "host") return;
    this.host = host;
    this.#hostAt = this.#options.clock.now();
    if (host.identify) {
      const { serial = "EMU-PANEL-1" } = this.#options;
      this.#options.send(encodeIdentity({ firmware: "1.0.0", serial }));
    }
    const cleared = this.#latched & host.clear & ~this.#open;
    this.#latched &= ~cleared;
    const remembered = host.clearMemoryLost && this.memoryLost;
    if (remembered) this.memoryLost = false;
    if (cleared !== 0 || remembered) this.tell();
    this.#show(host.lights);
  }

  #show(lights: Lights): void {
    if (JSON.stringify(lights) === JSON.stringify(this.lights)) return;
    this.lights = lights;
    this.#options.onLights?.(lights);
  }
}
