/** The key manager on this machine: what its local sockets answer. */
import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { PastModule } from "../../ops/bundle/telemetry-csv.ts";
import type { EventHistory } from "../../ops/events/event-history.ts";
import { pastTelemetry } from "../../ops/history/past.ts";
import { acknowledgeFor, countIn, mayAct, nameOf } from "../../ops/local/caller.ts";
import { type DaemonLocal, daemonLocal, socketsOf } from "../../ops/local/daemon-local.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import { LocalError, type LocalRequest } from "../../ops/local/protocol.ts";
import type { Caller, LocalAnswer } from "../../ops/local/server.ts";
import type { Family } from "../../ops/metrics/exposition.ts";
import { describeCertificates } from "../config/certificates.ts";
import { runningTable } from "../config/redact.ts";
import type { CertificateTables, ConfigFile, LocalTable, ShownTables } from "../config/tables.ts";
import type { KmRecorder } from "../history/recorder.ts";
import type { AskedPeriod } from "../keys/origin.ts";
import type { KmStatus, Rekeyed } from "../model/status.ts";
import { parseUuid } from "../records/kma-key-id.ts";
import type { Affected, GivenUp, KeyList, KeyStory } from "../records/tellings.ts";

/** What is asked of the records. */
export interface RecordsOfLocal {
  story(id: Buffer): Promise<KeyStory>;
  list(module: string, period: AskedPeriod): Promise<KeyList | undefined>;
  affected(link: string, period: AskedPeriod): Promise<Affected | undefined>;
  giveUp(link: string, period: AskedPeriod, by: string): Promise<GivenUp | undefined>;
}

/** What is answered once the store is open. */
export interface KmOfLocal {
  readonly status: () => KmStatus;
  readonly records: RecordsOfLocal;
  /** Relays so many bits more for a link. @returns why it does not; undefined: it does */
  readonly relay: (link: string, bits: number, by: string) => string | undefined;
  /** Gives the store another master key. @throws Fault: nothing was done; LocalError: what else is to be known */
  readonly rekey: (by: string) => Promise<Rekeyed>;
  /** @returns why not; undefined if it was acknowledged */
  readonly acknowledge: (alarm: string, by: string) => string | undefined;
}

/** What is answered from the start. */
export interface LocalParts {
  readonly logs: LogRing;
  readonly history: EventHistory;
  readonly recorder: KmRecorder;
  readonly metrics: (status: KmStatus) => readonly Family[];
  readonly clock: Clock;
  readonly log: Log;
}

/** The tables that are asked for here. */
export type AskedTables = ShownTables & CertificateTables & ConfigFile;

type Args = LocalRequest["args"];

/** Of one order to relay: more than a disk's worth is a mistake. */
const mostOrderedBits = 10_000_000_000;
/** Searches of the records at a time: each reads all of them. */
const mostSearches = 4;

/** Where systemd has the key manager make its control socket. */
export const standardKmSocket = "/run/qkd-km/control";

/** Where a client looks for the control socket, the likeliest place first. */
export function kmSockets({
  km,
  local,
}: {
  readonly km: { readonly state_dir: string };
  readonly local: LocalTable;
}): readonly string[] {
  return socketsOf(local.socket, km.state_dir, standardKmSocket);
}

export interface KmLocal extends DaemonLocal {
  /** The store is open: from now on all is answered. */
  serve(km: KmOfLocal): void;
}

export function createKmLocal(config: AskedTables, parts: LocalParts): KmLocal {
  const { clock, log } = parts;
  const api = new KmApi(config, parts);
  const local = daemonLocal({
    ...config.local,
    socket: config.local.socket,
    stateDir: config.km.state_dir,
    answer: (request, caller) => api.answer(request, caller),
    clock,
    log,
  });
  return { ...local, serve: (km) => api.serve(km) };
}

class KmApi {
  readonly #config: AskedTables;
  readonly #parts: LocalParts;
  #km: KmOfLocal | undefined;
  #searches = 0;
  #acting = false;
  #isRekeying = false;

  constructor(config: AskedTables, parts: LocalParts) {
    this.#config = config;
    this.#parts = parts;
  }

  serve(km: KmOfLocal): void {
    this.#km = km;
  }

  /** @throws LocalError while it starts */
  get #open(): KmOfLocal {
    if (this.#km !== undefined) return this.#km;
    throw new LocalError("not_available", "the key manager is starting: its store is being opened");
  }

