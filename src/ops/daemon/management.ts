/**
 * How a daemon is watched and steered: alarms that survive its restarts, the way to its manager with a durable
 * outbox, commands. Without a manager alarms are still watched, kept, and logged. What each program tells is its own.
 */
import { describe, type Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Machine } from "../../host/machine.ts";
import type { AlarmRecord, Transition } from "../alarms/alarm.ts";
import type { MachineRules } from "../alarms/machine-alarms.ts";
import type { ManagerRules } from "../alarms/manager-alarms.ts";
import type { Moment } from "../alarms/severity.ts";
import type { AlarmView } from "../alarms/view.ts";
import { CommandHandler } from "../commands/handler.ts";
import { publicKey } from "../commands/jws.ts";
import { CommandMemory, type KeyMemory } from "../commands/memory.ts";
import type { Outcome } from "../commands/port.ts";
import type { CommandTable, NameOf, OrderOf } from "../commands/table.ts";
import type { NodeEvent } from "../events/event.ts";
import { type Counted, openDurable, type StateKind } from "../manager/durable-state.ts";
import type { ManagerLink } from "../manager/link.ts";
import { recordOf } from "../manager/payloads.ts";
import { type AlarmsOfState, SavedAlarms } from "../manager/saved-alarms.ts";
import { StateStore } from "../manager/state-store.ts";
import type { BrokerFiles } from "../mqtt/credentials.ts";
import { KeptBroker } from "../mqtt/kept.ts";
import { type OutboxOfState, openOutbox } from "../outbox/open.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { newIncarnation } from "./incarnation.ts";
import { Survey, type SurveyedFiles } from "./survey.ts";

/** What of a program's small state is the same for all. */
export interface ManagedState extends Counted, AlarmsOfState, OutboxOfState {
  /** Command keys: the highest counter seen, and what became of the last commands. */
  commands?: Record<string, KeyMemory> | undefined;
}

/** Alarms of a program. */
export interface ProgramAlarms extends AlarmView {
  readonly machine: MachineRules;
  readonly manager: ManagerRules;
  /** @param file which one cannot be written, or was damaged @param why undefined: it can be written again */
  file(file: string, why: string | undefined, moment: Moment): void;
  acknowledge(id: string, by: string, moment: Moment): string | undefined;
  /** Goes on from the alarms of before a restart. @param exists whether what one is about is still configured */
  restore(
    saved: readonly AlarmRecord[],
    exists: (name: string, object: string) => boolean,
    moment: Moment,
  ): void;
}

/** What a program brings along when its state is opened. */
export interface ManagedKind<State extends ManagedState> {
  /** Where its state and outbox are. */
  readonly folder: string;
  readonly state: StateKind<State>;
  readonly isAlarmName: (name: string) => boolean;
  /** Files for the broker; undefined: there is no manager. */
  readonly broker: BrokerFiles | undefined;
}

export interface ManagementParts extends Machine {
  /** Of every alarm, for who shows them. */
  readonly onTransition?: (transition: Transition) => void;
  readonly log: Log;
}

/** What was found on the disk. */
export interface OpenedState<State extends ManagedState> {
  readonly state: StateStore<State>;
  readonly outbox: Outbox | undefined;
  /** Alarms of transitions that are durable, but did not make it into the state. */
  readonly later: readonly AlarmRecord[];
}

/** Whose commands are taken. */
export interface CommandsOf<Table extends CommandTable> {
  readonly table: Table;
  readonly subject: { readonly is: "km" | "controller"; readonly id: string };
  readonly keys: readonly {
    readonly id: string;
    readonly public_key: string;
    readonly commands: readonly NameOf<Table>[];
  }[];
  /** Never rejects. @param by the key ID of who gave it */
  readonly execute: (order: OrderOf<Table>, by: string) => Promise<Outcome>;
}

/** Goes on from the state of before a restart. @throws Fault `state.*` */
export async function openManagedState<State extends ManagedState>(
  { folder, state: kind, isAlarmName, broker }: ManagedKind<State>,
  parts: ManagementParts,
): Promise<OpenedState<State>> {
  const state = new StateStore(await openDurable(parts.files, folder, kind));
  const outbox =
    broker && (await openOutbox(`${folder}/outbox`, { ...parts, state: asOutboxState(state) }));
  const events = await outbox?.after(state.data.alarms_to ?? 0);
  const later = (events ?? []).flatMap((event) => recordOf(event, isAlarmName) ?? []);
  return { state, outbox, later };
}

/** Each part changes its own members of the state. */
function asOutboxState<State extends ManagedState>(state: StateStore<State>) {
  return state as unknown as StateStore<ManagedState>;
}

export interface ManagementOptions<State extends ManagedState, Alarms extends ProgramAlarms> {
  readonly kind: ManagedKind<State>;
  readonly opened: OpenedState<State>;
  /** Makes the alarms, which tell their transitions. */
  readonly alarms: (onTransition: (transition: Transition) => void) => Alarms;
  readonly files: SurveyedFiles;
  readonly parts: ManagementParts;
}

export class Management<State extends ManagedState, Alarms extends ProgramAlarms> {
  readonly alarms: Alarms;
  readonly incarnation = newIncarnation();
  readonly #parts: ManagementParts;
  readonly #state: StateStore<State>;
  readonly #opened: OpenedState<State>;
  readonly #saved: SavedAlarms;
  readonly #survey: Survey;
  readonly #broker: KeptBroker | undefined;
  #manager: ManagerLink | undefined;

