/**
 * How a key manager is watched and steered, wired together: alarms, the manager's interface with its durable
 * outbox, records that are told, commands. Without `[manager]` alarms are still watched, kept, and logged.
 */
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { softwareVersion } from "../../base/version.ts";
import type { Machine } from "../../host/machine.ts";
import type { AlarmRecord, Transition } from "../../ops/alarms/alarm.ts";
import { flapLimits } from "../../ops/alarms/flap-config.ts";
import { CommandHandler } from "../../ops/commands/handler.ts";
import { publicKey } from "../../ops/commands/jws.ts";
import { CommandMemory } from "../../ops/commands/memory.ts";
import type { NodeEvent } from "../../ops/events/event.ts";
import { openDurable } from "../../ops/manager/durable-state.ts";
import { recordOf } from "../../ops/manager/payloads.ts";
import { SavedAlarms } from "../../ops/manager/saved-alarms.ts";
import { StateStore } from "../../ops/manager/state-store.ts";
import { KeptBroker } from "../../ops/mqtt/kept.ts";
import { openOutbox } from "../../ops/outbox/open.ts";
import type { Outbox } from "../../ops/outbox/outbox.ts";
import { isAlarmName } from "../alarms/catalogue.ts";
import { KmAlarms } from "../alarms/rules.ts";
import { execute, type KmPorts } from "../commands/executor.ts";
import { commandNames, commands } from "../commands/table.ts";
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
import { Survey } from "./survey.ts";

/** The tables that say what is watched, and who is told. */
export interface ManagedTables extends CertificateTables, Pick<ConfigFile, "digest"> {
  readonly km: KmTable;
  readonly alarms: AlarmsTable;
  readonly records: RecordsTable;
  readonly modules: readonly ModuleConfig[];
  readonly links: readonly LinkConfig[];
}

export interface ManagementParts extends Machine {
  readonly records: KmRecords;
  /** Of every alarm, for who shows them. */
  readonly onTransition?: (transition: Transition) => void;
  readonly log: Log;
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

export class Management {
  readonly alarms: KmAlarms;
  readonly tally = new Tally();
  readonly #config: ManagedTables;
  readonly #parts: ManagementParts;
  readonly #state: StateStore<KmState>;
  readonly #outbox: Outbox | undefined;
  readonly #saved: SavedAlarms;
  readonly #survey: Survey;
  readonly #broker: KeptBroker | undefined;
  readonly #export: RecordExport | undefined;
  readonly #manager: KmManager | undefined;
  #desk: CommandHandler<typeof commands> | undefined;

  /** Goes on from the state of before a restart; nothing is told yet. @throws Fault `state.*` */
  static async open(config: ManagedTables, parts: ManagementParts): Promise<Management> {
    const folder = `${config.km.state_dir}/manager`;
    const state = new StateStore(await openDurable(parts.files, folder, stateKind));
    const outbox = config.manager && (await openOutbox(`${folder}/outbox`, { ...parts, state }));
    // Alarms of transitions that are durable, but did not make it into the state.
    const events = await outbox?.after(state.data.alarms_to ?? 0);
    const later = (events ?? []).flatMap((event) => recordOf(event, isAlarmName) ?? []);
    return new Management(config, parts, state, outbox, later);
  }

