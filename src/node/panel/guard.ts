/**
 * What the node makes of its chassis panel: tampering stops supply at once, is remembered on disk until
 * an operator clears it, and by policy destroys the modules' key; the zeroize button does that too; a
 * panel that is not heard is an alarm.
 *
 * In memory first, then the modules, then the disk: until the disk has it, the controller's own latch
 * and its repeated reports do.
 */

import { type Clock, delay, type Timer } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { backoff } from "../../base/retry.ts";
import type { NodeMessage, PanelMessage } from "../../port/panel.ts";
import type { NodeEvent, PanelStatus, PanelView } from "../model/manager.ts";
import type { Halt } from "../module/halt.ts";
import type { PanelState } from "../state/state.ts";
import type { StateStore } from "../state/store.ts";
import { type ZeroizedModule, Zeroizer } from "./zeroizer.ts";

export interface GuardOptions {
  /** A panel that is not heard is an alarm, and supply waits for its first word. */
  readonly expected: boolean;
  readonly onTamper: "stop" | "zeroize";
  /** What to do about supply while the panel is not heard. */
  readonly onLost: "supply" | "stop";
}

/** The alarms that come of it. */
export interface GuardAlarms {
  tampered(detail: string): void;
  tamperCleared(by: string): void;
  /** @param detail undefined: it is heard again */
  panelLost(detail: string | undefined): void;
  zeroized(module: string, detail: string): void;
}

export interface GuardParts {
  readonly state: StateStore;
  readonly halt: Halt;
  readonly alarms: GuardAlarms;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly onEvent: (event: NodeEvent) => void;
  /** Something changed that panel or manager show. */
  readonly onChange: () => void;
  /** How the node is, for the lights. */
  readonly health: () => NodeMessage["health"];
  /** Whether keys are being supplied, as far as this object has no say in it. */
  readonly supplying: () => boolean;
}

/** A panel that is expected says its first word within this time of the node's start, ms. */
export const firstWordMs = 10_000;
/** The controller clears its latches within this time, ms. */
const clearMs = 5_000;
/** The key switch is told at most this often, ms. */
const keyMs = 1_000;
const diskWaits = { firstMs: 250, maxMs: 5_000 } as const;

type Tamper = NonNullable<PanelState["tamper"]>;

export class PanelGuard implements PanelView {
  readonly #options: GuardOptions | undefined;
  readonly #parts: GuardParts;
  readonly #zeroizer: Zeroizer;
  #tamper: Tamper | undefined;
  #owed: PanelState["zeroize"];
  /** Changes of what is above, and how many of them are on disk. */
  #changes = 0;
  #durable = 0;
  #saving: Promise<void> | undefined;
  #heard: PanelMessage | undefined;
  #lost: string | undefined = "not heard yet";
  #maintenance = false;
  #keyTimer: Timer | undefined;
  #firstWord: Timer | undefined;
  /** The last request that was followed. */
  #taken: string | undefined;
  /** Called with each report while the controller is to clear its latches. */
  #clearing: ((message: PanelMessage | undefined) => void) | undefined;
  readonly #stopping = new AbortController();

