/** HTTPS with certificates at both ends, as nodes and applications come in by it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { errorCode, Fault, type FaultCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { OrderlyClose } from "../../host/http/orderly-close.ts";
import { HttpServer } from "../../host/http/server.ts";
import { unusableFault } from "../../host/tls/credentials.ts";
import { lastAnswers } from "./last-answers.ts";
import { type DoorPlaces, type DoorTimes, type ServerTexts, TlsDoor } from "./tls-door.ts";

export interface HttpsDoorOptions {
  /** As logs and faults name it. */
  readonly name: string;
  /** Of the fault when it cannot listen, or its certificates cannot be used. */
  readonly code: FaultCode;
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTexts;
  readonly times: DoorTimes;
  readonly places?: DoorPlaces;
  readonly protocols?: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

export class HttpsDoor {
  readonly door: TlsDoor;
  readonly #options: HttpsDoorOptions;
  readonly #http: HttpServer;
  readonly #end: OrderlyClose;

  /** @throws Fault `code` if the certificates are no good */
  constructor(options: HttpsDoorOptions) {
    this.#options = options;
    const { name, tls, times, places, protocols, clock, log, serve } = options;
    try {
      this.door = new TlsDoor(tls, clock, log, places);
      this.#http = new HttpServer({
        tls,
        clients: true,
        times: { ...times, request: times.message, stalled: times.idle },
        most: this.door.most,
        ...(protocols && { protocols }),
        serve,
      });
    } catch (error) {
      throw unusableFault(error, tls, this.#options, "client");
    }
    const { server } = this;
    this.#end = new OrderlyClose(server, clock);
    server.on("connection", (socket: Socket) => this.door.enter(socket));
    server.on("tlsClientError", (error: Error, socket: TLSSocket) =>
      this.door.refused(error, socket),
    );
    server.on("error", (error: NodeJS.ErrnoException) => {
      log.warn(name, { cause: error.code ?? "other" });
    });
  }

  /** For events of its connections. */
  get server(): HttpServer["server"] {
    return this.#http.server;
  }

  /** Groups of TLS's key exchanges: of now, or of the last connection. */
  get keyExchanges(): readonly string[] {
    return this.door.keyExchanges;
  }

  /** @returns the port @throws Fault `code` */
  async listen(): Promise<number> {
    const { name, code: fault, host, port } = this.#options;
    try {
      return (await this.#http.listen(host, port)).port;
    } catch (error) {
      const code = errorCode(error) ?? "unknown";
      throw new Fault(fault, `${name} cannot listen`, { host, port, code });
    }
  }

  /** New connections are shown these; open ones are checked by them. @throws Fault `code` */
  renew(tls: ServerTexts): void {
    try {
      this.door.renew(tls);
      this.#http.renew(tls);
    } catch (error) {
      throw unusableFault(error, tls, this.#options, "client");
    }
  }

  /** Checks the connections that are open again: certificates and lists run out by themselves. */
  recheck(): void {
    this.door.recheck();
  }

  /** Who has asked is answered first. */
  closeAnswered(): Promise<void> {
    return lastAnswers(this.#end, this.#options.log);
  }

  async close(): Promise<void> {
    await this.#end.close(0);
  }
}
