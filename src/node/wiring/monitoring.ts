/**
 * The watch over the node, wired together: alarms, the manager's interface with its durable outbox,
 * and commands. Without `[manager]` the alarms are still watched, and logged.
 */

import { describe, type Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Watchers } from "../../base/watchers.ts";
import type { Machine } from "../../host/machine.ts";
import { listsValidity, validity } from "../../host/tls/validity.ts";
import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import { CommandHandler } from "../../ops/commands/handler.ts";
import { publicKey } from "../../ops/commands/jws.ts";
import { CommandMemory } from "../../ops/commands/memory.ts";
import { newIncarnation } from "../../ops/daemon/incarnation.ts";
import { EventHistory } from "../../ops/events/event-history.ts";
import { HistoryKeeper } from "../../ops/history/history-keeper.ts";
import { type BrokerCredentials, readBrokerCredentials } from "../../ops/mqtt/credentials.ts";
import { KeptBroker } from "../../ops/mqtt/kept.ts";
import { openOutbox } from "../../ops/outbox/open.ts";
import type { Outbox } from "../../ops/outbox/outbox.ts";
import type { TelemetrySample } from "../../port/telemetry.ts";
import { available, type ControlPorts, execute, type ModuleControl } from "../commands/executor.ts";
import { commands } from "../commands/table.ts";
import { Recorder } from "../history/recorder.ts";
import type { Manager } from "../manager/manager.ts";
import { recordOf, transition as transitionEvent } from "../manager/payloads.ts";
import type { BrokerState } from "../model/local.ts";
import type { ModuleView, NodeEvent } from "../model/manager.ts";
import { AlarmMonitor, type WatchedView } from "../monitor/alarm-monitor.ts";
import { Health } from "../monitor/health.ts";
import { diskFreeFraction } from "../monitor/machine-checks.ts";
import type { PanelGuard } from "../panel/guard.ts";
import type { SparkplugPublisher } from "../sparkplug/publisher.ts";
import type { StateStore } from "../state/store.ts";
import { createManager, type LoadedSparkplug, loadSparkplug } from "./publishing.ts";
import type { LedgerTroubles } from "./stalled.ts";
import { type MonitoringTables, watchSettings } from "./watch-settings.ts";

export interface MonitoringParts extends Machine {
  /** What the process uses of the machine; default: it is asked. */
  readonly health?: Pick<Health, "take" | "stop">;
  readonly state: StateStore;
  readonly log: Log;
}

/** A module as it is watched and commanded. */
export type WatchedModule = ModuleView & WatchedView & ModuleControl;

/** Ports of commands into other parts of the node; a command whose port is missing is refused. */
export type MorePorts = Partial<ControlPorts>;

export class Monitoring {
  readonly watch: AlarmMonitor;
  /** Recent events, for the page and the command line. */
  readonly history = new EventHistory();
  readonly recorder: Recorder;
  readonly #keeper: HistoryKeeper;
  /** Told when there is something to see. */
  readonly watchers = new Watchers();
  /** Where keys travel under TLS, such as `km.NAME`, and by which key exchanges. */
  keyExchanges: () => Iterable<readonly [string, readonly string[]]> = () => [];
  /** KMs that are told how modules are, such as `km.NAME`, and why one is not. */
  untold: () => Iterable<readonly [string, string | undefined]> = () => [];
  readonly #links = new Map<string, boolean>();
  readonly #health: Pick<Health, "take" | "stop">;
  readonly #config: MonitoringTables;
  readonly #parts: MonitoringParts;
  readonly #outbox: Outbox | undefined;
  readonly #manager: Manager | undefined;
  readonly #incarnation = newIncarnation();
  readonly #later: readonly AlarmRecord[];
  readonly #sparkplug: SparkplugPublisher | undefined;
  readonly #broker: KeptBroker | undefined;
  readonly #sparkplugBroker: KeptBroker | undefined;
  #brokerTrouble: string | undefined = "not connected yet";
  #desk: CommandHandler<typeof commands> | undefined;
  /** By module. */
  #ledgers: LedgerTroubles = new Map();

