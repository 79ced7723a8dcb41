/**
 * One module's way to its KM: the module's session on one side, the KM's on the other, custody in
 * between, each side kept connected by itself. Shows the manager how it goes.
 */
import { type KeptBack, objections } from "../custody/aside.ts";
import { Custody } from "../custody/custody.ts";
import type { CustodyEvent } from "../custody/events.ts";
import type { Ledger } from "../custody/ports.ts";
import type { KeyAccess } from "../kq1/https-server.ts";
import type { LocalModule, ModuleLinks } from "../local/view.ts";
import type { ModuleDescription, ModuleState, NodeEvent } from "../manager/view.ts";
import type { Clock } from "../port/clock.ts";
import { describe, Fault } from "../port/errors.ts";
import type { Log } from "../port/log.ts";
import type { ModuleCommand, ModuleDriver, ModuleIdentity, ModuleSession } from "../port/module.ts";
import type { TelemetrySample } from "../port/telemetry.ts";
import { TelemetryWindow } from "../telemetry/window.ts";
import type { Halt } from "./halt.ts";
import { type Kept, keep } from "./keep.ts";
import { KmChannel, type KmOptions, type KmView } from "./km-channel.ts";
import { mend } from "./mend.ts";
import type { Progress, TaskBegin } from "./progress.ts";
import { backoff } from "./retry.ts";
import { ledgerWaits, moduleWaits } from "./waits.ts";

export interface ChannelOptions {
  readonly name: string;
  /** The module that must answer; undefined: any. */
  readonly moduleId: string | undefined;
  readonly matchingModuleId: string | undefined;
  readonly qberLimit: number;
  readonly keyBits: number | undefined;
  readonly onRequest: boolean;
  readonly maxHeldBlocks: number;
  readonly maxHeldBytes: number;
  /** In the order in which they are tried. */
  readonly kms: readonly KmOptions[];
}

export interface ChannelParts {
  readonly driver: ModuleDriver;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly progress?: Progress;
  /** What stops supply for the whole node; default: nothing ever. */
  readonly halt?: Halt;
  readonly onEvent: (event: NodeEvent) => void;
  readonly onState: (name: string) => void;
  readonly onTelemetry?: (name: string, sample: TelemetrySample) => void;
  /** The link to the module, or to the KM of this name, is up, or down for the reason given. */
  readonly onLink?: (name: string, km: string | undefined, down: Error | undefined) => void;
}

/** A figure that did not come for this long is stale, ms. */
const staleAfterMs = 10_000;
const settledAfterMs = 5_000;
/** A key that could be supplied and is not for this long: something is wrong in here, ms. */
const stuckAfterMs = 30_000;
/** Events of blocks that come by the thousand where a link is bad; counters and alarms tell as well. */
const routine: readonly string[] = ["block_empty", "key_withheld", "block_replayed"];

export class Channel implements LocalModule {
  readonly name: string;
  readonly #options: ChannelOptions;
  readonly #parts: ChannelParts;
  readonly #custody: Custody;
  readonly #telemetry = new TelemetryWindow(staleAfterMs);
  #identity: ModuleIdentity | undefined;
  #matchingId = "";
  #moduleUp = false;
  #session: ModuleSession | undefined;
  #moduleTrouble = "not connected yet";
  #since: number;
  #ledgerTrouble: string | undefined;
  readonly #stopMending: () => void;
  #module: Kept | undefined;
  readonly #task: TaskBegin | undefined;
  readonly #kms: readonly KmChannel[];

