/**
 * An MQTT broker in the same process, for tests and the demo. It speaks MQTT 3.1 and 3.1.1, not 5,
 * and forgets retained messages and sessions when it stops, as a broker without a disk does.
 */
import { EventEmitter } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Aedes, type AedesPublishPacket } from "aedes";
import { describe, Fault } from "../../src/base/errors.ts";
import type { Identity } from "./certificates.ts";

/** A message as its publisher sent it, or a will that the broker sent for a client that was lost. */
export interface PublishedMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

export interface BrokerEvents {
  published: [message: PublishedMessage];
  /** A client was let in, or was lost; with its client identifier. */
  connected: [clientId: string];
  disconnected: [clientId: string];
}

/** The broker's own messages; not of interest to anyone here. */
const internal = "$SYS/";

function toMessage({ topic, payload, qos, retain }: AedesPublishPacket): PublishedMessage {
  return { topic, payload: Buffer.from(payload), qos, retain };
}

export class Broker extends EventEmitter<BrokerEvents> {
  readonly #limit: number;
  readonly #identity: Identity | undefined;
  readonly #sockets = new Set<Socket>();
  #messages: PublishedMessage[] = [];
  #forgotten = 0;
  #port = 0;
  #running: { aedes: Aedes; server: Server } | undefined;

  /**
   * @param limit how many messages it remembers; beyond that it forgets the oldest
   * @param identity what it shows: TLS then, and plain TCP without
   */
  constructor(limit = 10_000, identity?: Identity) {
    super();
    this.#limit = limit;
    this.#identity = identity;
  }

  /** The port it listens on, or listened on last; 0 before the first time. */
  get port(): number {
    return this.#port;
  }

  /** What was published, oldest first, across restarts. */
  get messages(): readonly PublishedMessage[] {
    return this.#messages;
  }

  /** Messages that are no longer in {@link messages}. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /**
   * Listens on 127.0.0.1, also again after {@link close}.
   * @param port default: the one it had before or, the first time, a free one
   * @returns the port
   * @throws Fault `mqtt.connect` if it can't, or already does
   */
  async listen(port = this.#port): Promise<number> {
    if (this.#running !== undefined) {
      throw new Fault("mqtt.connect", "the broker listens already", { port: this.#port });
    }
    const aedes = new Aedes();
    const accept = (socket: Socket) => this.#accept(aedes, socket);
    const identity = this.#identity;
    const server =
      identity === undefined ? createServer(accept) : createTlsServer(identity, accept);
    this.#running = { aedes, server };
    try {
      await aedes.listen();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: "127.0.0.1", port }, resolve);
      });
    } catch (error) {
      this.#running = undefined;
      aedes.close();
      throw new Fault("mqtt.connect", `the broker can't listen: ${describe(error)}`, { port });
    }
    this.#record(aedes);
    const address = server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
    return this.#port;
  }

  /** Stops listening and cuts every client off, without sending wills. Any number of times. */
  async close(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.aedes.removeAllListeners("publish");
    const closed = new Promise<void>((resolve) => {
      running.server.close(() => resolve());
    });
    this.dropClients();
    await closed;
    await new Promise<void>((resolve) => running.aedes.close(resolve));
  }

  /** Cuts every client off, as a broken network would; their wills are sent. */
  dropClients(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * The first message that matches, of those remembered or else of those to come.
   * @param signal ends the wait, which then rejects with the signal's reason
   */
  published(
    matches: (message: PublishedMessage) => boolean,
    signal: AbortSignal,
  ): Promise<PublishedMessage> {
    return new Promise((resolve, reject) => {
      const known = this.#messages.find(matches);
      if (known !== undefined) return resolve(known);
      if (signal.aborted) return reject(signal.reason);
      const check = (message: PublishedMessage) => {
        if (matches(message)) settle(() => resolve(message));
      };
      const abort = () => settle(() => reject(signal.reason));
      const settle = (done: () => void) => {
        this.off("published", check);
        signal.removeEventListener("abort", abort);
        done();
      };
      this.on("published", check);
      signal.addEventListener("abort", abort);
    });
  }

  #accept(aedes: Aedes, socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
    aedes.handle(socket);
  }

  #record(aedes: Aedes): void {
    aedes.on("clientReady", (client) => this.emit("connected", client.id));
    aedes.on("clientDisconnect", (client) => this.emit("disconnected", client.id));
    aedes.on("publish", (packet) => {
      if (packet.topic.startsWith(internal)) return;
      const message = toMessage(packet);
      this.#messages.push(message);
      if (this.#messages.length > this.#limit) {
        this.#messages.shift();
        this.#forgotten++;
      }
      this.emit("published", message);
    });
  }
}
