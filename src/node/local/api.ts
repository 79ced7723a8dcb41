/** Answers what is asked on the local sockets, and has commands carried out as the manager's are. */

import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { softwareVersion } from "../../base/version.ts";
import { residentBytes } from "../../host/life/memory.ts";
import type { Outcome } from "../../ops/commands/port.ts";
import type { EventHistory, PastEvent } from "../../ops/events/event-history.ts";
import { pastTelemetry } from "../../ops/history/past.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import {
  type ActName,
  graveNames,
  isAct,
  isNotOfNodes,
  LocalError,
  type LocalRequest,
  maintenanceNames,
} from "../../ops/local/protocol.ts";
import type { Caller, LocalAnswer } from "../../ops/local/server.ts";
import { time } from "../../ops/manager/payloads.ts";
import type { SiteStatus } from "../../ops/site/told.ts";
import type { Updates } from "../../ops/update/appliance.ts";
import type { ImageStatus } from "../../ops/update/image.ts";
import { type ControlPorts, execute } from "../commands/executor.ts";
import { type Order, orderOf } from "../commands/table.ts";
import { describeCertificates } from "../config/certificates.ts";
import { redactedTable } from "../config/redact.ts";
import type { CertificateTables, ConfigFile, ModuleConfig, NodeConfig } from "../config/tables.ts";
import type { Recorder } from "../history/recorder.ts";
import type { Ledger } from "../keys/ports.ts";
import type { BrokerState, KmTold, LocalModule } from "../model/local.ts";
import type { AlarmView, NodeEvent, ShownPanel } from "../model/manager.ts";
import {
  alarmCounts,
  alarmList,
  keptBack,
  keyCounts,
  moduleStatus,
  panelStatus,
  pastEvent,
} from "./answers.ts";

/** The tables that are asked for on the local sockets. */
export interface ShownTables extends ConfigFile, CertificateTables {
  readonly node: NodeConfig;
  readonly modules: readonly ModuleConfig[];
}

export interface LocalDeskParts {
  readonly config: ShownTables;
  readonly boot: number;
  readonly modules: readonly LocalModule[];
  readonly ledgers: ReadonlyMap<string, Ledger>;
  readonly alarms: AlarmView;
  readonly history: EventHistory;
  readonly logs: LogRing;
  readonly recorder: Recorder;
  readonly broker: () => BrokerState | undefined;
  /** Of who asks the node for keys; undefined without `[server]`. */
  readonly keyExchanges?: (() => readonly string[]) | undefined;
  readonly control: ControlPorts;
  /** Undefined on a machine that is not installed by images. */
  readonly updates: Updates | undefined;
  /** The site's configuration, on such a machine. */
  readonly site?: SiteStatus | undefined;
  /** The image that runs, on such a machine. */
  readonly image?: ImageStatus | undefined;
  /** The chassis panel. */
  readonly panel: () => ShownPanel;
  /** Whether KMs are told how modules are; default: there is no such KM. */
  readonly kmsTold?: (() => readonly KmTold[]) | undefined;
  /** Tells the audit. */
  readonly onEvent: (event: NodeEvent) => void;
  readonly clock: Clock;
  readonly log: Log;
}

type Args = LocalRequest["args"];

/** A command is carried out within this time, ms; as for the manager's. */
const deadline = 30_000;
/** Events and lines looked for, for who follows them, this often, ms. */
const followEvery = 250;
const watchLimits = { least: 200, standard: 1_000, most: 60_000 } as const;
const mostEvents = 1_024;
const mostLines = 2_000;

export class LocalApi {
  readonly #parts: LocalDeskParts;
  readonly #started: number;
  readonly #begun: number;
  /** Who has an action under way: a slow one at the console keeps no operator waiting. */
  readonly #acting = new Set<Caller["role"]>();

  constructor(parts: LocalDeskParts) {
    this.#parts = parts;
    this.#started = parts.clock.wall();
    this.#begun = parts.clock.now();
  }

