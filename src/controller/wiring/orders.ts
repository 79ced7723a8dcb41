/** What operators and managers order of the network: done when it is kept. */
import { Fault } from "../../base/errors.ts";
import type { RevocationReason } from "../../host/tls/issue.ts";
import type { IssuedStatus } from "../access/issuing.ts";
import type { CertificateIssued, CurrentList } from "../core/certificates.ts";
import type { Controller } from "../core/controller.ts";
import type { Store } from "../io/store/store.ts";
import type { AccountsPage, Certified, Component, Registered } from "../local/local.ts";
import type { Service } from "../model/status.ts";
import type { Leading } from "./leading.ts";

export interface OrderParts {
  /** The core of now. */
  readonly core: () => Controller;
  readonly store: Pick<Store, "settled">;
  /** Accounts that are kept: see `Leading.accounts`. */
  readonly accounts: Leading["accounts"];
  /** Who is connected may not be let in any more. */
  readonly recheck: () => void;
}

/** Records of one page, some 200 kB: of many who read at once all have one, and none is refused in the middle. */
const accountsOfPage = 500;
/** From then on (2001) the start of a period has 13 digits: as texts they are in order, ms since 1970 UTC. */
const firstSorted = 1_000_000_000_000;

export class Orders {
  readonly #parts: OrderParts;

  constructor(parts: OrderParts) {
    this.#parts = parts;
  }

  /** @throws Fault `config.value`; `db.io` if it cannot be kept */
  async setService(component: string, service: Service, by: string): Promise<void> {
    this.#leading.setService(component, service, by);
    await this.#kept();
  }

  /**
   * @returns its certificate, if it asks for one
   * @throws Fault `config.value`; `db.io` if it cannot be kept: it has no certificate then
   */
  async register(
    { kind, id, request, names, ...more }: Registered,
    by: string,
  ): Promise<CertificateIssued | undefined> {
    const core = this.#leading;
    const wanted =
      request === undefined ? undefined : core.certificates.wanted(kind, id, request, names);
    core.register(kind, id, by, more);
    const issued = wanted && core.certificates.issue(wanted, by);
    await this.#kept();
    return issued;
  }

  /** Another certificate for who is registered. @throws Fault as {@link register} */
  async certify({ kind, id, request, names }: Certified, by: string): Promise<CertificateIssued> {
    const { certificates } = this.#leading;
    const issued = certificates.issue(certificates.wanted(kind, id, request, names), by);
    await this.#kept();
    return issued;
  }

  /** @param serial hexadecimal @throws Fault as {@link register} */
  async revoke(serial: string, reason: RevocationReason, by: string): Promise<void> {
    this.#leading.certificates.revoke(serial, reason, by);
    this.#parts.recheck();
    await this.#kept();
  }

  /** Certificates that were issued, the newest first. */
  issued(): readonly IssuedStatus[] {
    return this.#parts.core().certificates.status();
  }

  /** @throws Fault `config.value` if there is no authority, or another controller leads */
  revocationList(): CurrentList {
    const { list } = this.#leading.certificates;
    if (list !== undefined) return list;
    throw new Fault("config.value", "this controller has no authority: see [access.ca]");
  }

  /**
   * It may not connect or be served any more, and is cut off.
   * @returns whether it was known @throws Fault as {@link register}
   */
  async withdraw({ kind, id }: Component, by: string): Promise<boolean> {
    const isKnown = this.#leading.revoke(kind, id, by);
    this.#parts.recheck();
    await this.#kept();
    return isKnown;
  }

  /**
   * Which ways the keys of two nodes go and no others.
   * @param routes KMs between, for each; undefined: the controller finds them again @throws Fault as {@link register}
   */
  async setRoutes(
    [one, other]: readonly [string, string],
    routes: readonly (readonly string[])[] | undefined,
    by: string,
  ): Promise<void> {
    this.#leading.setRoutes(
      one,
      other,
      routes?.map((route) => [one, ...route, other]),
      by,
    );
    await this.#kept();
  }

  /** Relays so many bits between two nodes. @throws Fault `config.value` */
  relay([one, other]: readonly [string, string], bits: number, by: string): void {
    this.#leading.orderRelay(one, other, bits, by);
  }

  /** @throws Fault `config.value` if there is no such session */
  async endSession(session: string, by: string): Promise<void> {
    if (!this.#leading.endSession(session, by)) {
      throw new Fault("config.value", "there is no open session of this ID", { source: by });
    }
    await this.#kept();
  }

  /**
   * A page of what was used, the oldest first; what was counted up to now is kept before the first.
   * @param since ms since 1970 UTC @param after as the page before said; empty: the first @param count of a page
   * @throws Fault `db.*`
   */
  async accounts(since: number, after: string, count = accountsOfPage): Promise<AccountsPage> {
    const core = this.#parts.core();
    if (after === "" && core.role === "active") core.flush();
    const first = after === "" && since >= firstSorted ? `${Math.floor(since)}` : after;
    const page = await this.#parts.accounts(first, count);
    const next = page.length < count ? undefined : page.at(-1)?.id;
    const accounts = page.map(({ account }) => account).filter(({ from }) => from >= since);
    return { accounts, ...(next !== undefined && { next }) };
  }

  /** @throws Fault `config.value` while another controller leads: what is kept is that one's */
  get #leading(): Controller {
    const core = this.#parts.core();
    if (core.role === "active") return core;
    throw new Fault("config.value", "another controller leads: ask that one");
  }

  async #kept(): Promise<void> {
    const { store } = this.#parts;
    if (await store.settled()) return;
    throw new Fault("db.io", "it is done, but a restart would forget it: the store is away");
  }
}
