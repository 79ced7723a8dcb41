/**
 * One module's way to its KM: the module's session on one side, the KM's on the other, custody in
 * between, each side kept connected by itself. Shows the manager how it goes.
 */

import { describe, Fault } from "../../base/errors.ts";
import { backoff } from "../../base/retry.ts";
import type { TaskBegin } from "../../host/life/progress.ts";
import { Recent } from "../../host/life/recent.ts";
import { type Reconnecting, reconnecting } from "../../host/life/reconnecting.ts";
import { ledgerWaits, moduleWaits } from "../../host/life/waits.ts";
import type { ModuleCommand, ModuleIdentity, ModuleSession } from "../../port/module.ts";
import { type Conditions, starting, type Verdict } from "../alarms/verdict.ts";
import { Custody } from "../custody/custody.ts";
import type { KeptBack, KeptBackCounts } from "../custody/kept-back.ts";
import { Shutter } from "../custody/shutter.ts";
import type { KeyAccess } from "../io/https-server.ts";
import type { LocalModule, ModuleLinks } from "../model/local.ts";
import type { KmView, ModuleDescription, ModuleState } from "../model/manager.ts";
import { TelemetryWindow } from "../telemetry/window.ts";
import { ChannelEvents } from "./channel-events.ts";
import type { ChannelOptions, ChannelParts } from "./channel-options.ts";
import { moduleDescription, moduleLinks, moduleState } from "./channel-views.ts";
import { checkIdentity } from "./identity.ts";
import { KmChannel, keyExchanges } from "./km-channel.ts";
import { Operator } from "./operator.ts";
import { recoverLedger } from "./recover-ledger.ts";
import { zeroize } from "./zeroize.ts";

/** A figure that did not come for this long is stale, ms. */
const staleAfterMs = 10_000;
const settledAfterMs = 5_000;
/** The verdict's count of what is kept back is this old at most, ms. */
const keptForMs = 500;
/** A key that could be supplied and is not for this long: something is wrong in here, ms. */
const stuckAfterMs = 30_000;
export class Channel implements LocalModule {
  readonly name: string;
  readonly #options: ChannelOptions;
  readonly #parts: ChannelParts;
  readonly #driver: Shutter;
  readonly #custody: Custody;
  readonly #telemetry = new TelemetryWindow(staleAfterMs);
  /** All blocks on record are gone through for it. */
  readonly #keptBack: Recent<KeptBackCounts>;
  #identity: ModuleIdentity | undefined;
  #matchingId = "";
  #moduleUp = false;
  /** A block came whose keys are supplied, whatever the mode is now. */
  #supplies = false;
  #session: ModuleSession | undefined;
  #moduleTrouble = "not connected yet";
  /** The module refused the last session because it was zeroized. */
  #zeroized = false;
  /** When its state changed, by the wall clock and by the monotonic one. */
  #since: number;
  #changedAt: number;
  #ledgerTrouble: string | undefined;
  /** Why the module is not served any more. */
  #closed: Fault | undefined;
  readonly #events: ChannelEvents;
  /** What an operator decides. */
  readonly operator: Operator;
  readonly #stopMending: () => void;
  #module: Reconnecting | undefined;
  readonly #task: TaskBegin | undefined;
  readonly #kms: readonly KmChannel[];

