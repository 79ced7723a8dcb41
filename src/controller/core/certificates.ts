/**
 * Issues certificates to components that are registered, and takes them back (IMDA RS QKDN §7.4): what was taken back is
 * on a list that key managers are told, until the certificate has run out.
 */
import { Fault } from "../../base/errors.ts";
import type { RevocationReason } from "../../host/tls/issue.ts";
import type { CkExtension } from "../../wire/ck/messages.ts";
import { revocationExtensions } from "../../wire/ck/revocations.ts";
import { type Authority, IssuedCertificates, type IssuedStatus, most } from "../access/issuing.ts";
import type { ComponentKind, Repository } from "../access/repository.ts";
import type { Topology } from "../topology/topology.ts";
import type { News } from "./news.ts";
import type { ControllerWorld, Saved } from "./world.ts";

export interface CertificatesParts {
  readonly authority: Authority | undefined;
  readonly world: ControllerWorld;
  readonly repository: Repository;
  readonly topology: Pick<Topology, "nodes">;
  readonly news: News;
  readonly isActive: () => boolean;
}

/** What was found good to be certified. */
export interface CertificateWanted {
  readonly kind: ComponentKind;
  readonly id: string;
  readonly names: readonly string[];
  readonly publicKey: Uint8Array;
}

export interface CertificateIssued {
  /** Hexadecimal. */
  readonly serial: string;
  /** PEM */
  readonly certificate: string;
  /** RFC 3339 */
  readonly not_after: string;
}

export interface CurrentList {
  readonly number: number;
  /** PEM */
  readonly pem: string;
}

/** Clocks of others may be late by so much, ms. */
const clockMs = 300_000;
/** RFC 5280, ub-common-name. */
const longestCommonName = 64;
/** Bytes of a serial number: 78 bits are drawn. */
const serialBytes = 10;
const listId = "own";

export class Certificates {
  readonly #parts: CertificatesParts;
  readonly #issued: IssuedCertificates;
  #number: number;
  #list: (CurrentList & { readonly from: number }) | undefined;
  /** Number of the list that each KM was told, since it is connected. */
  readonly #told = new Map<string, number>();

  constructor(parts: CertificatesParts, saved: Pick<Saved, "certificate" | "list">) {
    this.#parts = parts;
    this.#issued = new IssuedCertificates(saved.certificate);
    this.#number = saved.list.get(listId)?.number ?? 0;
    // What the controller before told last is told again: it may have been put out before all heard it.
    this.tick();
  }

  /** The list of now; undefined: there is no authority, or this controller stands by. */
  get list(): CurrentList | undefined {
    return this.#parts.isActive() ? this.#list : undefined;
  }

  /**
   * Checks what is to be certified; that the component is registered is checked by {@link issue}.
   * @param request PKCS #10 in PEM: of it the key alone counts @param more names beside the ID
   * @throws Fault `config.value`
   */
  wanted(
    kind: ComponentKind,
    id: string,
    request: string,
    more: readonly string[] = [],
  ): CertificateWanted {
    const authority = this.#authority;
    const publicKey = authority.request(request);
    // An ID that is no name is the common name, which counts for applications where there is no other.
    const names = [...new Set(authority.isName(id) ? [id, ...more] : more)];
    if (names.length === 0 && (kind === "km" || id.length > longestCommonName)) {
      throw refused("its ID cannot be a name of a certificate: give one", { id });
    }
    for (const name of names) this.#checkName(kind, id, name);
    return { kind, id, names, publicKey };
  }

  /** What is registered may not be named in a certificate of another. @throws Fault `config.value` */
  checkHolder(kind: ComponentKind, id: string): void {
    const holder = this.#issued.holder(id, this.#parts.world.wall());
    if (holder === undefined || (holder.kind === kind && holder.id === id)) return;
    throw refused("another component has a certificate with this name", { id: holder.id });
  }