  constructor(options: ManagementOptions<State, Alarms>) {
    const { opened, parts, kind, files } = options;
    this.#parts = parts;
    this.#opened = opened;
    this.#state = opened.state;
    this.alarms = options.alarms((transition) => this.#transition(transition));
    this.#survey = new Survey(files, this.alarms.machine, parts.clock);
    const { outbox } = opened;
    this.#saved = new SavedAlarms(
      {
        state: asOutboxState(opened.state),
        log: parts.log,
        told: async () => outbox?.durable(),
        unsaved: (from) => outbox?.hold(from),
      },
      () => this.alarms.records(),
      (trouble) => this.alarms.file("state", trouble && describe(trouble), this.moment),
    );
    const { broker } = kind;
    if (broker === undefined) return;
    const { clock, random, log } = parts;
    const kept = { name: "broker", purpose: "manager", files: broker, clock, random, log };
    this.#broker = new KeptBroker(kept);
  }

  get state(): StateStore<State> {
    return this.#state;
  }

  get moment(): Moment {
    const { clock } = this.#parts;
    return { now: clock.now(), wall: clock.wall() };
  }

  /**
   * Who tells the manager, where there is one.
   * @param make given the outbox and what the broker is shown
   */
  tellBy<Manager extends ManagerLink>(
    make: (outbox: Outbox, broker: KeptBroker) => Manager,
  ): Manager | undefined {
    const { outbox } = this.#opened;
    if (outbox === undefined || this.#broker === undefined) return undefined;
    const manager = make(outbox, this.#broker);
    this.#manager = manager;
    return manager;
  }

  /**
   * Alarms of before the restart, and what is the matter with the files of their state.
   * @param objects what alarms are about in this configuration, beside certificates, state and outbox
   */
  goOn(objects: Iterable<string>): void {
    const { alarms = [], lost } = this.#state.data;
    const known = new Set([...objects, "state", "outbox", "manager"]);
    const saved = alarms as readonly AlarmRecord[];
    const records = new Map([...saved, ...this.#opened.later].map((record) => [record.id, record]));
    const exists = (name: string, object: string) =>
      /^(certificate|crl)_/.test(name) ? this.#survey.knows(object) : known.has(object);
    this.alarms.restore([...records.values()], exists, this.moment);
    if (lost === undefined) return;
    this.alarms.file("state", `${lost.file} was ${lost.why}`, this.moment);
    this.#state
      .change((data) => {
        delete data.lost;
      })
      .catch((error) => this.#parts.log.warn(describe(error)));
  }

  /** What the manager gets to see of the alarms. */
  get view(): AlarmView {
    return {
      records: () => this.alarms.records(),
      record: (id) => this.alarms.record(id),
      forget: (id) => {
        this.alarms.forget(id);
        this.#saved.save();
      },
    };
  }

  /** Connects to the broker from now on. */
  begin(): void {
    const manager = this.#manager;
    if (manager === undefined) return;
    this.#broker?.start(manager, {
      onUp: () => this.alarms.manager.brokerUp(this.moment),
      onDown: (error) =>
        this.alarms.manager.brokerDown(describe(error), manager.takenOver, this.moment),
    });
  }

  /** Takes commands; undefined without a key that may give any. */
  commandsOf<Table extends CommandTable>({
    table,
    subject,
    keys,
    execute,
  }: CommandsOf<Table>): CommandHandler<Table> | undefined {
    if (keys.length === 0) return undefined;
    const { clock, log } = this.#parts;
    const state = this.#state;
    return new CommandHandler({
      authority: {
        table,
        available: new Set(Object.keys(table) as NameOf<Table>[]),
        subject,
        boot: state.data.boot,
        incarnation: this.incarnation,
        keys: new Map(
          keys.map(({ id, public_key, commands }) => {
            return [id, { id, key: publicKey(public_key), commands }] as const;
          }),
        ),
        memory: new CommandMemory(state.data.commands ?? {}),
      },
      execute,
      save: (saved) =>
        state.change((data) => {
          data.commands = saved;
        }),
      onEvent: (event) => this.event(event),
      onIntruder: (reason) => this.alarms.manager.intruder(reason, this.moment),
      clock,
      log: log.child("control"),
    });
  }

  /** Files, clock and outbox as they are now; once a second. */
  look(): void {
    const { outbox } = this.#opened;
    if (outbox !== undefined) {
      this.alarms.manager.eventsLost(outbox.dropped, this.moment);
      this.alarms.file("outbox", outbox.trouble && describe(outbox.trouble), this.moment);
    }
    this.#survey.look();
  }

  /** @param why this certificate could not be renewed; undefined: it was, or is not due */
  renewal(object: string, why: string | undefined): void {
    this.alarms.machine.renewal(object, why, this.moment);
  }

  /** Something happened: the manager is told, once the broker is there. */
  event(event: NodeEvent): void {
    this.#manager?.event(event);
  }

  /** Certificates may be others. @returns why some of what the broker is shown can't be read, if that is so: what could be read last counts then */
  renewed(): Fault | undefined {
    this.#survey.lookAtFiles();
    return this.#broker?.renewed();
  }

  acknowledge(alarm: string, by: string): string | undefined {
    return this.alarms.acknowledge(alarm, by, this.moment);
  }

  /** Says goodbye to the broker. */
  async hangUp(): Promise<void> {
    this.#manager?.stop();
    await this.#broker?.stop();
  }

  /** Makes durable what the manager was not told. Never rejects. */
  async settle(): Promise<void> {
    await this.#saved.settled();
    await this.#opened.outbox?.close();
    await this.#state.settled();
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
}
