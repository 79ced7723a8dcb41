/** Keys for encryptors over SKIP: the door, and the pre-shared keys of those that may ask. */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { ApplicationKeys } from "../applications/keys.ts";
import type { KmTable, SkipTable } from "../config/tables.ts";
import { SkipClients } from "../io/skip-clients.ts";
import { SkipServer } from "../io/skip-server.ts";
import type { KeyStore } from "../store/port.ts";
import type { Applications } from "./applications.ts";

/** How often files are looked at, ms. */
const lookEvery = 60_000;

export interface SkipParts {
  readonly config: { readonly km: KmTable; readonly skip?: SkipTable | undefined };
  readonly applications: Applications;
  /** Where applications are given keys, over whatever door. */
  readonly keys: ApplicationKeys;
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly log: Log;
}

export class SkipDelivery {
  readonly #parts: SkipParts;
  readonly #door: SkipTable;
  readonly #clients: SkipClients;
  readonly #server: SkipServer;
  readonly #looking: Timer;

  /** @returns undefined if no door is configured @throws Fault if a pre-shared key is no good */
  static make(parts: SkipParts): SkipDelivery | undefined {
    const { skip } = parts.config;
    return skip && new SkipDelivery(parts, skip);
  }

  private constructor(parts: SkipParts, door: SkipTable) {
    this.#parts = parts;
    this.#door = door;
    const { config, applications, keys, store, clock, log } = parts;
    const table = () => applications.table;
    this.#clients = new SkipClients(config.km.id, table);
    const [fault] = this.#clients.load();
    if (fault !== undefined) throw fault;
    const clients = this.#clients;
    this.#server = new SkipServer({ ...door, clients, keys, table, store, clock, log });
    this.#looking = every(clock, lookEvery, () => this.look());
  }

  /** Encryptors may ask from now on. @throws Fault `web.listen` */
  async listen(): Promise<void> {
    const port = await this.#server.listen();
    this.#parts.log.info("keys over SKIP", { host: this.#door.host, port });
  }

  /** Goes by the applications and the pre-shared keys of now, also for those that are connected. */
  look(): void {
    for (const fault of this.#clients.load()) this.#parts.log.warn(describe(fault));
    this.#server.recheck();
  }

  close(): Promise<void> {
    this.#looking.cancel();
    return this.#server.close();
  }
}
