/**
 * The watch over the node, wired together: alarms, the manager's interface with its durable outbox,
 * and commands. Without `[manager]` the alarms are still watched, and logged.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { AlarmRecord } from "./alarms/alarm.ts";
import type { Validity } from "./alarms/node-rules.ts";
import type { Config } from "./config/load.ts";
import { CommandDesk } from "./control/desk.ts";
import type { ModuleControl } from "./control/executor.ts";
import { publicKey } from "./control/jws.ts";
import { CommandMemory } from "./control/memory.ts";
import type { Ledger } from "./custody/ports.ts";
import { EventHistory } from "./lifecycle/event-history.ts";
import { Health } from "./lifecycle/health.ts";
import { type Kept, keep } from "./lifecycle/keep.ts";
import { Watch } from "./lifecycle/watch.ts";
import { Manager } from "./manager/manager.ts";
import { Outbox } from "./manager/outbox.ts";
import { recordOf, transition as transitionEvent } from "./manager/payloads.ts";
import type { ModuleView, NodeEvent } from "./manager/view.ts";
import { brokerWaits } from "./manager/waits.ts";
import type { Clock } from "./port/clock.ts";
import { describe } from "./port/errors.ts";
import type { Log } from "./port/log.ts";
import { diskFiles } from "./state/files.ts";
import type { StateStore } from "./state/store.ts";
import { softwareVersion } from "./version.ts";

export interface OversightParts {
  readonly state: StateStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** A module as it is watched and commanded. */
export type WatchedModule = ModuleView & ModuleControl;

export class Oversight {
  readonly watch: Watch;
  /** What happened lately, for whoever looks at the node itself. */
  readonly history = new EventHistory();
  readonly #links = new Map<string, boolean>();
  readonly #health = new Health();
  readonly #config: Config;
  readonly #parts: OversightParts;
  readonly #outbox: Outbox | undefined;
  readonly #manager: Manager | undefined;
  readonly #later: readonly AlarmRecord[];
  #kept: Kept | undefined;
  #brokerUp = false;
  #desk: CommandDesk | undefined;
  /** By module. */
  #ledgers: ReadonlyMap<string, Pick<Ledger, "failure">> = new Map();

  private constructor(
    config: Config,
    parts: OversightParts,
    outbox: Outbox | undefined,
    later: readonly AlarmRecord[],
  ) {
    this.#config = config;
    this.#later = later;
    this.#parts = parts;
    this.#outbox = outbox;
    this.#manager = outbox && createManager(config, outbox, parts);
    this.watch = this.#createWatch();
  }

  /** Opens the outbox; nothing is published yet. */
  static async open(config: Config, parts: OversightParts): Promise<Oversight> {
    const path = `${config.node.state_dir}/outbox`;
    const { clock, log } = parts;
    const outbox =
      config.manager &&
      (await Outbox.open({ files: diskFiles, path, clock, log: log.child("outbox") }));
    const events = (await outbox?.after(parts.state.data.alarms_to ?? 0)) ?? [];
    const later = events.flatMap((event) => recordOf(event) ?? []);
    return new Oversight(config, parts, outbox, later);
  }