  /** @throws Fault `config.value` if it is not registered, or has too many */
  issue({ kind, id, names, publicKey }: CertificateWanted, by: string): CertificateIssued {
    const { world, repository, news } = this.#parts;
    const authority = this.#authority;
    const isKnown = kind === "km" ? repository.mayAttach(id) : repository.application(id);
    if (!isKnown) throw refused("it is not registered", { id });
    const wall = world.wall();
    if (this.#issued.goodOf(kind, id, wall).length >= most.ofOne) {
      throw refused("it has many good certificates: revoke some", { id, limit: most.ofOne });
    }
    // Where there is no room, what has run out by the clock of now makes some.
    if (this.#issued.size >= most.records) this.#forget(this.#issued.runOut(wall));
    if (this.#issued.size >= most.records) {
      throw refused("there are too many certificates", { limit: most.records });
    }
    const to = Math.min(wall + authority.lifeMs, authority.until);
    if (to <= wall) throw refused("the authority's own certificate has run out", {});
    const serial = world.random(serialBytes);
    // Positive, and never 0.
    serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
    const name = serial.toString("hex");
    const from = wall - clockMs;
    const certificate = authority.certificate({
      publicKey,
      commonName: id.length > longestCommonName ? name : id,
      names,
      usage: kind === "km" ? "both" : "client",
      serial,
      from,
      to,
    });
    const record = { kind, id, names, from, to, by };
    this.#issued.set(name, record);
    world.save("certificate", name, record);
    const until = new Date(to).toISOString();
    news.tell("policy", id, `certificate ${name} issued until ${until}, by ${by}`);
    return { serial: name, certificate, not_after: until };
  }

  /** @param serial hexadecimal @throws Fault `config.value` if there is none, or it is taken back already */
  revoke(serial: string, reason: RevocationReason, by: string): void {
    const known = serial.toLowerCase().replaceAll(":", "");
    const { world } = this.#parts;
    void this.#authority;
    const record = this.#issued.get(known);
    if (record === undefined) throw refused("there is no certificate of this serial number", {});
    if (record.revoked !== undefined) throw refused("it is revoked already", { serial: known });
    this.#revoke(known, reason, by);
    this.#makeList(world.wall());
  }

  /** All that a component has: it was taken back itself. */
  withdrawn(kind: ComponentKind, id: string, by: string): void {
    const wall = this.#parts.world.wall();
    const good = this.#issued.goodOf(kind, id, wall);
    for (const serial of good) this.#revoke(serial, "cessation_of_operation", by);
    if (good.length > 0) this.#makeList(wall);
  }

  /** What a KM has not been told yet, with the answer to its report. */
  tell(km: string): readonly CkExtension[] {
    const { list } = this;
    if (list === undefined || this.#told.get(km) === list.number) return [];
    this.#told.set(km, list.number);
    const der = Buffer.from(list.pem.replace(/-----[^-]+-----/g, ""), "base64");
    return revocationExtensions({ number: list.number, der });
  }

  /** A KM is connected anew, or may not have taken in what it was told. */
  forgot(km: string): void {
    this.#told.delete(km);
  }

  /** Now and then: a list is made anew when half of its time is over. */
  tick(): void {
    const { authority, world, isActive } = this.#parts;
    if (authority === undefined || !isActive()) return;
    const wall = world.wall();
    this.#forget(this.#issued.runOut(wall, world.now()));
    const { from = 0 } = this.#list ?? {};
    const isDue = wall - from > authority.listMs / 2 || wall < from;
    if (isDue) this.#makeList(wall);
  }

  #forget(serials: readonly string[]): void {
    this.#issued.forget(serials);
    for (const serial of serials) this.#parts.world.save("certificate", serial, undefined);
  }

  /** Of which components certificates run out. @param withinMs at the latest */
  expiring(withinMs: number): ReturnType<IssuedCertificates["expiring"]> {
    if (!this.#parts.isActive()) return [];
    return this.#issued.expiring(this.#parts.world.wall(), withinMs);
  }

  /** The newest first. */
  status(): IssuedStatus[] {
    return this.#issued.status(this.#parts.world.wall());
  }

  /** @throws Fault `config.value` if there is none */
  get #authority(): Authority {
    const { authority } = this.#parts;
    if (authority !== undefined) return authority;
    throw refused("this controller has no authority: [access.ca] is not configured", {});
  }

  /** What names one component must not let in another: an application that is taken for a key manager. */
  #checkName(kind: ComponentKind, id: string, name: string): void {
    const { repository, topology, world } = this.#parts;
    if (!this.#authority.isName(name)) throw refused("no name for a certificate", { name });
    const isOther = (of: ComponentKind) => of !== kind || name !== id;
    const ofKm =
      repository.isKmName(name, kind === "km" ? id : undefined) || topology.nodes.has(name);
    const ofApplication = repository.application(name) !== undefined;
    const holder = this.#issued.holder(name, world.wall());
    const isHeld = holder !== undefined && (holder.kind !== kind || holder.id !== id);
    if ((ofKm && isOther("km")) || (ofApplication && isOther("application")) || isHeld) {
      throw refused("another component has this name", { name });
    }
  }

  #revoke(serial: string, reason: RevocationReason, by: string): void {
    const { world, news } = this.#parts;
    const record = this.#issued.get(serial);
    if (record === undefined) return;
    const revoked = { ...record, revoked: { at: world.wall(), by, reason } };
    this.#issued.set(serial, revoked);
    world.save("certificate", serial, revoked);
    const why = reason.replaceAll("_", " ");
    news.tell("policy", record.id, `certificate ${serial} revoked (${why}), by ${by}`);
  }

  #makeList(wall: number): void {
    const { authority, world } = this.#parts;
    if (authority === undefined) return;
    const number = ++this.#number;
    const to = wall + authority.listMs;
    const list = { number, revoked: this.#issued.revoked(), from: wall, to };
    this.#list = { number, pem: authority.list(list), from: wall };
    world.save("list", listId, { number });
  }
}

function refused(why: string, facts: Readonly<Record<string, string | number>>): Fault {
  return new Fault("config.value", why, facts);
}
