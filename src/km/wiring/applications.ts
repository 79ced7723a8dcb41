/** Keys for applications: who may ask, over which door, for keys of which links. */
import { randomBytes, randomUUID } from "node:crypto";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { ConfigError } from "../../host/config/problems.ts";
import { KeptCredentials } from "../../host/tls/credentials.ts";
import { ApplicationKeys, type KeysOptions, type More } from "../applications/keys.ts";
import { KeysInSession } from "../applications/keys-in-session.ts";
import { Mailboxes } from "../applications/mailboxes.ts";
import { ProactiveSupply } from "../applications/proactive.ts";
import { type Application, ApplicationTable } from "../applications/table.ts";
import type { Etsi014Table, KmTable } from "../config/tables.ts";
import type { KeySessions } from "../controllers/sessions.ts";
import { Etsi014Server } from "../io/etsi014-server.ts";
import { NoticeDoor } from "../io/notice-door.ts";
import type { ServerTexts } from "../io/tls-door.ts";
import type { KeyStore } from "../store/port.ts";
import { joinRanges } from "../store/ranges.ts";
import { mostSlaves } from "../store/sae-set.ts";
import type { LinkOfKm } from "./links.ts";

/** How often keys are prepared, ms: beside each request. */
const tickMs = 100;

/** The table of applications, as it is now. */
export class Applications {
  readonly #me: string;
  #table: ApplicationTable;
  /** As the configuration has them. */
  list: readonly Application[];

  constructor({
    km,
    applications,
  }: {
    readonly km: KmTable;
    readonly applications: readonly Application[];
  }) {
    this.#me = km.id;
    this.list = applications;
    this.#table = new ApplicationTable(this.#me, applications);
  }

  /** SAE IDs of those of this KM. */
  get own(): string[] {
    return this.list.flatMap(({ id, km }) => (km === this.#me ? [id] : []));
  }

  get table(): ApplicationTable {
    return this.#table;
  }

  /** Others from now on: what is bound already stays with its applications. */
  replace(applications: readonly Application[]): void {
    this.list = applications;
    this.#table = new ApplicationTable(this.#me, applications);
  }
}

export interface DeliveryParts {
  readonly config: { readonly km: KmTable; readonly etsi014?: Etsi014Table | undefined };
  readonly applications: Applications;
  readonly links: readonly LinkOfKm[];
  /** PEM of lists that controllers told. */
  readonly told?: () => string | undefined;
  /** See `KeysOptions.session`. */
  readonly session?: KeysOptions["session"];
  /** Of the controllers: they are there before applications may ask. */
  readonly sessions: () => KeySessions;
  /** What relays more stock to a link, if anything does. */
  readonly more: (link: string) => More | undefined;
  readonly store: KeyStore;
  /** See `KeysOptions.isStalled`. */
  readonly isStalled: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** The door of applications. */
export class KeyDelivery {
  readonly keys: ApplicationKeys;
  readonly proactive: ProactiveSupply;
  readonly #parts: DeliveryParts;
  readonly #credentials: KeptCredentials;
  readonly #server: Etsi014Server;
  readonly #ticking: Timer;
  readonly #mailboxes: Mailboxes;

  /** @returns undefined if no door is configured @throws Fault */
  static make(parts: DeliveryParts): KeyDelivery | undefined {
    const { etsi014 } = parts.config;
    return etsi014 && new KeyDelivery(parts, etsi014);
  }

  private constructor(parts: DeliveryParts, door: Etsi014Table) {
    this.#parts = parts;
    this.#credentials = new KeptCredentials(door, "config.file");
    const { config, applications, links, more, session, sessions, store, isStalled, clock, log } =
      parts;
    const { host, port, key_bits, min_key_bits, max_key_bits, max_keys } = door;
    const table = () => applications.table;
    this.#mailboxes = new Mailboxes({
      now: () => clock.now(),
      after: (ms, fn) => clock.after(ms, fn),
      newId: randomUUID,
    });
    this.proactive = new ProactiveSupply({
      mailboxes: this.#mailboxes,
      sessions,
      within: door.answer_timeout,
      after: (ms, fn) => clock.after(ms, fn),
      random: randomBytes,
    });
    for (const link of links) {
      link.onDelivery(
        (message) => this.proactive.heard(link, message),
        () => this.proactive.down(link),
      );
    }
    this.keys = new ApplicationKeys({
      me: config.km.id,
      table,
      links,
      more,
      ...(session && { session }),
      inSession: new KeysInSession({
        proactive: this.proactive,
        forget: ({ link, uses }) =>
          store.forget(link, joinRanges(uses.flatMap((use) => use.ranges))),
      }),
      limits: {
        standard: key_bits,
        least: min_key_bits,
        most: max_key_bits,
        number: max_keys,
        saes: mostSlaves - 1,
      },
      outstanding: door.outstanding_keys,
      pickUp: Math.ceil(door.pick_up / 1_000),
      answerTimeout: door.answer_timeout,
      prepared: door.prepared_keys,
      isStalled,
      now: () => clock.now(),
      after: (ms, fn) => void clock.after(ms, fn),
    });
    this.#ticking = every(clock, tickMs, () => {
      this.keys.tick();
      this.#mailboxes.keep((id) => table().get(id)?.km === config.km.id);
    });
    const tls = this.#read();
    const keys = this.keys;
    const notices = new NoticeDoor({ mailboxes: this.#mailboxes, sessions, keys, store });
    this.#server = new Etsi014Server({ host, port, tls, keys, table, notices, store, clock, log });
  }

  #read(): ServerTexts {
    const { config, told } = this.#parts;
    return { ...this.#credentials.read(), told: told?.(), tls12: config.etsi014?.tls12 };
  }

  /** Applications may ask from now on. @throws Fault `web.listen` */
  async listen(): Promise<void> {
    const { host, tls12 = false } = this.#parts.config.etsi014 ?? {};
    const { log } = this.#parts;
    log.info("keys for applications", { host, port: await this.#server.listen() });
    if (tls12) log.warn("applications may have TLS 1.2: no quantum-safe key exchange");
  }

  /** New connections are shown what is in the files now; open ones are checked by it. @throws Fault */
  renew(): void {
    this.#server.renew(this.#read());
  }

  recheck(): void {
    this.#server.recheck();
  }

  async close(): Promise<void> {
    // Who waits for a notice has its answer.
    this.#mailboxes.close();
    await this.#server.close();
    this.#ticking.cancel();
  }
}

/**
 * Takes the tables of applications as the configuration file has them now.
 * @param read throws ConfigError if the file is wrong: they stay as they were
 */
export function rereadApplications(
  read: () => readonly Application[],
  applications: Applications,
  links: readonly Pick<LinkOfKm, "peer" | "renewPolicy">[],
  log: Log,
): void {
  try {
    const fresh = read();
    if (JSON.stringify(fresh) === JSON.stringify(applications.list)) return;
    const before = applications.table;
    applications.replace(fresh);
    for (const link of links) {
      // A session goes by who may share keys: what only this KM goes by does not end it.
      const [was, is] = [before, applications.table].map((table) => table.digest(link.peer));
      if (is !== undefined && was?.equals(is) !== true) link.renewPolicy();
    }
    log.info("applications were read anew", { applications: fresh.length });
  } catch (error) {
    const lines = error instanceof ConfigError ? error.located.join("; ") : describe(error);
    log.error("applications stay as they were: the configuration is wrong", { cause: lines });
  }
}