  /** Watches from now on, and connects to the broker. */
  start(
    modules: readonly WatchedModule[],
    ledgers: ReadonlyMap<string, Pick<Ledger, "failure">>,
  ): void {
    const { clock, log, random } = this.#parts;
    const manager = this.#manager;
    this.#ledgers = ledgers;
    this.watch.start(modules, this.#later);
    if (manager === undefined) return;
    const keys = this.#config.manager?.command_key ?? [];
    this.#desk = keys.length > 0 ? this.#createDesk(modules, manager) : undefined;
    const commands = this.#desk && { commands: this.#desk };
    manager.show({ modules, alarms: this.watch, ...commands });
    this.#kept = keep({
      name: "broker",
      connect: async (signal) => {
        const session = await manager.connect(signal);
        this.watch.brokerUp();
        this.#brokerUp = true;
        return session;
      },
      onDown: (error) => {
        this.#brokerUp = false;
        this.watch.brokerDown(error, manager.takenOver);
      },
      schedule: () => brokerWaits(() => manager.takenOver, random),
      settledAfterMs: 5_000,
      clock,
      log,
    });
  }

  /** Whether the manager's broker is connected; undefined: there is none. */
  get brokerUp(): boolean | undefined {
    return this.#manager === undefined ? undefined : this.#brokerUp;
  }

  /** Something happened in a channel. */
  event(event: NodeEvent): void {
    this.history.add(event);
    this.#manager?.event(event);
    this.watch.event(event);
  }

  /** The state of a channel changed. */
  stateChanged(name: string): void {
    this.#manager?.stateChanged(name);
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
      this.history.add({ type, module, at: this.#parts.clock.wall(), facts });
    }
    this.watch.link(module, km, down);
  }

  /** Says goodbye to the broker, and makes durable what it was not told. Never rejects. */
  async stop(): Promise<void> {
    await this.watch.stop();
    this.#manager?.stop();
    await this.#kept?.stop();
    await this.#outbox?.close();
    this.#health.stop();
  }

  #createWatch(): Watch {
    const { node, alarms, modules, manager, server } = this.#config;
    const certificates = new Map<string, string>();
    const plain = new Map<string, boolean>();
    for (const km of modules.flatMap(({ kms }) => kms)) {
      if (km.cert !== undefined) certificates.set(`km.${km.name}`, km.cert);
      if (km.transport === "plain") plain.set(`km.${km.name}`, true);
    }
    if (server !== undefined) certificates.set("server", server.cert);
    if (manager?.cert !== undefined) certificates.set("manager", manager.cert);
    if (manager?.url.startsWith("mqtt:")) plain.set("manager", false);
    return new Watch(
      {
        flap: {
          count: alarms.flap_count,
          windowMs: alarms.flap_window_s,
          quietMs: alarms.flap_quiet_s,
        },
        node: { certificateDays: alarms.certificate_days, storageFree: alarms.storage_free },
        modules: modules.map(({ name, qber_limit, alarms: { intermittent, ...thresholds } }) => ({
          module: name,
          qberLimit: qber_limit,
          intermittent,
          thresholds,
        })),
        certificates,
        plain,
      },
      {
        ...this.#parts,
        log: this.#parts.log.child("alarms"),
        validity,
        usage: () => this.#health.take(),
        free: () => freePart(node.state_dir),
        troubles: () => this.#troubles(),
        eventsLost: () => this.#outbox?.dropped ?? 0,
        onTransition: (transition) => {
          this.history.add(transitionEvent(transition.change, transition.record));
          if (this.#manager !== undefined) return this.#manager.alarm(transition);
          // Nobody waits to be told that it is cleared.
          if (transition.change === "cleared") {
            queueMicrotask(() => this.watch.forget(transition.record.id));
          }
          return 0;
        },
        told: async () => this.#outbox?.durable(),
        unsaved: (from) => this.#outbox?.hold(from),
      },
    );
  }

  *#troubles(): Generator<readonly [string, Error | undefined]> {
    if (this.#outbox !== undefined) yield ["outbox", this.#outbox.trouble];
    for (const [module, ledger] of this.#ledgers) yield [`ledger.${module}`, ledger.failure];
  }

  #createDesk(channels: readonly WatchedModule[], manager: Manager): CommandDesk {
    const { state, clock, log } = this.#parts;
    const keys = (this.#config.manager?.command_key ?? []).map(({ id, public_key, commands }) => {
      return [id, { id, key: publicKey(public_key), commands }] as const;
    });
    return new CommandDesk({
      authority: {
        node: this.#config.node.id,
        boot: state.data.boot,
        keys: new Map(keys),
        memory: new CommandMemory(state.data.commands ?? {}),
      },
      ports: {
        module: (name) => channels.find((channel) => channel.name === name),
        acknowledge: (alarm, by) => this.watch.acknowledge(alarm, by),
        setThreshold: (module, name, value) => this.watch.setThreshold(module, name, value),
        zeroized: (module) => this.watch.zeroized(module),
      },
      save: (commands) =>
        state.change((data) => {
          data.commands = commands;
        }),
      onEvent: (event) => {
        this.history.add(event);
        manager.event(event);
      },
      onIntruder: (reason) => this.watch.intruder(reason),
      clock,
      log: log.child("control"),
    });
  }
}

function createManager(config: Config, outbox: Outbox, parts: OversightParts): Manager | undefined {
  const options = config.manager;
  if (options === undefined) return undefined;
  const { ca, cert, key, password_file } = options;
  return new Manager({
    url: options.url,
    base: options.base,
    protocol: options.protocol,
    username: options.username,
    password: password_file && readText(password_file).trimEnd(),
    ca: ca && readText(ca),
    cert: cert && readText(cert),
    key: key && readText(key),
    telemetryIntervalMs: options.telemetry_interval_s,
    nodeId: config.node.id,
    boot: parts.state.data.boot,
    softwareVersion,
    configurationDigest: config.digest,
    outbox,
    clock: parts.clock,
    log: parts.log.child("manager"),
  });
}

function validity(file: string): Validity | undefined {
  try {
    const { validFromDate, validToDate } = new X509Certificate(readFileSync(file));
    return { from: validFromDate.getTime(), to: validToDate.getTime() };
  } catch {
    return undefined;
  }
}

async function freePart(folder: string): Promise<number> {
  const { bavail, blocks } = await statfs(folder);
  return blocks === 0 ? 1 : bavail / blocks;
}

function readText(file: string): string {
  return readFileSync(file, "utf8");
}