  constructor(options: ChannelOptions, parts: ChannelParts) {
    this.name = options.name;
    this.#options = options;
    this.#parts = parts;
    this.#since = parts.clock.wall();
    const { clock, log, random, ledger, halt } = parts;
    const kms = options.kms.map(({ name }) => name);
    this.#custody = new Custody(
      { ...options, kms },
      {
        ledger,
        clock,
        log: log.child("custody"),
        backoff: () => backoff({ firstMs: 200, maxMs: 10_000, random }),
        onEvent: (event) => this.#event(event),
        halted: () => halt?.on === true,
      },
    );
    this.#task = parts.progress?.beginner(clock);
    parts.progress?.watch({
      name: `${options.name}: supply`,
      ready: () => this.#custody.couldSupply,
      steps: () => this.#custody.counters().supplied + this.#custody.counters().repeats,
      limitMs: stuckAfterMs,
    });
    const task = this.#task;
    halt?.watch((on) => {
      if (on) this.#custody.halt();
      // A ledger that can't be written goes on by itself, when it can.
      else if (ledger.failure === undefined) this.#custody.resume();
      this.#changed();
    });
    this.#kms = options.kms.map((km) => {
      const onChange = (down: Error | undefined) => {
        this.#changed();
        parts.onLink?.(this.name, km.name, down);
      };
      return new KmChannel(km, { custody: this.#custody, clock, log, random, task, onChange });
    });
    this.#stopMending = mend({
      ledger,
      schedule: () => backoff({ ...ledgerWaits, random }),
      clock,
      onFailed: (fault) => this.#ledgerChanged("ledger_failed", describe(fault)),
      onMended: () => {
        this.#custody.resume();
        this.#ledgerChanged("ledger_mended", undefined);
      },
    });
  }

  start(): void {
    const { clock, log, random } = this.#parts;
    this.#module = keep({
      name: `module ${this.name}`,
      connect: (signal) => this.#connectModule(signal),
      onDown: (error) => this.#moduleDown(error),
      schedule: () => backoff({ ...moduleWaits, random }),
      settledAfterMs,
      clock,
      log,
      task: this.#task,
    });
  }

  /**
   * Stops in order: no more keys from custody, answers of the KM awaited, releases told to the
   * module. The caller bounds the time.
   */
  async stop(): Promise<void> {
    this.#stopMending();
    await this.#custody.stop();
    await new Promise<void>((resolve) => {
      if (this.#parts.ledger.failure !== undefined) resolve();
      else this.#parts.ledger.whenDurable(resolve);
    });
    await this.#module?.stop();
    await Promise.all(this.#kms.map((km) => km.stop()));
    this.#custody.wipe();
  }

  /** Lets go of everything at once; for when `stop` takes too long. */
  abandon(): void {
    this.#custody.wipe();
  }

  /** The certificates for a KM are others than before. */
  renewed(km: string): void {
    for (const one of this.#kms) if (one.options.name === km) void one.renewed();
  }

  /** Upon request over HTTPS it is the KMs that connect, when they want keys. */
  get #awaitsKms(): boolean {
    const { onRequest, kms } = this.#options;
    return onRequest && kms.every(({ https }) => https !== undefined);
  }

  /** Commands the module. @throws Fault `module.command` */
  async command(command: ModuleCommand): Promise<void> {
    if (this.#session === undefined) {
      // What the node keeps for the module need not wait for it.
      if (command.name === "zeroize") await this.#parts.driver.destroy?.();
      throw new Fault("module.command", `${command.name}: module is not connected`);
    }
    return this.#session.command(command);
  }

  /** Wipes the key that is in the node's memory. */
  forget(): void {
    this.#custody.forget();
  }

  describe(): ModuleDescription {
    const { driver } = this.#parts;
    const known = this.#identity;
    return {
      name: this.name,
      driver: driver.kind,
      where: driver.where,
      km: this.#options.kms.map(({ name }) => name).join(", "),
      ...(known !== undefined && {
        module_id: known.moduleId,
        matching_module_id: this.#matchingId,
        role: known.role,
        vendor: known.vendor,
        model: known.model,
        serial: known.serial,
        firmware: known.firmware,
      }),
    };
  }

  state(): ModuleState {
    const reasons = [
      ...(this.#moduleUp ? [] : [`module: ${this.#moduleTrouble}`]),
      ...this.#kms
        .filter((km) => !km.up && !this.#awaitsKms)
        .map((km) => `${this.#kms.length > 1 ? `KM ${km.options.name}` : "KM"}: ${km.trouble}`),
      ...(this.#ledgerTrouble === undefined ? [] : [`ledger: ${this.#ledgerTrouble}`]),
      ...(this.#parts.halt?.on ? [`supply stopped: ${this.#parts.halt.why}`] : []),
    ];
    return {
      module: this.#moduleUp ? "OPERATING" : "DOWN",
      link: this.#moduleUp ? "ACTIVE" : "OFF",
      km: this.#kms.some((km) => km.up) || (this.#awaitsKms && this.#moduleUp) ? "UP" : "DOWN",
      reason: reasons.join("; "),
      since: this.#since,
    };
  }

  telemetry() {
    return this.#telemetry.take(this.#parts.clock.now());
  }

  glance() {
    return this.#telemetry.peek(this.#parts.clock.now());
  }

  supply() {
    return { ...this.#custody.counters() };
  }

  /** What is kept back from the KM, so much of it at most. */
  kept(): readonly KeptBack[] {
    return this.#custody.aside.list(1_000);
  }

  /**
   * An operator's decision about a key or block.
   * @param name a key_ID, or a block as `EPOCH/NUMBER` @throws Fault `module.command`
   */
  decide(what: "reinstate" | "discard" | "withhold", name: string): void {
    const objection = this.#custody.aside[what](name);
    if (objection !== undefined) throw new Fault("module.command", objections[objection]);
  }

  /** Keys that wait for this KM may go to another. @throws Fault `module.command`, `kq1.connect` */
  freeKm(km: string): void {
    if (this.#custody.releaseKm(km)) return;
    throw new Fault("module.command", "the KM is connected: it can answer for itself", { km });
  }

  /** How its links are. */
  links(): ModuleLinks {
    const session = this.#session;
    return {
      up: session !== undefined,
      reason: session === undefined ? this.#moduleTrouble : "",
      ...(session !== undefined && {
        protocol: session.identity.protocol,
        quality: session.quality(),
      }),
      kms: this.kms().map(({ name, condition, trouble }) => ({
        name,
        up: condition === "UP",
        awaited: condition === "AWAITED",
        reason: trouble,
      })),
    };
  }

  /** Its KMs, in the order in which they are tried. */
  kms(): readonly KmView[] {
    return this.#kms.map((km) => ({
      name: km.options.name,
      condition: this.#awaitsKms ? "AWAITED" : km.up ? "UP" : "DOWN",
      trouble: km.up || this.#awaitsKms ? "" : km.trouble,
    }));
  }

  /** Where keys of this module are asked for; undefined in proactive mode, or before it answered. */
  access(): KeyAccess | undefined {
    const { desk } = this.#custody;
    const moduleId = this.#identity?.moduleId;
    if (desk === undefined || moduleId === undefined) return undefined;
    const kmNames = this.#options.kms.map(({ serverName }) => serverName);
    return { desk, moduleId, matchingModuleId: this.#matchingId, kmNames };
  }

  async #connectModule(signal: AbortSignal): Promise<ModuleSession> {
    const { driver, clock, log } = this.#parts;
    const custody = this.#custody;
    const session = await driver.connect(
      {
        block: (block) => custody.block(block),
        damaged: (facts, why) => custody.damaged(facts, why),
        released: (refs) => custody.released(refs),
        telemetry: (sample) => {
          this.#telemetry.add(sample, clock.now());
          this.#parts.onTelemetry?.(this.name, sample);
        },
        event: (event) => {
          log.warn("module event", { code: event.code, severity: event.severity });
          this.#emit("module_event", { ...event });
        },
      },
      signal,
    );
    try {
      this.#matchingId = this.#check(session.identity);
    } catch (error) {
      await session.close();
      throw error;
    }
    this.#identity = session.identity;
    const { moduleId, role, vendor, model, serial, firmware } = session.identity;
    log.info("module up", { module_id: moduleId, role, vendor, model, serial, firmware });
    this.#moduleUp = true;
    this.#session = session;
    this.#changed();
    this.#parts.onLink?.(this.name, undefined, undefined);
    custody.moduleUp(session, this.#matchingId);
    if (!this.#awaitsKms) {
      for (const km of this.#kms) km.start(session.identity.moduleId, this.#matchingId);
    }
    return session;
  }

  /** @returns the matching module's ID. @throws Fault `module.identity` */
  #check(identity: ModuleIdentity): string {
    const source = this.#parts.driver.where;
    const expected = this.#options.moduleId ?? this.#identity?.moduleId;
    if (expected !== undefined && identity.moduleId !== expected) {
      throw new Fault("module.identity", "another module answers", {
        source,
        expected,
        found: identity.moduleId,
      });
    }
    const matching = this.#options.matchingModuleId;
    const told = identity.matchingModuleId;
    if (matching !== undefined && told !== "" && told !== matching) {
      throw new Fault("module.identity", "module is paired with another matching module", {
        source,
        expected: matching,
        found: told,
      });
    }
    const id = matching ?? told;
    if (id === "") {
      throw new Fault(
        "module.identity",
        "module does not tell its matching module: set matching_module_id",
        { source },
      );
    }
    return id;
  }

  #moduleDown(error: Error): void {
    this.#custody.moduleDown();
    this.#moduleUp = false;
    this.#session = undefined;
    this.#moduleTrouble = describe(error);
    this.#changed();
    this.#parts.onLink?.(this.name, undefined, error);
  }

  #ledgerChanged(type: string, trouble: string | undefined): void {
    this.#ledgerTrouble = trouble;
    this.#emit(type, trouble === undefined ? {} : { reason: trouble });
    this.#changed();
  }

  #changed(): void {
    this.#since = this.#parts.clock.wall();
    this.#parts.onState(this.name);
  }

  #event(event: CustodyEvent): void {
    this.#parts.log.info(event.type, event.facts);
    this.#emit(event.type, event.facts, routine.includes(event.type));
  }

  #emit(type: string, facts: NodeEvent["facts"], routine = false): void {
    const at = this.#parts.clock.wall();
    this.#parts.onEvent({ type, module: this.name, at, facts, routine });
  }
}
