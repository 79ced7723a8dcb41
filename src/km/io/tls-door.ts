/**
 * Who may connect to this KM, and how many: places for connections, and certificates that are checked when
 * they come and again. Used by both bindings of Kq-1.
 */
import type { Socket } from "node:net";
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { Allowance } from "../../base/bucket.ts";
import type { Clock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Places } from "../../host/door/places.ts";
import { sourceOf } from "../../host/door/source.ts";
import { TlsClients } from "../../host/tls/clients.ts";
import { certifiedNames, type MoreNames } from "../../host/tls/names.ts";
import { noCommonGroup, type TlsTexts } from "../../host/tls/options.ts";

/** PEM texts: who may be a node, and who this KM is. */
export interface ServerTexts extends TlsTexts {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Times after which a connection is ended, ms. */
export interface DoorTimes {
  /** A handshake is complete. */
  readonly handshake: number;
  /** A message or request that has begun is complete. */
  readonly message: number;
  /** A node takes some of the answers that wait for it. */
  readonly unread: number;
  /** Over HTTPS: the next request comes. */
  readonly idle: number;
}

export const standardTimes: DoorTimes = {
  handshake: 10_000,
  message: 10_000,
  unread: 10_000,
  idle: 120_000,
};

export interface DoorPlaces {
  /** Connections in their handshake, of all sources and of one. */
  readonly strangers?: number;
  readonly strangersOfOne?: number;
  /** New connections of one source that nothing comes of. */
  readonly rate?: Allowance;
  /** Connections that have a place, of all clients and of one. */
  readonly kept: number;
  readonly keptOfOne: number;
  /** What counts in a certificate beside DNS names and addresses. */
  readonly names?: MoreNames;
}

/** Connections in their handshake, and of nodes: over HTTPS one has several for each of its modules. */
const places = {
  strangers: 32,
  strangersOfOne: 16,
  kept: 512,
  keptOfOne: 192,
  rate: { burst: 128, refillMs: 100 },
} as const;

/** A client that was let in. */
export interface Admitted {
  /** Subject alternative names of its certificate; undefined on plain TCP. */
  readonly names: readonly string[] | undefined;
  /** Where it comes from, for logs. */
  readonly source: string;
}

export class TlsDoor {
  readonly #tls: ServerTexts | undefined;
  readonly #places: Places;
  readonly #clients: TlsClients | undefined;
  readonly #limit: LogLimit;

  readonly #names: MoreNames;

  /** @param tls undefined: plain TCP @param more than nodes need @throws CrlError */
  constructor(tls: ServerTexts | undefined, clock: Clock, log: Log, more?: DoorPlaces) {
    this.#tls = tls;
    this.#places = new Places({ ...places, ...more, clock });
    this.#names = more?.names ?? {};
    this.#limit = LogLimit.of(log, clock);
    this.#clients = tls && new TlsClients(tls, clock, log);
  }

  /** Connections that a server should take at most. */
  get most(): number {
    return this.#places.most;
  }

  /** Groups of TLS's key exchanges: of now, or of the last connection. */
  get keyExchanges(): readonly string[] {
    return this.#clients?.groups ?? [];
  }

  /** A connection came. @returns false if it was cut off */
  enter(socket: Socket): boolean {
    const source = sourceOf(socket.remoteAddress);
    if (this.#places.enter(socket)) return true;
    this.#limit.warn(source, "too many connections");
    return false;
  }

  /** Gives a client whose handshake is complete its place. @returns undefined if it was cut off */
  admit(socket: TLSSocket): Admitted | undefined {
    this.#clients?.admit(socket);
    if (socket.destroyed) return undefined;
    const certificate: PeerCertificate = socket.getPeerCertificate();
    const source = sourceOf(socket.remoteAddress);
    if (!this.keep(socket, certificate.fingerprint256, source)) return undefined;
    return { names: certifiedNames(certificate, this.#names), source };
  }

  /** The connection has shown that it is wanted. @returns false if it was cut off, since there are too many */
  keep(socket: Socket, who: string, source: string): boolean {
    if (this.#places.keep(socket, who)) {
      this.#places.wanted(socket);
      return true;
    }
    this.#limit.warn(source, "too many connections of one client");
    socket.destroy();
    return false;
  }

  /** A handshake came to nothing. */
  refused(error: Error, socket: Socket): void {
    const cause = noCommonGroup(error, this.#tls) ?? errorCode(error) ?? "other";
    this.#limit.warn(sourceOf(socket.remoteAddress), "TLS handshake refused", { cause });
  }

  /** Checks clients by these from now on, also those that are connected. @throws CrlError */
  renew(tls: ServerTexts): void {
    this.#clients?.renew(tls);
  }

  /** Checks clients that are connected again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#clients?.recheck();
  }
}