  private constructor(
    config: ManagedTables,
    parts: ManagementParts,
    state: StateStore<KmState>,
    outbox: Outbox | undefined,
    later: readonly AlarmRecord[],
  ) {
    this.#config = config;
    this.#parts = parts;
    this.#state = state;
    this.#outbox = outbox;
    this.alarms = new KmAlarms({
      plain: config.kq1?.plain === true,
      flap: flapLimits(config.alarms),
      peerAway: config.alarms.peer_away,
      machine: {
        certificateDays: config.alarms.certificate_days,
        crlLeft: config.alarms.crl_left,
      },
      onTransition: (transition) => this.#transition(transition),
    });
    this.#survey = new Survey(config, this.alarms.machine, parts.clock);
    this.#saved = new SavedAlarms(
      {
        state,
        log: parts.log,
        told: async () => outbox?.durable(),
        unsaved: (from) => outbox?.hold(from),
      },
      () => this.alarms.records(),
      (trouble) => this.alarms.file("state", trouble && describe(trouble), this.#moment),
    );
    const { manager } = config;
    if (manager !== undefined && outbox !== undefined) {
      const { clock, random, log } = parts;
      const kept = { name: "broker", purpose: "manager", files: manager, clock, random, log };
      this.#broker = new KeptBroker(kept);
      this.#export = config.records.export ? this.#createExport() : undefined;
      this.#manager = this.#createManager(manager, outbox, this.#broker);
    }
    this.#goOn(later);
    parts.records.onGivenUp = (link, by, { void_bits, dropped_keys, left_keys }) => {
      const facts = { link, by, void_bits, dropped_keys, left_keys };
      this.event({ type: "keys_given_up", at: this.#moment.wall, facts });
    };
  }

  /** Alarms of before the restart, and what is the matter with the files of their state. */
  #goOn(later: readonly AlarmRecord[]): void {
    const { alarms = [], lost } = this.#state.data;
    const { modules, links } = this.#config;
    const objects = new Set(
      [...modules, ...links].map(({ name }) => name).concat("store", "kq1", "manager", "km"),
    );
    for (const file of ["state", "outbox"]) objects.add(file);
    const records = new Map([...alarms, ...later].map((record) => [record.id, record]));
    const exists = (name: string, object: string) =>
      /^(certificate|crl)_/.test(name) ? this.#survey.knows(object) : objects.has(object);
    this.alarms.restore([...records.values()], exists, this.#moment);
    if (lost === undefined) return;
    this.alarms.file("state", `${lost.file} was ${lost.why}`, this.#moment);
    this.#state
      .change((data) => {
        delete data.lost;
      })
      .catch((error) => this.#parts.log.warn(describe(error)));
  }

  #createExport(): RecordExport {
    const { records, clock, log } = this.#parts;
    const { data } = this.#state;
    const exported = new RecordExport({
      read: (after, mostBytes) => records.since(after, mostBytes),
      position: data.records_to,
      onTold: (position) => {
        this.#state
          .change((state) => {
            state.records_to = position;
          })
          .catch((error) => log.warn("records will be told again", { why: describe(error) }));
      },
      onLost: (count) => {
        log.warn("records were gone before they were told", { records: count });
        this.alarms.recordsLost(count, this.#moment);
      },
      boot: data.boot,
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
      boot: this.#state.data.boot,
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
    const keys = this.#config.manager?.command_key ?? [];
    this.#desk = keys.length > 0 ? this.#createDesk(managed) : undefined;
    const { status, links } = managed;
    const marks = (name: string) => links.find((link) => link.name === name)?.marks ?? noMarks;
    const commands = this.#desk && { commands: this.#desk };
    const alarms = {
      records: () => this.alarms.records(),
      record: (id: string) => this.alarms.record(id),
      forget: (id: string) => {
        this.alarms.forget(id);
        this.#saved.save();
      },
    };
    manager.show({ status, marks, alarms, ...commands });
    this.#broker?.start(manager, {
      onUp: () => this.alarms.manager.brokerUp(this.#moment),
      onDown: (error) =>
        this.alarms.manager.brokerDown(describe(error), manager.takenOver, this.#moment),
    });
  }

  /** The state of now; once a second. */
  look(status: KmStatus): void {
    const outbox = this.#outbox;
    if (outbox !== undefined) {
      this.alarms.manager.eventsLost(outbox.dropped, this.#moment);
      this.alarms.file("outbox", outbox.trouble && describe(outbox.trouble), this.#moment);
    }
    this.#survey.look();
    this.alarms.look(status, this.#moment);
    this.#manager?.look(status);
  }

  /** Something happened: the manager is told, once the broker is there. */
  event(event: NodeEvent): void {
    this.#manager?.event(event);
  }

  /** Certificates may be others. @returns why what the broker is shown can't be read, if that is so; the connection goes on then */
  renewed(): Fault | undefined {
    this.#survey.lookAtFiles();
    return this.#broker?.renewed();
  }

  acknowledge(alarm: string, by: string): string | undefined {
    return this.alarms.acknowledge(alarm, by, this.#moment);
  }

  /** Says goodbye to the broker, and makes durable what it was not told. Never rejects. */
  async stop(): Promise<void> {
    this.#manager?.stop();
    await this.#broker?.stop();
    this.#export?.flush();
    await this.#saved.settled();
    await this.#outbox?.close();
    await this.#state.settled();
  }

  get #moment() {
    const { clock } = this.#parts;
    return { now: clock.now(), wall: clock.wall() };
  }

  #transition(transition: Transition): void {
    this.#parts.onTransition?.(transition);
    const { change, record } = transition;
    const { id, severity, detail } = record;
    const facts = { alarm: id, severity, ...(detail && { detail }) };
    const log = this.#parts.log.child("alarms");
    if (change === "cleared") log.info("alarm cleared", facts);
    else log.warn(`alarm ${change}`, facts);
    if (this.#manager !== undefined) this.#saved.transition(this.#manager.alarm(transition));
    else {
      // Without a manager no cleared alarm has to be published first.
      if (change === "cleared") queueMicrotask(() => this.alarms.forget(id));
      this.#saved.save();
    }
  }

  #createDesk({ reload, bundle }: Managed): CommandHandler<typeof commands> {
    const { records, clock, log } = this.#parts;
    const state = this.#state;
    const keys = (this.#config.manager?.command_key ?? []).map(({ id, public_key, ...rest }) => {
      return [id, { id, key: publicKey(public_key), commands: rest.commands }] as const;
    });
    const ports: KmPorts = {
      acknowledge: (alarm, by) => this.acknowledge(alarm, by),
      affected: (link, period) => records.affected(link, period),
      giveUp: (link, period, by) => records.giveUp(link, period, by),
      reloadCertificates: () => {
        const unreadable = reload();
        if (unreadable.length === 0) return;
        const facts = { for: unreadable.join(", ") };
        throw new Fault("config.file", "certificates cannot be read", facts);
      },
      supportBundle: async () => ({ file: await bundle() }),
      wall: () => clock.wall(),
    };
    return new CommandHandler({
      authority: {
        table: commands,
        available: new Set(commandNames),
        subject: { is: "km", id: this.#config.km.id },
        boot: state.data.boot,
        keys: new Map(keys),
        memory: new CommandMemory(state.data.commands ?? {}),
      },
      execute: (order, by) => execute(order, by, ports),
      save: (saved) =>
        state.change((data) => {
          data.commands = saved;
        }),
      onEvent: (event) => this.event(event),
      onIntruder: (reason) => this.alarms.manager.intruder(reason, this.#moment),
      clock,
      log: log.child("control"),
    });
  }
}