  private constructor(
    config: MonitoringTables,
    parts: MonitoringParts,
    outbox: Outbox | undefined,
    later: readonly AlarmRecord[],
    createSparkplug: LoadedSparkplug,
  ) {
    this.#config = config;
    this.#later = later;
    this.#parts = parts;
    this.#health = parts.health ?? new Health();
    this.#outbox = outbox;
    const kept = (name: string, purpose: string) =>
      config.manager && new KeptBroker({ ...parts, name, purpose, files: config.manager });
    this.#broker = kept("broker", "manager");
    this.#sparkplugBroker = kept("sparkplug", "sparkplug");
    const credentials = () => this.#credentials(this.#broker);
    this.#sparkplug = createSparkplug?.(parts, () => this.#credentials(this.#sparkplugBroker));
    const report = this.#sparkplug?.report.bind(this.#sparkplug);
    const incarnation = this.#incarnation;
    const telling = { ...parts, incarnation, credentials, report };
    this.#manager = outbox && createManager(config, { ...telling, outbox });
    const modules = config.modules.map(({ name }) => name);
    this.recorder = new Recorder(modules, parts.clock);
    this.#keeper = new HistoryKeeper({
      files: parts.files,
      folder: config.node.state_dir,
      subjects: modules,
      recorder: this.recorder,
      clock: parts.clock,
      log: parts.log.child("history"),
    });
    this.watch = this.#createWatch();
  }

  /** Opens the outbox; nothing is published yet. */
  static async open(config: MonitoringTables, parts: MonitoringParts): Promise<Monitoring> {
    const outbox = config.manager && (await openOutbox(`${config.node.state_dir}/outbox`, parts));
    const events = await outbox?.after(parts.state.data.alarms_to ?? 0);
    const later = (events ?? []).flatMap((event) => recordOf(event) ?? []);
    return new Monitoring(config, parts, outbox, later, await loadSparkplug(config));
  }

  /** Watches from now on, and connects to the broker. */
  start(
    modules: readonly WatchedModule[],
    ledgers: LedgerTroubles,
    more: MorePorts = {},
    panel?: PanelGuard,
  ): void {
    this.#ledgers = ledgers;
    this.watch.start(modules, this.#later);
    this.recorder.start(modules);
    this.#keeper.start();
    const manager = this.#manager;
    if (manager === undefined) return;
    const keys = this.#config.manager?.command_key ?? [];
    this.#desk = keys.length > 0 ? this.#createDesk(modules, manager, more) : undefined;
    const commands = this.#desk && { commands: this.#desk };
    manager.show({ modules, alarms: this.watch, ...(panel && { panel }), ...commands });
    this.#broker?.start(manager, {
      onUp: () => {
        this.#brokerTrouble = undefined;
        this.watch.brokerUp();
        this.watchers.tell();
      },
      onDown: (error) => {
        this.#brokerTrouble = describe(error);
        this.watch.brokerDown(error, manager.takenOver);
        this.watchers.tell();
      },
    });
    this.#sparkplug?.show(modules, this.watch);
    if (this.#sparkplug !== undefined) this.#sparkplugBroker?.start(this.#sparkplug);
  }

  /**
   * Looks whether what the broker is shown and checked by was renewed; connects anew with it then.
   * @returns why some of it can't be read, if that is so: what could be read last counts then
   */
  renewed(): Fault | undefined {
    const [problem] = [this.#broker?.renewed(), this.#sparkplugBroker?.renewed()].filter(
      (fault) => fault !== undefined,
    );
    return problem;
  }

  /** Something happened: it is told, and {@link watch} sees what alarms come of it. */
  event(event: NodeEvent): void {
    this.tell(event);
    this.watch.event(event);
  }

  /** Something happened that is to be told, and that {@link watch} sees for itself: what a channel tells is bounded. */
  tell(event: NodeEvent): void {
    this.#remember(event);
    this.#manager?.event(event);
  }

  /** Resolves when the events so far are on disk, or can't be. */
  async durable(): Promise<void> {
    await this.#outbox?.durable();
  }

  /** The chassis panel changed, or what it brought about. */
  panelChanged(): void {
    this.#manager?.panelChanged();
    this.watchers.tell();
  }

  /** A module has reported. */
  telemetry(name: string, sample: TelemetrySample): void {
    this.watch.telemetry(name, sample);
    this.recorder.telemetry(name, sample);
  }

  /** The state of a channel changed. */
  stateChanged(name: string): void {
    this.#manager?.stateChanged(name);
    this.#sparkplug?.changed();
    this.watchers.tell();
  }

  /** The link to a module, or to its KM of this name, is up, or down for the reason given. */
  link(module: string, km: string | undefined, down: Error | undefined): void {
    const up = down === undefined;
    const link = `${module}/${km ?? ""}`;
    // Each attempt that failed is told; the history has what changed.
    if (this.#links.get(link) !== up) {
      this.#links.set(link, up);
      const facts = { ...(km !== undefined && { km }), ...(!up && { reason: describe(down) }) };
      const type = `${km === undefined ? "module" : "km"}_${up ? "up" : "down"}`;
      this.#remember({ type, module, at: this.#parts.clock.wall(), facts });
    }
    this.watch.link(module, km, down);
  }

  /** What a command can reach, given by the manager or on the machine. */
  control(modules: readonly WatchedModule[], more: MorePorts = {}): ControlPorts {
    return {
      ...more,
      module: (name) => modules.find((module) => module.name === name),
      acknowledge: (alarm, by) => this.watch.acknowledge(alarm, by),
      setThreshold: (module, name, value) => this.watch.setThreshold(module, name, value),
      zeroized: (module) => this.watch.zeroized(module),
      stopped: (module, by) => this.watch.stopped(module, by),
    };
  }

  /** How it stands with the broker; undefined without `[manager]`. */
  get broker(): BrokerState | undefined {
    const { manager } = this.#config;
    if (manager === undefined || this.#outbox === undefined) return undefined;
    const [up, reason] = [this.#brokerTrouble === undefined, this.#brokerTrouble ?? ""];
    const waiting = this.#outbox.length;
    const group = up ? this.#manager?.keyExchange : undefined;
    return { url: manager.url, up, reason, waiting, ...(group && { key_exchange: group }) };
  }

  /** Says goodbye to the broker, and makes durable what it was not told. Never rejects. */
  async stop(): Promise<void> {
    this.recorder.stop();
    await this.#keeper.stop();
    await this.watch.stop();
    this.#manager?.stop();
    this.#sparkplug?.stop();
    await Promise.all([this.#broker?.stop(), this.#sparkplugBroker?.stop()]);
    await this.#outbox?.close();
    this.#health.stop();
  }

  #credentials(broker: KeptBroker | undefined): BrokerCredentials {
    return broker?.credentials() ?? readBrokerCredentials({});
  }

  #remember(event: NodeEvent): void {
    this.history.add(event);
    if (event.routine !== true) this.watchers.tell();
  }

  #createWatch(): AlarmMonitor {
    const { node, alarms } = this.#config;
    return new AlarmMonitor(watchSettings(this.#config), {
      ...this.#parts,
      log: this.#parts.log.child("alarms"),
      validity,
      lists: listsValidity,
      ...(alarms.classical_link && { keyExchanges: () => this.keyExchanges() }),
      untold: () => this.untold(),
      usage: () => this.#health.take(),
      free: () => diskFreeFraction(node.state_dir),
      troubles: () => this.#troubles(),
      eventsLost: () => this.#outbox?.dropped ?? 0,
      onTransition: (transition) => {
        this.#remember(transitionEvent(transition.change, transition.record));
        this.#sparkplug?.changed();
        if (this.#manager !== undefined) return this.#manager.alarm(transition);
        // Without a manager no cleared alarm has to be published first.
        if (transition.change === "cleared") {
          queueMicrotask(() => this.watch.forget(transition.record.id));
        }
        return 0;
      },
      onVerdict: (module) => this.stateChanged(module),
      told: () => this.durable(),
      unsaved: (from) => this.#outbox?.hold(from),
    });
  }

  *#troubles(): Generator<readonly [string, Error | undefined]> {
    if (this.#outbox !== undefined) yield ["outbox", this.#outbox.trouble];
    for (const [module, trouble] of this.#ledgers) yield [`ledger.${module}`, trouble()];
  }

  #createDesk(
    channels: readonly WatchedModule[],
    manager: Manager,
    more: MorePorts,
  ): CommandHandler<typeof commands> {
    const { state, clock, log } = this.#parts;
    const keys = (this.#config.manager?.command_key ?? []).map(({ id, public_key, commands }) => {
      return [id, { id, key: publicKey(public_key), commands }] as const;
    });
    const ports = this.control(channels, more);
    return new CommandHandler({
      authority: {
        table: commands,
        available: available(ports),
        subject: { is: "node", id: this.#config.node.id },
        boot: state.data.boot,
        incarnation: this.#incarnation,
        keys: new Map(keys),
        memory: new CommandMemory(state.data.commands ?? {}),
      },
      execute: (order, by) => execute(order, by, ports),
      save: (commands) =>
        state.change((data) => {
          data.commands = commands;
        }),
      onEvent: (event) => {
        this.#remember(event);
        manager.event(event);
      },
      onIntruder: (reason) => this.watch.intruder(reason),
      clock,
      log: log.child("control"),
    });
  }
}
