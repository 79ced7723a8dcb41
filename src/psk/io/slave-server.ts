/** Where the slave hears its master: TLS 1.3 with the certificates of both applications. */
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Places } from "../../host/door/places.ts";
import { sourceOf } from "../../host/door/source.ts";
import { TlsClients } from "../../host/tls/clients.ts";
import { type CredentialFiles, readCredentials } from "../../host/tls/credentials.ts";
import { certifiedNames } from "../../host/tls/names.ts";
import { serverTls } from "../../host/tls/options.ts";
import {
  type Answer,
  longestLine,
  type Message,
  readMessage,
  writeAnswer,
} from "../rotation/messages.ts";
import { readLines } from "./lines.ts";

export interface SlaveServerOptions {
  readonly host: string;
  readonly port: number;
  /** The name that the master's certificate must carry. */
  readonly name: string;
  readonly files: CredentialFiles;
  readonly hear: (message: Message) => Promise<Answer>;
  readonly clock: Clock;
  readonly log: Log;
}

const places = {
  strangers: 8,
  strangersOfOne: 4,
  kept: 4,
  keptOfOne: 4,
  rate: { burst: 32, refillMs: 500 },
} as const;
const handshakeMs = 10_000;
/** A round is over within this. */
const roundMs = 60_000;
const renewEvery = 60_000;

export class SlaveServer {
  readonly #options: SlaveServerOptions;
  readonly #server: Server;
  readonly #clients: TlsClients;
  readonly #places: Places;
  readonly #limit: LogLimit;
  readonly #renewing: Timer;

  /** @throws Fault `psk.peer` if the certificates are no good */
  constructor(options: SlaveServerOptions) {
    this.#options = options;
    const { files, clock, log } = options;
    const tls = readCredentials(files, "psk.peer");
    this.#limit = LogLimit.of(log, clock);
    this.#places = new Places({ ...places, clock });
    this.#clients = new TlsClients(tls, clock, log);
    this.#server = createServer({ ...serverTls(tls, true), handshakeTimeout: handshakeMs });
    this.#server.maxConnections = this.#places.most;
    this.#server.on("connection", (socket: Socket) => void this.#places.enter(socket));
    this.#server.on("secureConnection", (socket) => this.#admit(socket));
    this.#server.on("tlsClientError", (error, socket) => {
      const cause = errorCode(error) ?? "other";
      this.#limit.warn(sourceOf(socket.remoteAddress), "TLS handshake refused", { cause });
    });
    this.#server.on("error", (error) => log.warn("listening", { cause: errorCode(error) }));
    this.#renewing = every(clock, renewEvery, () => this.#renew());
  }

  /** @returns the port @throws Fault `psk.peer` */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error) => {
        const facts = { host, port, code: errorCode(error) ?? "unknown" };
        reject(new Fault("psk.peer", "cannot listen for the other end", facts));
      });
      this.#server.listen({ host, port }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#renewing.cancel();
    this.#server.close();
  }

  /** Goes by the files of now; one that is half written counts a minute later. */
  #renew(): void {
    try {
      const tls = readCredentials(this.#options.files, "psk.peer");
      this.#server.setSecureContext(serverTls(tls, true));
      this.#clients.renew(tls);
    } catch (error) {
      this.#options.log.warn("certificates cannot be used", { cause: describe(error) });
    }
  }

  #admit(socket: TLSSocket): void {
    socket.on("error", () => {});
    this.#clients.admit(socket);
    if (socket.destroyed) return;
    const certificate = socket.getPeerCertificate();
    const { name, hear, log } = this.#options;
    if (!certifiedNames(certificate, { commonName: true }).includes(name)) {
      this.#limit.warn(sourceOf(socket.remoteAddress), "another than the master", { wanted: name });
      return void socket.destroy();
    }
    if (!this.#places.keep(socket, certificate.fingerprint256)) return void socket.destroy();
    this.#places.wanted(socket);
    socket.setTimeout(roundMs, () => socket.destroy());
    readLines(socket, longestLine, (line) => {
      let message: Message;
      try {
        message = readMessage(line);
      } catch {
        return void socket.destroy();
      }
      hear(message).then(
        (answer) => socket.write(writeAnswer(answer)),
        (error: unknown) => {
          log.error("defect", { error: describe(error) });
          socket.destroy();
        },
      );
    });
  }
}