  /** @throws LocalError */
  async answer({ do: name, args }: LocalRequest, caller: Caller): Promise<LocalAnswer> {
    const { clock, logs, history, metrics } = this.#parts;
    const config = this.#config;
    switch (name) {
      case "logs":
        return {
          data: { lines: logs.after(0, countIn(args.n, 50, 2_000)).map(({ line }) => line) },
        };
      case "events":
        return { data: { events: history.recent(countIn(args.n, 50, 1_024)) } };
      case "certs":
        return { data: { certificates: describeCertificates(config, clock.wall()) } };
      case "config":
        return { data: { file: config.file, table: runningTable(config) } };
      case "history":
        return { data: { modules: this.#past() } };
      case "status":
        return { data: this.#open.status() };
      case "metrics":
        return { data: metrics(this.#open.status()) };
      case "alarms": {
        const { alarms, node_alarms } = this.#open.status();
        return { data: [...alarms, ...node_alarms] };
      }
      case "links":
        return { data: this.#open.status().links };
      case "keys":
        if (Object.keys(args).length === 0) return { data: this.#open.status().modules };
        return { data: await this.#keys(args) };
      case "compromise":
        return { data: await this.#compromise(args, caller) };
      case "rekey":
        return { data: await this.#rekey(args, caller) };
      case "relay":
        return { data: await this.#relay(args, caller) };
      case "acknowledge_alarm":
        return {
          data: await acknowledgeFor(caller, args.alarm, (...order) =>
            this.#open.acknowledge(...order),
          ),
        };
      default:
        throw new LocalError("not_available", "the key manager does not have this");
    }
  }

  /** Figures of the last hour and day, as support bundles want them: of links. */
  #past(): PastModule[] {
    const { recorder, clock } = this.#parts;
    return this.#config.links.map(({ name }) => {
      const parts = pastTelemetry(recorder.history(name), clock.now(), clock.wall());
      return { module: name, parts };
    });
  }

  /** One key's story, the keys of a module, or those that a link's compromise could affect. */
  async #keys(args: Args): Promise<unknown> {
    const { records } = this.#open;
    if (this.#searches >= mostSearches) throw new LocalError("busy", "too many searches");
    this.#searches++;
    try {
      if (args.id !== undefined) {
        const id = typeof args.id === "string" ? parseUuid(args.id) : undefined;
        if (id === undefined) throw new LocalError("bad_request", "id is no UUID");
        return await records.story(id);
      }
      const period = periodOf(args);
      if (typeof args.module === "string") {
        return found(await records.list(args.module, period), "module");
      }
      if (typeof args.link === "string") {
        return found(await records.affected(args.link, period), "link");
      }
      throw new LocalError("bad_request", "bad arguments");
    } finally {
      this.#searches--;
    }
  }

  async #compromise(args: Args, caller: Caller): Promise<GivenUp> {
    const { log } = this.#parts;
    const { records } = this.#open;
    const period = periodOf(args);
    const { link } = args;
    if (typeof link !== "string") throw new LocalError("bad_request", "bad arguments");
    return this.#act(args, caller, async (by) => {
      const done = found(await records.giveUp(link, period, by), "link");
      log.warn("keys were given up on an order", {
        link,
        by,
        void_bits: done.void_bits,
        dropped_keys: done.dropped_keys,
        left_keys: done.left_keys,
        link_up: done.link_up,
      });
      return done;
    });
  }

  /** Beside other actions: a token may take its time, and an order that is urgent does not wait for it. */
  async #rekey(args: Args, caller: Caller): Promise<Rekeyed> {
    this.#mayAct(args, caller);
    if (this.#isRekeying) throw new LocalError("busy", "another re-key is under way");
    this.#isRekeying = true;
    try {
      return await this.#do(caller, (by) => this.#open.rekey(by));
    } finally {
      this.#isRekeying = false;
    }
  }

  #relay(args: Args, caller: Caller): Promise<{ readonly ordered_bits: number }> {
    const { link, bits } = args;
    const isCount = typeof bits === "number" && Number.isSafeInteger(bits) && bits > 0;
    if (typeof link !== "string" || !isCount || bits > mostOrderedBits) {
      throw new LocalError("bad_request", `bits is a whole number from 1 to ${mostOrderedBits}`);
    }
    return this.#act(args, caller, async (by) => {
      const why = this.#open.relay(link, bits, by);
      if (why !== undefined) throw new LocalError("refused", why);
      return { ordered_bits: bits };
    });
  }

  /** One action at a time, by who may act, on the key manager that is meant. @throws LocalError */
  async #act<T>(args: Args, caller: Caller, act: (by: string) => Promise<T>): Promise<T> {
    this.#mayAct(args, caller);
    if (this.#acting) throw new LocalError("busy", "another action is under way");
    this.#acting = true;
    try {
      return await this.#do(caller, act);
    } finally {
      this.#acting = false;
    }
  }

  /** @throws LocalError */
  #mayAct(args: Args, caller: Caller): void {
    mayAct(caller);
    const { id } = this.#config.km;
    if (args.confirm === id) return;
    throw new LocalError("bad_request", `it must name the KM: this is ${id}`);
  }

  /** @throws LocalError */
  async #do<T>(caller: Caller, act: (by: string) => Promise<T>): Promise<T> {
    try {
      return await act(await nameOf(caller));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const code = error.code === "km_store.busy" ? "busy" : "refused";
      throw new LocalError(code, `nothing was done: ${describe(error)}`);
    }
  }
}

/** @throws LocalError */
function found<T>(value: T | undefined, what: "module" | "link"): T {
  if (value !== undefined) return value;
  throw new LocalError(what === "module" ? "no_such_module" : "bad_request", `no such ${what}`);
}

/** @throws LocalError */
function periodOf({ from, to }: Args): AskedPeriod {
  const isTime = (at: unknown) => typeof at === "number" && Number.isFinite(at);
  const isPeriod = to === undefined || (isTime(to) && (from as number) <= (to as number));
  if (!isTime(from) || !isPeriod) {
    throw new LocalError("bad_request", "from and to are times, the earlier first");
  }
  return { from: from as number, to: to as number | undefined };
}
