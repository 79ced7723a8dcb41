/** The controller on this machine: what its local sockets answer. */
import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { isLonger } from "../../base/text-length.ts";
import { type RevocationReason, revocationReasons } from "../../host/tls/issue.ts";
import type { EventHistory } from "../../ops/events/event-history.ts";
import { acknowledgeFor, countIn, mayAct, nameOf } from "../../ops/local/caller.ts";
import { type DaemonLocal, daemonLocal, socketsOf } from "../../ops/local/daemon-local.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import { LocalError, type LocalRequest } from "../../ops/local/protocol.ts";
import type { Caller, LocalAnswer } from "../../ops/local/server.ts";
import type { Family } from "../../ops/metrics/exposition.ts";
import type { IssuedStatus } from "../access/issuing.ts";
import { describeCertificates } from "../config/certificates.ts";
import { runningTable } from "../config/redact.ts";
import type {
  CertificateTables,
  ConfigFile,
  ControllerTable,
  LocalTable,
  ShownTables,
} from "../config/tables.ts";
import type { CertificateIssued, CurrentList } from "../core/certificates.ts";
import type { AccountRecord } from "../core/world.ts";
import {
  type ChangeStatus,
  type ControllerStatus,
  type Service,
  services,
} from "../model/status.ts";
import { listOf, partOf } from "./parts.ts";

/** What is answered once the store is open. */
export interface ControllerOfLocal {
  readonly status: () => ControllerStatus;
  readonly metrics: () => readonly Family[];
  /** @param since ms since 1970 UTC @param after `next` of the page before; empty: the first @throws Fault `db.*` */
  readonly accounts: (since: number, after: string, count?: number) => Promise<AccountsPage>;
  /** The newest first, also of before the start. @throws Fault `db.*` */
  readonly changes: (count: number) => Promise<readonly ChangeStatus[]>;
  /** @returns why not; undefined if it was acknowledged */
  readonly acknowledge: (alarm: string, by: string) => string | undefined;
  /** @throws Fault `config.value` */
  readonly setService: (component: string, service: Service, by: string) => Promise<void>;
  /** @returns its certificate, if it asks for one @throws Fault `config.value` */
  readonly register: (what: Registered, by: string) => Promise<CertificateIssued | undefined>;
  /** @throws Fault `config.value` */
  readonly certify: (what: Certified, by: string) => Promise<CertificateIssued>;
  /** @throws Fault `config.value` */
  readonly revoke: (serial: string, reason: RevocationReason, by: string) => Promise<void>;
  readonly issued: () => readonly IssuedStatus[];
  /** @throws Fault `config.value` */
  readonly revocationList: () => CurrentList;
  /** @returns whether it was known @throws Fault `config.value` */
  readonly withdraw: (what: Component, by: string) => Promise<boolean>;
  /** @param routes KMs between, for each; undefined: the controller finds them again @throws Fault `config.value` */
  readonly setRoutes: (
    ends: readonly [string, string],
    routes: readonly (readonly string[])[] | undefined,
    by: string,
  ) => Promise<void>;
  /** @throws Fault `config.value` */
  readonly relay: (ends: readonly [string, string], bits: number, by: string) => void;
  /** @throws Fault `config.value` */
  readonly endSession: (session: string, by: string) => Promise<void>;
}

/** Accounts come in pages: all of them may be millions. */
export interface AccountsPage {
  /** The oldest first. */
  readonly accounts: readonly AccountRecord[];
  /** Where the next page begins; absent: this is the last. */
  readonly next?: string;
}

/** What is registered: a key manager or an application (IMDA RS QKDN §7.4). */
export interface Component {
  readonly kind: "km" | "application";
  readonly id: string;
}

/** What is certified. */
export interface Certified extends Component {
  /** PKCS #10 in PEM: of it the key counts. */
  readonly request: string;
  /** Names in the certificate beside the ID. */
  readonly names?: readonly string[];
}

export interface Registered extends Component, Partial<Pick<Certified, "request" | "names">> {
  /** Of an application: the KM that serves it, and its class of service. */
  readonly km?: string;
  readonly class?: string;
}

/** What is answered from the start. */
export interface LocalParts {
  readonly logs: LogRing;
  readonly history: EventHistory;
  readonly clock: Clock;
  readonly log: Log;
}

/** The tables that are asked for here. */
export type AskedTables = ShownTables & CertificateTables & ConfigFile;

type Args = LocalRequest["args"];

/** Accounts of an answer without pages: some 3 MB. */
const mostAccounts = 10_000;
const longestId = 128;
/** `KM1--KM2`: what is in quotes there has an escape for each quote. */
const longestName = 2 * (2 * longestId + 2) + 2;
/** Names of one certificate. */
const mostNames = 16;
/** Routes of a pair, and KMs on one. */
const mostRoutes = 16;

