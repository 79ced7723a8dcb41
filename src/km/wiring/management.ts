/**
 * How a key manager is watched and steered, wired together: alarms, the manager's interface with its durable
 * outbox, records that are told, commands. Without `[manager]` alarms are still watched, kept, and logged.
 */
import { describe, type Fault } from "../../base/errors.ts";
import { softwareVersion } from "../../base/version.ts";
import { allRead } from "../../host/tls/watch.ts";
import { flapLimits } from "../../ops/alarms/flap-config.ts";
import type { CommandPort } from "../../ops/commands/port.ts";
import {
  Management as DaemonManagement,
  type ManagementParts as DaemonParts,
  type OpenedState,
  openManagedState,
} from "../../ops/daemon/management.ts";
import type { NodeEvent } from "../../ops/events/event.ts";
import type { KeptBroker } from "../../ops/mqtt/kept.ts";
import type { Outbox } from "../../ops/outbox/outbox.ts";
import { isAlarmName } from "../alarms/catalogue.ts";
import { KmAlarms } from "../alarms/rules.ts";
import { execute, type KmPorts } from "../commands/executor.ts";
import { commands } from "../commands/table.ts";
import { certificateFiles, listFiles } from "../config/certificates.ts";
import type {
  AlarmsTable,
  CertificateTables,
  ConfigFile,
  KmTable,
  LinkConfig,
  ManagerTable,
  ModuleConfig,
  RecordsTable,
} from "../config/tables.ts";
import { RecordExport } from "../manager/export.ts";
import { KmManager } from "../manager/manager.ts";
import type { Marks } from "../manager/payloads.ts";
import { type KmState, stateKind } from "../manager/state.ts";
import { Tally } from "../manager/tally.ts";
import type { KmStatus } from "../model/status.ts";
import type { KmRecords } from "./records.ts";
import type { KnownRoutes } from "./relays.ts";

/** The tables that say what is watched, and who is told. */
export interface ManagedTables extends CertificateTables, Pick<ConfigFile, "digest"> {
  readonly km: KmTable;
  readonly alarms: AlarmsTable;
  readonly records: RecordsTable;
  readonly modules: readonly ModuleConfig[];
  readonly links: readonly LinkConfig[];
}

export interface ManagementParts extends DaemonParts {
  readonly records: KmRecords;
}

/** What the manager gets to see, and what its commands reach. */
export interface Managed {
  readonly status: () => KmStatus;
  readonly links: readonly { readonly name: string; readonly marks: Marks }[];
  /** Takes renewed certificates. @returns which cannot be read */
  readonly reload: () => readonly string[];
  /** Writes a support bundle. @returns where it is @throws Fault `state.io` */
  readonly bundle: () => Promise<string>;
}

const noMarks: Marks = { own: 0, peer: 0 };

function kindOf({ km, manager }: ManagedTables) {
  return { folder: `${km.state_dir}/manager`, state: stateKind, isAlarmName, broker: manager };
}

export class Management {
  readonly tally = new Tally();
  readonly #config: ManagedTables;
  readonly #parts: ManagementParts;
  readonly #common: DaemonManagement<KmState, KmAlarms>;
  readonly #export: RecordExport | undefined;
  readonly #manager: KmManager | undefined;

  /** Goes on from the state of before a restart; nothing is told yet. @throws Fault `state.*` */
  static async open(config: ManagedTables, parts: ManagementParts): Promise<Management> {
    return new Management(config, parts, await openManagedState(kindOf(config), parts));
  }