  /** @throws LocalError */
  async answer(request: LocalRequest, caller: Caller): Promise<LocalAnswer> {
    const { do: name, args } = request;
    const { alarms, config } = this.#parts;
    if (isAct(name)) return { data: await this.#act(name, args, caller) };
    switch (name) {
      case "status":
        return { data: this.#status() };
      case "keys":
        return { data: { modules: this.#chosen(args).map((module) => this.#keys(module)) } };
      case "telemetry":
        return this.#telemetry(args);
      case "alarms":
        return { data: { alarms: alarmList(alarms.records()) } };
      case "events":
        return this.#events(args);
      case "links":
        return { data: this.#links() };
      case "certs":
        return {
          data: {
            certificates: describeCertificates(config, this.#parts.clock.wall()),
          },
        };
      case "config":
        return {
          data: { file: config.file, digest: config.digest, table: redactedTable(config.table) },
        };
      case "logs":
        return this.#logs(args);
      case "kept":
        return {
          data: {
            modules: this.#chosen(args).map((one) => ({
              module: one.name,
              counts: keptBack(one),
              kept: one.kept(),
            })),
          },
        };
      case "history":
        return { data: this.#history(args) };
      case "update":
        return { data: await this.#update() };
      default:
        throw new LocalError("unknown_request", "this node does not know the request");
    }
  }

  #status() {
    const { config, boot, modules, alarms, clock, broker, site, image } = this.#parts;
    const manager = broker();
    const panel = panelStatus(this.#parts.panel());
    return {
      node: config.node.id,
      version: softwareVersion,
      boot,
      pid: process.pid,
      t: time(clock.wall()),
      started: time(this.#started),
      uptime_s: Math.floor((clock.now() - this.#begun) / 1_000),
      rss_bytes: residentBytes(),
      config: { file: config.file, digest: config.digest, state_dir: config.node.state_dir },
      ...(site !== undefined && { site }),
      ...(image !== undefined && { image }),
      modules: modules.map(moduleStatus),
      kq2: this.#parts.kmsTold?.() ?? [],
      ...(manager !== undefined && { broker: manager }),
      ...(panel !== undefined && { panel }),
      alarms: alarmCounts(alarms.records()),
    };
  }

  async #update() {
    const { config, updates } = this.#parts;
    const status = (await updates?.status()) ?? { appliance: false };
    return { node: config.node.id, version: softwareVersion, ...status };
  }

  #keys(module: LocalModule) {
    return keyCounts(module, this.#parts.ledgers.get(module.name));
  }

  #links() {
    const { config, modules, broker, keyExchanges: server } = this.#parts;
    return {
      modules: modules.map((module) => {
        const { driver, where } = module.describe();
        const { kms, ...link } = module.links();
        const configured = config.modules.find(({ name }) => name === module.name)?.kms ?? [];
        return {
          module: module.name,
          driver,
          where,
          ...link,
          kms: kms.map((km) => {
            const found = configured.find(({ name }) => name === km.name);
            const at = found === undefined ? "" : `${found.host}:${found.port}`;
            return { ...km, where: at, transport: found?.transport ?? "tls" };
          }),
        };
      }),
      ...(broker() !== undefined && { broker: broker() }),
      ...(server && { server: { key_exchanges: server() } }),
    };
  }

  #telemetry(args: Args): LocalAnswer {
    const modules = this.#chosen(args);
    const look = () => ({
      t: time(this.#parts.clock.wall()),
      modules: modules.map((module) => ({
        module: module.name,
        figures: module.peekTelemetryWindow(),
      })),
    });
    if (args.follow !== true) return { data: look() };
    const { least, standard, most } = watchLimits;
    const every = typeof args.every_ms === "number" ? args.every_ms : standard;
    return { everyMs: Math.min(most, Math.max(least, every)), next: look };
  }

  #events(args: Args): LocalAnswer {
    const { history } = this.#parts;
    const wanted = (event: PastEvent) => args.alarms !== true || event.type.startsWith("alarm_");
    const most = count(args.n, 50, mostEvents);
    const list = (events: readonly PastEvent[]) =>
      events.filter(wanted).slice(-most).map(pastEvent);
    if (args.follow !== true) return { data: { events: list(history.after(0)) } };
    let told = 0;
    return this.#follow(() => {
      const events = list(history.after(told));
      told = history.sequence;
      return events.length === 0 ? undefined : { events };
    });
  }

  #history(args: Args) {
    const { recorder, clock } = this.#parts;
    return {
      t: time(clock.wall()),
      modules: this.#chosen(args).map(({ name }) => ({
        module: name,
        parts: pastTelemetry(recorder.history(name), clock.now(), clock.wall()),
      })),
    };
  }

  #logs(args: Args): LocalAnswer {
    const { logs } = this.#parts;
    const most = count(args.n, 50, mostLines);
    const texts = (after: number) => logs.after(after, most).map(({ line }) => line);
    if (args.follow !== true) return { data: { lines: texts(0) } };
    let told = 0;
    return this.#follow(() => {
      const lines = texts(told);
      told = logs.sequence;
      return lines.length === 0 ? undefined : { lines };
    });
  }

  #follow(next: () => unknown): LocalAnswer {
    return { everyMs: followEvery, next };
  }

  /** @throws LocalError `no_such_module` */
  #chosen(args: Args): readonly LocalModule[] {
    const { modules } = this.#parts;
    if (args.module === undefined) return modules;
    const found = modules.filter(({ name }) => name === args.module);
    if (found.length > 0) return found;
    const names = modules.map(({ name }) => name).join(", ");
    throw new LocalError("no_such_module", `no such module (there are: ${names})`);
  }

  async #act(name: ActName, given: Args, caller: Caller) {
    const { config } = this.#parts;
    this.#permit(name, given, caller);
    if (name === "session") return this.#session(given);
    if (isNotOfNodes(name)) throw new LocalError("not_available", "another program has this");
    const { confirm, ...args } = given;
    if (args.module !== undefined) this.#chosen(args);
    // A command for another node is refused before anything is done.
    if (graveNames.includes(name) && confirm !== config.node.id) {
      throw new LocalError("bad_request", `${name} must name the node: this is ${config.node.id}`);
    }
    const order = orderOf(name, args);
    if (order === undefined) throw new LocalError("bad_request", "bad arguments");
    const by = caller.role === "maintain" ? atConsole : nameOf(await caller.peer());
    const work = () =>
      name === "install_update" ? this.#install(args, caller) : this.#execute(order, by);
    // Destroying keys waits for nothing.
    if (name === "zeroize") return this.#carryOut(name, args, work, by);
    const { role } = caller;
    if (this.#acting.has(role)) throw new LocalError("busy", "another action is under way");
    this.#acting.add(role);
    try {
      return await this.#carryOut(name, args, work, by);
    } finally {
      this.#acting.delete(role);
    }
  }

  /** @throws LocalError `not_permitted` */
  #permit(name: ActName, args: Args, { role }: Caller): void {
    if (role === "act") return;
    if (role === "look" || !maintenanceNames.includes(name)) {
      const other = "this socket only answers; acting needs the other one";
      const not = "not from the maintenance console";
      throw new LocalError("not_permitted", role === "look" ? other : not);
    }
    // The end of a session is told when the key was turned back.
    if (name === "session") return;
    const { panel, tamper, maintenance } = this.#parts.panel();
    if (panel !== "ok" || tamper !== "none" || !maintenance) {
      throw new LocalError("not_permitted", "the key switch is not at maintenance");
    }
    if (args.allow_downgrade === true) {
      throw new LocalError("not_permitted", "an older version is for the manager to allow");
    }
  }

  /** The maintenance console was opened or closed. */
  #session({ on }: Args) {
    const { clock, log, onEvent } = this.#parts;
    if (typeof on !== "boolean") throw new LocalError("bad_request", "bad arguments");
    log.info("maintenance session", { on });
    onEvent({ type: "maintenance_session", at: clock.wall(), facts: { on } });
    return { command: "session", status: "done", by: atConsole, t: time(clock.wall()) };
  }

  async #execute(order: Order, by: string): Promise<Outcome> {
    const { control, clock } = this.#parts;
    const late = () => new Fault("module.command", "no end in time", { limit_ms: deadline });
    const timeout = { status: "failed", reason: "timeout" } as const;
    return within<Outcome>(clock, deadline, execute(order, by, control), late).catch(() => timeout);
  }

  async #install(args: Args, caller: Caller): Promise<Outcome> {
    const { updates } = this.#parts;
    if (updates === undefined) {
      throw new LocalError("not_available", "this node's software is not installed by images");
    }
    try {
      await updates.beginLocal(args, caller.receive);
      return { status: "done" };
    } catch (error) {
      if (error instanceof LocalError) throw error;
      return { status: "failed", reason: describe(error) };
    }
  }

  async #carryOut(name: ActName, args: Args, work: () => Promise<Outcome>, by: string) {
    const { clock, log, onEvent } = this.#parts;
    const { status, reason, facts: came } = await work();
    const why = reason !== undefined && { reason };
    const facts = {
      command: name,
      by,
      status,
      ...why,
      ...(args as Record<string, string>),
      ...came,
    };
    log.info("command carried out", facts);
    onEvent({ type: "command", at: clock.wall(), facts });
    const result = came !== undefined && { facts: came };
    return { command: name, status, ...why, ...result, by, t: time(clock.wall()) };
  }
}

/** Who holds the maintenance key, as the audit names them. */
const atConsole = "maintenance console";

/** Who it was, as an audit names them. */
function nameOf(uid: number | undefined): string {
  return uid === undefined ? "local" : `local uid ${uid}`;
}

function count(value: unknown, standard: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1) return standard;
  return Math.min(value, most);
}