/** Where systemd has the controller make its control socket. */
export const standardSocket = "/run/qkd-controller/control";

/** Where a client looks for the control socket, the likeliest place first. */
export function controllerSockets({
  controller,
  local,
}: {
  readonly controller: Pick<ControllerTable, "state_dir">;
  readonly local: LocalTable;
}): readonly string[] {
  return socketsOf(local.socket, controller.state_dir, standardSocket);
}

export interface ControllerLocal extends DaemonLocal {
  /** The store is open: from now on all is answered. */
  serve(controller: ControllerOfLocal): void;
}

export function createControllerLocal(config: AskedTables, parts: LocalParts): ControllerLocal {
  const { clock, log } = parts;
  const api = new ControllerApi(config, parts);
  const local = daemonLocal({
    ...config.local,
    socket: config.local.socket,
    stateDir: config.controller.state_dir,
    answer: (request, caller) => api.answer(request, caller),
    clock,
    log,
  });
  return { ...local, serve: (controller) => api.serve(controller) };
}

class ControllerApi {
  readonly #config: AskedTables;
  readonly #parts: LocalParts;
  #controller: ControllerOfLocal | undefined;

  constructor(config: AskedTables, parts: LocalParts) {
    this.#config = config;
    this.#parts = parts;
  }

  serve(controller: ControllerOfLocal): void {
    this.#controller = controller;
  }

  /** @throws LocalError while it starts */
  get #open(): ControllerOfLocal {
    if (this.#controller !== undefined) return this.#controller;
    throw new LocalError("not_available", "the controller is starting: its store is being opened");
  }

