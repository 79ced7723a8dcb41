/** How a controller is watched and steered, wired together: alarms, the manager's interface, commands. */
import type { Fault } from "../../base/errors.ts";
import { softwareVersion } from "../../base/version.ts";
import { allRead } from "../../host/tls/watch.ts";
import type { Transition } from "../../ops/alarms/alarm.ts";
import { flapLimits } from "../../ops/alarms/flap-config.ts";
import type { CommandPort } from "../../ops/commands/port.ts";
import {
  Management as DaemonManagement,
  type ManagementParts,
  openManagedState,
} from "../../ops/daemon/management.ts";
import type { NodeEvent } from "../../ops/events/event.ts";
import { isAlarmName } from "../alarms/catalogue.ts";
import { type AccessFacts, ControllerAlarms } from "../alarms/rules.ts";
import { type ControllerPorts, execute } from "../commands/executor.ts";
import { commands } from "../commands/table.ts";
import { certificateFiles, listFiles } from "../config/certificates.ts";
import type {
  AlarmsTable,
  CertificateTables,
  ConfigFile,
  ControllerTable,
} from "../config/tables.ts";
import type { HeardNode } from "../core/world.ts";
import { NodesListening } from "../manager/listening.ts";
import { ControllerManager } from "../manager/manager.ts";
import { NodesHeard } from "../manager/nodes.ts";
import { type ControllerState, stateKind } from "../manager/state.ts";
import type { ChangeStatus, ControllerStatus } from "../model/status.ts";

/** The tables that say what is watched, and who is told. */
export interface ManagedTables extends CertificateTables, Pick<ConfigFile, "digest"> {
  readonly controller: ControllerTable;
  readonly alarms: AlarmsTable;
}

/** What the manager gets to see, and what its commands reach. */
export interface Managed extends Omit<ControllerPorts, "acknowledge" | "reloadCertificates"> {
  readonly status: () => ControllerStatus;
  /** A node told its manager something. */
  readonly onNode: (node: HeardNode) => void;
  /** Takes renewed certificates. @returns which cannot be read */
  readonly reload: () => readonly string[];
}

export class Management {
  readonly #config: ManagedTables;
  readonly #common: DaemonManagement<ControllerState, ControllerAlarms>;
  readonly #manager: ControllerManager | undefined;
  readonly #nodes: NodesHeard;
  #restored = false;
  #onNode: (node: HeardNode) => void = () => {};

  /** Goes on from the state of before a restart; nothing is told yet. @throws Fault `state.*` */
  static async open(config: ManagedTables, parts: ManagementParts): Promise<Management> {
    const { alarms, manager, controller } = config;
    const kind = {
      folder: `${controller.state_dir}/manager`,
      state: stateKind,
      isAlarmName,
      broker: manager,
    };
    const common = new DaemonManagement({
      kind,
      opened: await openManagedState(kind, parts),
      alarms: (onTransition: (transition: Transition) => void) =>
        new ControllerAlarms({
          flap: flapLimits(alarms),
          kmAway: alarms.km_away,
          machine: { certificateDays: alarms.certificate_days, crlLeft: alarms.crl_left },
          onTransition,
        }),
      files: { certificates: certificateFiles(config), lists: listFiles(config) },
      parts,
    });
    return new Management(config, parts, common);
  }

  private constructor(
    config: ManagedTables,
    { clock, log }: ManagementParts,
    common: DaemonManagement<ControllerState, ControllerAlarms>,
  ) {
    this.#config = config;
    this.#common = common;
    const { manager, controller, digest } = config;
    this.#nodes = new NodesHeard(manager?.base ?? "");
    const listens = new NodesListening(this.#nodes, clock, (node) => this.#onNode(node));
    this.#manager =
      manager &&
      common.tellBy(
        (outbox, broker) =>
          new ControllerManager({
            url: manager.url,
            base: manager.base,
            protocol: manager.protocol,
            username: manager.username,
            credentials: () => broker.credentials(),
            telemetryInterval: manager.telemetry_interval,
            controllerId: controller.id,
            boot: common.state.data.boot,
            incarnation: common.incarnation,
            softwareVersion,
            configurationDigest: digest,
            ...(manager.nodes && { listens }),
            outbox,
            clock,
            log: log.child("manager"),
          }),
      );
  }

  get alarms(): ControllerAlarms {
    return this.#common.alarms;
  }

  /** All that nodes told their manager, as it is now. */
  heard(): readonly HeardNode[] {
    return this.#nodes.all();
  }

  /** Tells the manager from now on, and takes its commands. */
  start(managed: Managed): void {
    const manager = this.#manager;
    if (manager === undefined) return;
    this.#onNode = managed.onNode;
    const taken = this.#takeCommands(managed);
    const { view } = this.#common;
    manager.show({ status: managed.status, alarms: view, ...(taken && { commands: taken }) });
    this.#common.begin();
  }

  /**
   * The state of now; once a second.
   * @param access who was refused, and whose certificates run out
   */
  look(status: ControllerStatus, access: AccessFacts): void {
    if (!this.#restored) this.#goOn(status);
    this.#common.look();
    this.alarms.look(status, access, this.#common.moment);
    this.#manager?.look(status);
  }

  /** Alarms of before the restart are about what is known now: learnt links are not yet. */
  #goOn({ nodes, links, pairs }: ControllerStatus): void {
    this.#restored = true;
    this.#common.goOn([
      ...nodes.map(({ km }) => km),
      ...links.map(({ link }) => link),
      ...pairs.map(({ pair }) => pair),
      ...["ck", "store", "controller"],
    ]);
  }

  /** The store can't be written; undefined: it can again. */
  store(why: string | undefined): void {
    this.alarms.store(why, this.#common.moment);
  }

  /** The controller's mind changed: the manager is told, once the broker is there. */
  changed({ time, kind, object, text, after_ms }: ChangeStatus): void {
    const facts = { kind, object, text, ...(after_ms !== undefined && { after_ms }) };
    this.event({ type: "network_changed", at: Date.parse(time), facts });
  }

  event(event: NodeEvent): void {
    this.#common.event(event);
  }

  /** Certificates may be others. @returns why what the broker is shown can't be read, if that is so; the connection goes on then */
  renewed(): Fault | undefined {
    return this.#common.renewed();
  }

  /** @param why this certificate could not be renewed; undefined: it was, or is not due */
  renewal(object: string, why: string | undefined): void {
    this.#common.renewal(object, why);
  }

  acknowledge(alarm: string, by: string): string | undefined {
    return this.#common.acknowledge(alarm, by);
  }

  /** Says goodbye to the broker, and makes durable what it was not told. Never rejects. */
  async stop(): Promise<void> {
    await this.#common.hangUp();
    await this.#common.settle();
  }

  #takeCommands({
    reload,
    status: _status,
    onNode: _onNode,
    ...ports
  }: Managed): CommandPort | undefined {
    const { controller, manager } = this.#config;
    return this.#common.commandsOf({
      table: commands,
      subject: { is: "controller", id: controller.id },
      keys: manager?.command_key ?? [],
      execute: (order, by) =>
        execute(order, by, {
          ...ports,
          acknowledge: (alarm, who) => this.acknowledge(alarm, who),
          reloadCertificates: () => allRead(reload()),
        }),
    });
  }
}
