/** Where the slave hears its master: TLS 1.3 with the certificates of both applications. */
import type { Clock, Timer } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { renewing, type TlsClient, TlsListener } from "../../host/listen/tls-listener.ts";
import { type CredentialFiles, KeptCredentials } from "../../host/tls/credentials.ts";
import { certifiedNames, hasName } from "../../host/tls/names.ts";
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

export class SlaveServer {
  readonly #options: SlaveServerOptions;
  readonly #listener: TlsListener;
  readonly #limit: LogLimit;
  readonly #renewing: Timer;

  /** @throws Fault `psk.peer` if the certificates are no good */
  constructor(options: SlaveServerOptions) {
    this.#options = options;
    const { host, port, files, clock, log } = options;
    this.#limit = LogLimit.of(log, clock);
    const credentials = new KeptCredentials(files, "psk.peer");
    this.#listener = new TlsListener({
      code: "psk.peer",
      name: "tunnels' connection",
      peers: "the other end",
      host,
      port,
      tls: credentials.read(),
      protocols: [],
      handshakeMs,
      places,
      clock,
      log,
      onClient: (client) => this.#admit(client),
    });
    this.#renewing = renewing(this.#listener, credentials, { clock, log });
  }

  /** @returns the port @throws Fault `psk.peer` */
  listen(): Promise<number> {
    return this.#listener.listen();
  }

  /** What was heard is still done: see `Slave.settled`; its answer is not told. */
  close(): void {
    this.#renewing.cancel();
    void this.#listener.close();
  }

  #admit({ socket, source, keep }: TlsClient): void {
    const { name, hear, log } = this.#options;
    const names = certifiedNames(socket.getPeerCertificate(), { commonName: true });
    if (!hasName(names, name)) {
      this.#limit.warn(source, "another than the master", { wanted: name });
      return void socket.destroy();
    }
    if (!keep()) return;
    socket.setTimeout(roundMs, () => socket.destroy());
    let isAsked = false;
    readLines(socket, longestLine, (line) => {
      // A master waits for its answer: who does not has something else in mind, and memory is bounded.
      if (isAsked) return void socket.destroy();
      isAsked = true;
      let message: Message;
      try {
        message = readMessage(line);
      } catch {
        return void socket.destroy();
      }
      hear(message).then(
        (answer) => {
          isAsked = false;
          socket.write(writeAnswer(answer));
        },
        (error: unknown) => {
          log.error("defect", { error: describe(error) });
          socket.destroy();
        },
      );
    });
  }
}