  /** @throws LocalError */
  async answer({ do: name, args }: LocalRequest, caller: Caller): Promise<LocalAnswer> {
    const { clock, logs, history } = this.#parts;
    const config = this.#config;
    switch (name) {
      case "logs": {
        const lines = logs.after(0, countIn(args.n, 50, 2_000));
        return { data: { lines: lines.map(({ line }) => line) } };
      }
      case "events":
        return { data: { events: history.recent(countIn(args.n, 50, 1_024)) } };
      case "certs":
        return { data: { certificates: describeCertificates(config, clock.wall()) } };
      case "config":
        return { data: { file: config.file, table: runningTable(config) } };
      case "status":
        return { data: partOf(this.#open.status(), args.part) };
      case "metrics":
        return { data: this.#open.metrics() };
      case "alarms":
        return { data: this.#open.status().alarms };
      case "links":
        return { data: listOf(this.#open.status(), "links") };
      case "accounting":
        return { data: await tried(() => this.#accounts(args)) };
      case "changes":
        return { data: await tried(() => this.#open.changes(countIn(args.n, 200, 10_000))) };
      case "acknowledge_alarm":
        return {
          data: await acknowledgeFor(caller, args.alarm, (...order) =>
            this.#open.acknowledge(...order),
          ),
        };
      case "set_service":
        return { data: await this.#setService(args, caller) };
      case "register":
      case "withdraw":
      case "certify":
        return { data: await this.#admit(name, args, caller) };
      case "revoke":
        return { data: await this.#revoke(args, caller) };
      case "issued":
        return { data: this.#open.issued() };
      case "revocation_list":
        return { data: await tried(() => this.#open.revocationList()) };
      case "set_routes":
        return { data: await this.#setRoutes(args, caller) };
      case "relay":
        return { data: await this.#relay(args, caller) };
      case "end_session":
        return { data: await this.#endSession(args, caller) };
      default:
        throw new LocalError("not_available", "the controller does not have this");
    }
  }

  /** One that does not ask for pages is told all, or that it is too much. @throws Fault `db.*`; LocalError */
  async #accounts({ since, after }: Args): Promise<object> {
    const from = timeIn(since);
    if (typeof after === "string") return this.#open.accounts(from, after);
    const { accounts, next } = await this.#open.accounts(from, "", mostAccounts);
    if (next === undefined) return accounts;
    const text = "more accounts than one answer holds: ask from a later time on, or for pages";
    throw new LocalError("refused", text);
  }

  async #setService({ component, service }: Args, caller: Caller): Promise<object> {
    mayAct(caller);
    if (!isService(service)) {
      throw new LocalError("bad_request", `service is one of ${services.join(", ")}`);
    }
    const id = idIn(component, "component", longestName);
    const by = await nameOf(caller);
    await tried(() => this.#open.setService(id, service, by));
    return { component: id, service };
  }

  async #admit(
    does: "register" | "withdraw" | "certify",
    args: Args,
    caller: Caller,
  ): Promise<object> {
    mayAct(caller);
    const { kind } = args;
    if (kind !== "km" && kind !== "application") {
      throw new LocalError("bad_request", "kind is km or application");
    }
    const what = {
      kind,
      id: idIn(args.id, "id"),
      ...(args.km !== undefined && { km: idIn(args.km, "km") }),
      ...(args.class !== undefined && { class: idIn(args.class, "class") }),
    } as const;
    const by = await nameOf(caller);
    const more = { ...(args.names !== undefined && { names: namesIn(args.names) }) };
    const request = does === "withdraw" ? undefined : requestIn(args.request, does === "certify");
    const result = await tried(async () => {
      if (does === "withdraw") return { known: await this.#open.withdraw(what, by) };
      if (request === undefined) return this.#open.register(what, by);
      return this.#open[does]({ ...what, ...more, request }, by);
    });
    return { ...what, ...result };
  }

  async #revoke(args: Args, caller: Caller): Promise<object> {
    mayAct(caller);
    const serial = idIn(args.serial, "serial");
    const { reason = "unspecified" } = args;
    if (!isReason(reason)) {
      const reasons = Object.keys(revocationReasons).join(", ");
      throw new LocalError("bad_request", `reason is one of ${reasons}`);
    }
    const by = await nameOf(caller);
    await tried(() => this.#open.revoke(serial, reason, by));
    return { serial, reason };
  }

  async #setRoutes(args: Args, caller: Caller): Promise<object> {
    mayAct(caller);
    const ends = endsIn(args);
    const { routes } = args;
    // `km-b,km-c;km-d`: two routes; an empty one is the direct link.
    const wanted =
      typeof routes === "string"
        ? routes.split(";").map((route) => route.split(",").filter((km) => km !== ""))
        : undefined;
    if ((wanted?.length ?? 0) > mostRoutes) {
      throw new LocalError("bad_request", `at most ${mostRoutes} routes`);
    }
    const by = await nameOf(caller);
    await tried(() => this.#open.setRoutes(ends, wanted, by));
    return { a: ends[0], b: ends[1], ...(wanted && { routes: wanted }) };
  }

  async #relay(args: Args, caller: Caller): Promise<object> {
    mayAct(caller);
    const ends = endsIn(args);
    const { bits } = args;
    if (typeof bits !== "number") throw new LocalError("bad_request", "bits is a number");
    const by = await nameOf(caller);
    await tried(() => this.#open.relay(ends, bits, by));
    return { a: ends[0], b: ends[1], bits };
  }

  async #endSession(args: Args, caller: Caller): Promise<object> {
    mayAct(caller);
    const session = idIn(args.session, "session");
    const by = await nameOf(caller);
    await tried(() => this.#open.endSession(session, by));
    return { session };
  }
}

function isService(value: unknown): value is Service {
  return services.some((one) => one === value);
}

function isReason(value: unknown): value is RevocationReason {
  return typeof value === "string" && Object.hasOwn(revocationReasons, value);
}

/** @throws LocalError */
function requestIn(value: unknown, mustBe: boolean): string | undefined {
  if (typeof value === "string" || (value === undefined && !mustBe)) return value;
  throw new LocalError("bad_request", "request is a certificate request in PEM");
}

/** `a,b`: names in a certificate. @throws LocalError */
function namesIn(value: unknown): string[] {
  const names = typeof value === "string" ? value.split(",") : [];
  if (names.length > 0 && names.length <= mostNames) return names;
  throw new LocalError("bad_request", `names are 1 to ${mostNames}, with commas between`);
}

/** @throws LocalError */
function endsIn({ a, b }: Args): readonly [string, string] {
  return [idIn(a, "a"), idIn(b, "b")];
}

/** @throws LocalError */
function idIn(value: unknown, what: string, longest = longestId): string {
  const isText = typeof value === "string" && !/\p{Cc}/u.test(value);
  if (isText && value.length >= 1 && !isLonger(value, longest)) return value;
  const said = `${what} is a text of 1 to ${longest} characters, none of them a control character`;
  throw new LocalError("bad_request", said);
}

/** @returns ms since 1970 UTC; 0 if none was given @throws LocalError */
function timeIn(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new LocalError("bad_request", "since is a time in ms since 1970");
}

/** @throws LocalError */
async function tried<T>(act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    // It may be done: the fault says so.
    if (error.code.startsWith("db.")) throw new LocalError("io", describe(error));
    const code = error.code === "config.value" ? "bad_request" : "refused";
    throw new LocalError(code, `nothing was done: ${describe(error)}`);
  }
}