  constructor(options: ChannelOptions, parts: ChannelParts) {
    this.name = options.name;
    this.#options = options;
    this.#parts = parts;
    this.#since = parts.clock.wall();
    this.#changedAt = parts.clock.now();
    this.#driver = new Shutter(parts.driver);
    const { clock, log, random, ledger, halt } = parts;
    const kms = options.kmNames ?? options.kms.map(({ name }) => name);
    const { onEvent, onSeen } = parts;
    this.#events = new ChannelEvents({ module: options.name, clock, log, onEvent, onSeen });
    this.#custody = new Custody(
      { ...options, kms },
      {
        ledger,
        clock,
        log: log.child("custody"),
        backoff: () => backoff({ firstMs: 200, maxMs: 10_000, random }),
        onEvent: (event) => this.#events.custody(event),
        halted: () => halt?.on === true,
        onOverload: (fault) => this.#close(fault),
        onSupply: () => this.#beginSupply(),
        ...(parts.nameOfKm && { nameOfKm: parts.nameOfKm }),
      },
    );
    this.operator = new Operator({
      custody: this.#custody,
      ledger,
      configured: options.moduleId,
      onAccepted: (moduleId) => this.#events.tell("module_accepted", { module_id: moduleId }),
    });
    this.#keptBack = new Recent(clock, keptForMs, () => this.keptCounts());
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
      const pairOf = (epoch: string) => parts.ledger.pairOf(epoch);
      const custody = this.#custody;
      return new KmChannel(km, { custody, pairOf, clock, log, random, task, onChange });
    });
    this.#stopMending = recoverLedger({
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
    this.#module = reconnecting({
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

  /** Checks a KM that is connected with the certificates of now. */
  recheck(km: string): void {
    for (const one of this.#kms) if (one.options.name === km) one.recheck();
  }

  /** Upon request over HTTPS it is the KMs that connect, when they want keys. */
  get #awaitsKms(): boolean {
    const { onRequest, kms } = this.#options;
    return onRequest && !this.#supplies && kms.every(({ https }) => https !== undefined);
  }

  /** Blocks that were cut in proactive mode are supplied, and would wait here for ever. */
  #beginSupply(): void {
    if (this.#supplies) return;
    this.#supplies = true;
    this.#startKms();
    this.#changed();
  }

  #startKms(): void {
    if (this.#awaitsKms || this.#identity === undefined) return;
    for (const km of this.#kms) km.start(this.#identity.moduleId, this.#matchingId);
  }

  /** Commands the module. @throws Fault `module.command`; `state.io` if a spool can't be emptied */
  async command(command: ModuleCommand): Promise<void> {
    const [session, zeroized] = [this.#session, this.#zeroized];
    if (command.name === "zeroize") {
      return zeroize({ driver: this.#driver, session, zeroized, forget: () => this.forget() });
    }
    if (session !== undefined) return session.command(command);
    throw new Fault("module.command", `${command.name}: module is not connected`);
  }

  /** Wipes the key that is in the node's memory. */
  forget(): void {
    this.#custody.forget();
  }

  /** Takes up none of the module's key until `open` is called as often; wipes what it has. */
  shut(): void {
    this.#driver.shut();
    this.forget();
  }

  open(): void {
    this.#driver.open();
  }

  describe(): ModuleDescription {
    const km = this.#options.kms.map(({ name }) => name).join(", ");
    return {
      ...moduleDescription(this.name, this.#driver, km, this.#identity, this.#matchingId),
      ...keyExchanges(this.kms()),
    };
  }

  state(): ModuleState {
    return moduleState(this.conditions(), this.health(), this.#since);
  }

  stateAge(): number {
    return this.#parts.clock.now() - this.#changedAt;
  }

  health(): Verdict {
    return this.#parts.health?.() ?? starting(this.#since);
  }

  /** What stands in the way of keys at this moment. */
  conditions(): Conditions {
    const { halt } = this.#parts;
    return {
      module: this.#closed !== undefined ? "OUT" : this.#moduleUp ? "OPERATING" : "DOWN",
      moduleTrouble: this.#moduleUp ? "" : this.#moduleTrouble,
      kms: this.kms(),
      halted: halt?.on ? halt.why : undefined,
      ledgerTrouble: this.#ledgerTrouble ?? this.#stalled(),
      onRequest: this.#options.onRequest,
      heldBlocks: this.#custody.counters().held_blocks,
      keptBack: this.#keptBack.value,
    };
  }

  #stalled(): string | undefined {
    const stalled = this.#parts.ledgerStalled?.();
    return stalled && describe(stalled);
  }

  takeTelemetryWindow() {
    return this.#telemetry.take(this.#parts.clock.now());
  }

  peekTelemetryWindow() {
    return this.#telemetry.peek(this.#parts.clock.now());
  }

  supply() {
    return { ...this.#custody.counters() };
  }

  /** What is kept back from the KM, so much of it at most. */
  kept(): readonly KeptBack[] {
    return this.#custody.keptBackKeys.list(1_000);
  }

  /** How much is kept back, by what for. */
  keptCounts(): KeptBackCounts {
    return this.#custody.keptBackKeys.counts();
  }

  /** How its links are. */
  links(): ModuleLinks {
    return moduleLinks(this.#session, this.#moduleTrouble, this.kms());
  }

  /** Its KMs, in the order in which they are tried. */
  kms(): readonly KmView[] {
    return this.#kms.map((km) => ({
      name: km.options.name,
      condition: this.#awaitsKms ? "AWAITED" : km.up ? "UP" : "DOWN",
      trouble: km.up || this.#awaitsKms ? "" : km.trouble,
      keyExchange: km.keyExchange,
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
    const { clock, log } = this.#parts;
    const custody = this.#custody;
    const session = await this.#driver.connect(
      {
        block: (block) => custody.block(block),
        damaged: (facts, why) => custody.damaged(facts, why),
        released: (refs) => custody.released(refs),
        telemetry: (sample) => {
          this.#telemetry.add(sample, clock.now());
          this.#parts.onTelemetry?.(this.name, sample);
        },
        event: (event) => this.#events.module(event),
        absent: (code) => this.#events.absent(code),
      },
      signal,
    );
    try {
      this.#matchingId = checkIdentity(session.identity, this.#expected, this.#driver.where);
    } catch (error) {
      await session.close();
      throw error;
    }
    // What is in memory of another module would go to the KM under this one's name.
    if (this.#identity?.moduleId !== session.identity.moduleId) custody.forget();
    this.#identity = session.identity;
    this.#tellReplaced(session.identity.moduleId);
    const { moduleId, role, vendor, model, serial, firmware } = session.identity;
    log.info("module up", { module_id: moduleId, role, vendor, model, serial, firmware });
    this.#moduleUp = true;
    this.#zeroized = false;
    this.#session = session;
    this.#changed();
    this.#parts.onLink?.(this.name, undefined, undefined);
    custody.moduleUp(session, this.#matchingId);
    this.#startKms();
    return session;
  }

  get #expected() {
    const { moduleId, matchingModuleId } = this.#options;
    const { ledger, ledgerOf } = this.#parts;
    return { moduleId, matchingModuleId, known: ledger.module, ledgerOf };
  }

  #tellReplaced(moduleId: string): void {
    const before = this.#parts.ledger.module?.moduleId;
    if (before === undefined || before === moduleId) return;
    this.#events.tell("module_replaced", { before, module_id: moduleId });
  }

  /** The module is served no more; what it has stays with it. */
  #close(fault: Fault): void {
    this.#closed = fault;
    this.#moduleTrouble = describe(fault);
    this.#parts.log.error(`module is not served any more: ${describe(fault)}`);
    this.#events.tell("module_closed", { reason: fault.message });
    void this.#module?.stop();
    this.#changed();
  }

  #moduleDown(error: Error): void {
    this.#custody.moduleDown();
    this.#moduleUp = false;
    this.#session = undefined;
    if (this.#closed === undefined) this.#moduleTrouble = describe(error);
    this.#zeroized = error instanceof Fault && error.facts.zeroized === true;
    this.#changed();
    this.#parts.onLink?.(this.name, undefined, error);
  }

  #ledgerChanged(type: string, trouble: string | undefined): void {
    this.#ledgerTrouble = trouble;
    this.#events.tell(type, trouble === undefined ? {} : { reason: trouble });
    this.#changed();
  }

  #changed(): void {
    const { clock } = this.#parts;
    this.#since = clock.wall();
    this.#changedAt = clock.now();
    this.#parts.onState(this.name);
  }
}
