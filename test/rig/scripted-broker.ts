/**
 * A broker that does what a test says, packet by packet, in MQTT 5 or 3.1.1; for what real brokers
 * do rarely. What the test does not take it answers as a good broker would.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { generate, type Packet, parser } from "mqtt-packet";

export interface Client {
  readonly socket: Socket;
  /** The number of its connection, from 1. */
  readonly number: number;
  send(packet: Packet): void;
}

/** @returns true if the packet was taken care of */
export type OnPacket = (packet: Packet, client: Client) => boolean;

export class ScriptedBroker {
  connections = 0;
  /** PUBLISH packets as they came, with the connection they came by. */
  readonly published: { topic: string; payload: Buffer; connection: number; retain: boolean }[] =
    [];
  onPacket: OnPacket;
  /** Each connection is cut once so many bytes of it came, wherever that is; undefined: not. */
  cutAfter: number | undefined;
  readonly #version: 4 | 5;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  port = 0;

  constructor(version: 4 | 5, onPacket: OnPacket = () => false) {
    this.#version = version;
    this.onPacket = onPacket;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(): Promise<this> {
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Cuts every connection. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Reads nothing until {@link resume}. */
  pause(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  resume(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  /** Sends bytes as they are to every client. */
  raw(bytes: Buffer): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  #accept(socket: Socket): void {
    const options = { protocolVersion: this.#version };
    const client: Client = {
      socket,
      number: ++this.connections,
      send: (packet) => void socket.write(generate(packet, options)),
    };
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
    const reader = parser(options);
    reader.on("packet", (packet: Packet) => this.#take(packet, client));
    reader.on("error", () => socket.destroy());
    let left = this.cutAfter ?? Number.POSITIVE_INFINITY;
    socket.on("data", (chunk: Buffer) => {
      reader.parse(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) socket.destroy();
    });
  }

  #take(packet: Packet, client: Client): void {
    if (packet.cmd === "publish") {
      const { topic, retain } = packet;
      const payload = Buffer.from(packet.payload as Buffer);
      this.published.push({ topic, payload, retain, connection: client.number });
    }
    if (this.onPacket(packet, client)) return;
    if (packet.cmd === "connect") client.send(accepted());
    else if (packet.cmd === "publish" && packet.qos === 1) client.send(puback(packet.messageId));
    else if (packet.cmd === "pingreq") client.send({ cmd: "pingresp" });
    else if (packet.cmd === "subscribe") {
      client.send({ cmd: "suback", messageId: packet.messageId as number, granted: [1] } as Packet);
    }
  }
}

export function accepted(properties: object = {}): Packet {
  return { cmd: "connack", sessionPresent: false, reasonCode: 0, returnCode: 0, properties };
}

export function refused(reasonCode: number): Packet {
  return { cmd: "connack", sessionPresent: false, reasonCode, returnCode: reasonCode };
}

export function puback(messageId: number | undefined, reasonCode = 0): Packet {
  return { cmd: "puback", messageId: messageId as number, reasonCode } as Packet;
}

export function disconnect(reasonCode: number): Packet {
  return { cmd: "disconnect", reasonCode } as Packet;
}