  /** @param options undefined where no panel is configured: what was latched holds all the same */
  constructor(options: GuardOptions | undefined, parts: GuardParts) {
    this.#options = options;
    this.#parts = parts;
    const { clock, random, log, alarms } = parts;
    this.#zeroizer = new Zeroizer({
      clock,
      random,
      log,
      onChange: (owed) => this.#owes(owed),
      onDone: (module, cause) => {
        log.warn("module zeroized", { module, cause });
        alarms.zeroized(module, `by ${cause}`);
        this.#event("module_zeroized", { cause }, module);
      },
    });
    const { tamper, zeroize } = parts.state.data.panel ?? {};
    this.#tamper = tamper;
    this.#owed = zeroize;
    if (tamper !== undefined) parts.halt.set("tamper", why(tamper));
    if (haltsSupply(zeroize)) parts.halt.set("zeroize", "modules are to be zeroized");
    if (options?.expected) parts.halt.set("panel", "waiting for the chassis panel");
  }

  /** From now on; what was latched before a restart holds since this object was made. */
  start(modules: readonly ZeroizedModule[]): void {
    const { alarms, clock, log } = this.#parts;
    if (this.#tamper !== undefined) {
      log.error("tampering is not cleared: no key is supplied", { detail: why(this.#tamper) });
      alarms.tampered(why(this.#tamper));
    }
    this.#zeroizer.start(modules, this.#owed);
    if (this.#options?.expected) {
      this.#firstWord = clock.after(firstWordMs, () => {
        this.#firstWord = undefined;
        this.#tellLost();
      });
    } else {
      alarms.panelLost(undefined);
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#firstWord?.cancel();
    this.#keyTimer?.cancel();
    this.#zeroizer.stop();
    await this.#saving;
  }

  /** The panel says how it is. */
  heard(message: PanelMessage): void {
    // First of all what must not wait.
    if (message.lost === undefined) this.#look(message);
    if (message.zeroize !== undefined && message.zeroize !== this.#taken) {
      this.#taken = message.zeroize;
      this.#zeroize("button");
    }
    this.#heard = message;
    if (message.lost === undefined) this.#present();
    else this.#absent(`controller: ${message.lost}`);
    this.#key(message.maintenance);
    this.#clearing?.(message);
  }

  /** The panel is not connected any more, or says nothing. */
  gone(reason: string): void {
    this.#heard = undefined;
    this.#absent(reason);
    // The key's position is not known any more.
    this.#key(false);
    this.#clearing?.(undefined);
  }

  /**
   * Has one module destroy its key, upon a command; a start finishes what a kill cut short.
   * @throws Fault `module.command`, `state.io`
   */
  zeroize(module: string): Promise<void> {
    return this.#zeroizer.carryOut(module);
  }

  /** The link to a module is up, or down for the reason given. */
  moduleLink(name: string, down: Error | undefined): void {
    this.#zeroizer.link(name, down);
  }

  /**
   * An operator has inspected the node: supply may go on. Gives up zeroizations that could not be
   * carried out.
   * @param by who, for the audit
   * @returns why not; undefined if it is cleared, on disk @throws Fault `state.io`
   */
  async clear(by: string): Promise<string | undefined> {
    const { halt, alarms, log, state } = this.#parts;
    if (this.#tamper === undefined && this.#owed === undefined) return "not_tampered";
    if (this.#clearing !== undefined) return "busy";
    const trouble = await this.#clearController();
    if (trouble !== undefined) return trouble;
    await this.#saving;
    const changes = this.#changes;
    try {
      await state.change((data) => {
        delete data.panel;
      });
    } catch (error) {
      void this.#save();
      throw error;
    }
    // It was opened again while the disk was busy, or a module is zeroized: that is on disk anew.
    if (this.#changes !== changes) return "busy";
    this.#tamper = undefined;
    this.#owed = undefined;
    this.#zeroizer.giveUp();
    log.warn("tampering cleared", { by });
    this.#event("node_tamper_cleared", { by });
    alarms.tamperCleared(by);
    halt.lift("tamper");
    this.#parts.onChange();
    return undefined;
  }

  status(): PanelStatus {
    const { halt } = this.#parts;
    const { serial, firmware } = this.#heard ?? {};
    return {
      panel: this.#lost === undefined ? "ok" : this.#options === undefined ? "none" : "lost",
      ...(this.#lost !== undefined && this.#options !== undefined && { reason: this.#lost }),
      tamper:
        this.#tamper === undefined ? "none" : this.#durable === this.#changes ? "latched" : "seen",
      ...(this.#tamper !== undefined && {
        contacts: this.#tamper.contacts,
        tampered_at: this.#tamper.at,
      }),
      // A panel that is not there says nothing of its key.
      maintenance: this.#lost === undefined && this.#maintenance,
      zeroize: this.#zeroizer.state,
      halted: halt.on,
      ...(halt.on && { halted_because: halt.why }),
      ...(serial !== undefined && { serial }),
      ...(firmware !== undefined && { firmware }),
    };
  }

  /** What the panel's lights are to show. */
  message(): NodeMessage {
    const { health, supplying, halt } = this.#parts;
    const { tamper, maintenance, zeroize } = this.status();
    return {
      v: 1,
      from: "node",
      health: health(),
      supply: !halt.on && supplying(),
      tamper,
      maintenance,
      zeroize,
      ...(this.#taken !== undefined && { taken: this.#taken }),
      clear: this.#clearing !== undefined,
    };
  }

  #look({ open, latched, blind }: PanelMessage): void {
    const contacts = [...new Set([...open, ...latched])].sort((a, b) => a - b);
    const known = this.#tamper;
    const news = contacts.some((contact) => !known?.contacts.includes(contact));
    if (!news && (!blind || known !== undefined)) return;
    const { halt, alarms, clock, log } = this.#parts;
    const all = [...new Set([...(known?.contacts ?? []), ...contacts])].sort((a, b) => a - b);
    this.#tamper = { at: known?.at ?? clock.wall(), contacts: all };
    const detail = why(this.#tamper);
    halt.set("tamper", detail);
    const policy = this.#options?.onTamper ?? "stop";
    if (known === undefined && policy === "zeroize") this.#zeroize("tamper");
    void this.#save();
    log.error("tampering: supply has stopped", { detail, policy });
    alarms.tampered(detail);
    this.#event("node_tamper", { detail, policy });
    this.#parts.onChange();
  }

  #zeroize(cause: string): void {
    this.#parts.halt.set("zeroize", "modules are being zeroized");
    this.#zeroizer.order(cause);
    this.#parts.log.error("all modules are told to destroy their key", { cause });
    this.#event("node_zeroize", { cause });
    this.#parts.onChange();
  }

  async #owes(owed: PanelState["zeroize"]): Promise<void> {
    const { halt, onChange } = this.#parts;
    const same = JSON.stringify(owed) === JSON.stringify(this.#owed);
    this.#owed = owed;
    const saved = same ? this.#saving : this.#save();
    if (!haltsSupply(owed)) halt.lift("zeroize");
    onChange();
    await saved;
  }

  #present(): void {
    if (this.#lost === undefined) return;
    this.#lost = undefined;
    this.#firstWord?.cancel();
    this.#firstWord = undefined;
    this.#parts.log.info("panel present");
    this.#parts.alarms.panelLost(undefined);
    this.#parts.halt.lift("panel");
    this.#parts.onChange();
  }

  #absent(reason: string): void {
    if (this.#lost === reason) return;
    this.#lost = reason;
    // At start a panel is given a while; its own process may be starting too.
    if (this.#firstWord === undefined) this.#tellLost();
  }

  #tellLost(): void {
    const { log, alarms, halt, onChange } = this.#parts;
    const reason = this.#lost ?? "";
    log.warn("panel lost", { reason });
    if (this.#options?.expected) {
      alarms.panelLost(reason);
      if (this.#options.onLost === "stop") halt.set("panel", "chassis panel lost");
      else halt.lift("panel");
    }
    onChange();
  }

  #key(on: boolean): void {
    if (on === this.#maintenance || this.#keyTimer !== undefined) return;
    this.#maintenance = on;
    this.#parts.log.info("key switch", { maintenance: on });
    this.#event("node_maintenance", { on });
    this.#parts.onChange();
    // A key that chatters is not to fill the outbox.
    this.#keyTimer = this.#parts.clock.after(keyMs, () => {
      this.#keyTimer = undefined;
      this.#key(this.#heard?.maintenance ?? false);
    });
  }

  /** @returns why not */
  async #clearController(): Promise<string | undefined> {
    const heard = this.#heard;
    if (heard === undefined || heard.lost !== undefined) {
      return this.#options?.expected ? "panel_lost" : undefined;
    }
    if (heard.open.length > 0) return "contact_open";
    if (heard.latched.length === 0 && !heard.blind) return undefined;
    return new Promise((resolve) => {
      const done = (trouble: string | undefined) => {
        timer.cancel();
        this.#clearing = undefined;
        this.#parts.onChange();
        resolve(trouble);
      };
      const timer = this.#parts.clock.after(clearMs, () => done("panel_silent"));
      this.#clearing = (message) => {
        if (message === undefined || message.lost !== undefined) done("panel_lost");
        else if (message.open.length > 0) done("contact_open");
        else if (message.latched.length === 0 && !message.blind) done(undefined);
      };
      this.#parts.onChange();
    });
  }

  /** Until it is on disk; what else changes meanwhile goes with it. */
  #save(): Promise<void> {
    this.#changes++;
    this.#saving ??= this.#write().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #write(): Promise<void> {
    const { state, clock, random, log, onChange } = this.#parts;
    const waits = backoff({ ...diskWaits, random });
    while (this.#durable !== this.#changes) {
      const changes = this.#changes;
      try {
        const [tamper, zeroize] = [this.#tamper, this.#owed];
        await state.change((data) => {
          if (tamper === undefined && zeroize === undefined) delete data.panel;
          else data.panel = { ...(tamper && { tamper }), ...(zeroize && { zeroize }) };
        });
        this.#durable = changes;
      } catch (error) {
        log.error("what the panel told is not on disk yet", { why: describe(error) });
        if (!(error instanceof Fault) || this.#stopping.signal.aborted) return;
        await delay(clock, waits.next().value, this.#stopping.signal);
      }
    }
    onChange();
  }

  #event(type: string, facts: NodeEvent["facts"], module?: string): void {
    const at = this.#parts.clock.wall();
    this.#parts.onEvent({ type, at, facts, ...(module !== undefined && { module }) });
  }
}

/** A command is about one module, which takes up nothing; button and tampering are about the node. */
function haltsSupply(owed: PanelState["zeroize"]): boolean {
  return owed?.modules.some((name) => owed.commanded?.includes(name) !== true) ?? false;
}

function why({ contacts }: Tamper): string {
  if (contacts.length === 0) return "the panel could not have noticed";
  return `chassis contact ${contacts.map((contact) => contact + 1).join(", ")} opened`;
}