  private constructor(config: ManagedTables, parts: ManagementParts, opened: OpenedState<KmState>) {
    this.#config = config;
    this.#parts = parts;
    this.#common = new DaemonManagement({
      kind: kindOf(config),
      opened,
      alarms: (onTransition) =>
        new KmAlarms({
          plain: config.kq1?.plain === true,
          flap: flapLimits(config.alarms),
          peerAway: config.alarms.peer_away,
          controllerAway: config.alarms.controller_away,
          machine: {
            certificateDays: config.alarms.certificate_days,
            crlLeft: config.alarms.crl_left,
          },
          onTransition,
        }),
      files: { certificates: certificateFiles(config), lists: listFiles(config) },
      parts,
    });
    const { manager, records, modules, links } = config;
    this.#export = manager && records.export ? this.#createExport() : undefined;
    this.#manager =
      manager &&
      this.#common.tellBy((outbox, broker) => this.#createManager(manager, outbox, broker));
    const named = [...modules, ...links].map(({ name }) => name);
    this.#common.goOn([...named, "store", "kq1", "km", "ck"]);
    parts.records.onGivenUp = (link, by, { void_bits, dropped_keys, left_keys, link_up }) => {
      const facts = { link, by, void_bits, dropped_keys, left_keys, link_up };
      this.event({ type: "keys_given_up", at: this.#common.moment.wall, facts });
    };
  }

  get alarms(): KmAlarms {
    return this.#common.alarms;
  }

  #createExport(): RecordExport {
    const { records, clock, log } = this.#parts;
    const { state } = this.#common;
    const exported = new RecordExport({
      read: (after, mostBytes) => records.since(after, mostBytes),
      position: state.data.records_to,
      onTold: (position) => {
        state
          .change((data) => {
            data.records_to = position;
          })
          .catch((error) => log.warn("records will be told again", { why: describe(error) }));
      },
      onLost: (count) => {
        log.warn("records were gone before they were told", { records: count });
        this.alarms.recordsLost(count, this.#common.moment);
      },
      boot: state.data.boot,
      clock,
    });
    records.onWritten = () => exported.written();
    return exported;
  }

  #createManager(manager: ManagerTable, outbox: Outbox, broker: KeptBroker): KmManager {
    const { km, digest, modules } = this.#config;
    const { clock, log } = this.#parts;
    return new KmManager({
      url: manager.url,
      base: manager.base,
      protocol: manager.protocol,
      username: manager.username,
      credentials: () => broker.credentials(),
      telemetryInterval: manager.telemetry_interval,
      kmId: km.id,
      boot: this.#common.state.data.boot,
      incarnation: this.#common.incarnation,
      softwareVersion,
      configurationDigest: digest,
      modules,
      tally: this.tally,
      records: this.#export,
      onEvent: (event) => this.event(event),
      outbox,
      clock,
      log: log.child("manager"),
    });
  }

  /** Tells the manager from now on, and takes its commands. */
  start(managed: Managed): void {
    const manager = this.#manager;
    if (manager === undefined) return;
    const { status, links } = managed;
    const marks = (name: string) => links.find((link) => link.name === name)?.marks ?? noMarks;
    const taken = this.#takeCommands(managed);
    const { view } = this.#common;
    manager.show({ status, marks, alarms: view, ...(taken && { commands: taken }) });
    this.#common.begin();
  }

  /** The state of now; once a second. */
  look(status: KmStatus): void {
    this.#common.look();
    this.alarms.look(status, this.#common.moment);
    this.#manager?.look(status);
  }

  /** What controllers said before the restart. */
  get controlled(): KnownRoutes {
    return this.#common.state.data.controlled ?? { routes: {}, services: {} };
  }

  /** What controllers say now, for the next start. */
  saveControlled(known: KnownRoutes): void {
    this.#common.state
      .change((data) => {
        data.controlled = structuredClone(known) as NonNullable<KmState["controlled"]>;
      })
      .catch((error) => this.#parts.log.warn("routes are not on disk", { why: describe(error) }));
  }

  /** Something happened: the manager is told, once the broker is there. */
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
    this.#export?.flush();
    await this.#common.settle();
  }

  #takeCommands({ reload, bundle }: Managed): CommandPort | undefined {
    const { records, clock } = this.#parts;
    const { km, manager } = this.#config;
    const ports: KmPorts = {
      acknowledge: (alarm, by) => this.acknowledge(alarm, by),
      affected: (link, period) => records.affected(link, period),
      giveUp: (link, period, by) => records.giveUp(link, period, by),
      reloadCertificates: () => allRead(reload()),
      supportBundle: async () => ({ file: await bundle() }),
      wall: () => clock.wall(),
    };
    return this.#common.commandsOf({
      table: commands,
      subject: { is: "km", id: km.id },
      keys: manager?.command_key ?? [],
      execute: (order, by) => execute(order, by, ports),
    });
  }
}
