/**
 * Stands on the wire between key managers and a controller and writes down what they say: TLS ends here, and is made
 * anew to the other end with the certificate of who called. Over Kx that would be noticed, as it is bound to its TLS session:
 * there bytes pass as they are, and are read with the secrets that key managers write down for it.
 */
import {
  type AddressInfo,
  createServer as createTap,
  connect as dial,
  type Socket,
} from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { setOf } from "../../src/km/store/sae-set.ts";
import type { CkMessage } from "../../src/wire/ck/messages.ts";
import { alpn } from "../../src/wire/ck/names.ts";
import { messageTypes, specOf } from "../../src/wire/ck/table.ts";
import { decodePayload } from "../../src/wire/ck/tcp.ts";
import { decodePayload as decodeKx } from "../../src/wire/kx/codec.ts";
import type { KxMessage } from "../../src/wire/kx/messages.ts";
import type { Authority } from "../emulator/certificates.ts";
import { TlsTap } from "./tls-tap.ts";

/** One message that passed. */
export interface Seen {
  readonly from: string;
  readonly to: string;
  /** As Q.4160 and Q.4164 call it. */
  readonly what: string;
  /** Of Ck. */
  readonly message?: CkMessage;
}

export interface Between {
  /** Who calls, and whom: their names in certificates, and as the chart shows them. */
  readonly caller: string;
  readonly called: string;
  readonly port: number;
  readonly serverName: string;
}

const headerBytes = 10;

export class WireRecorder {
  /** Of all whom it stands between: it can pass for any. */
  readonly #authority: Authority;
  readonly #servers: { close(done: () => void): unknown }[] = [];
  readonly #sockets = new Set<Socket | TLSSocket>();
  readonly #taps = new Set<TlsTap>();
  #seen: (Seen & { readonly at: number })[] = [];
  #count = 0;

  constructor(authority: Authority) {
    this.#authority = authority;
  }

  /** Something that a test itself said or heard. */
  note(from: string, to: string, what: string): void {
    this.#add({ from, to, what }, ++this.#count);
  }

  /** What passed since it was cleared, in the order in which it passed. */
  get seen(): readonly Seen[] {
    for (const tap of this.#taps) tap.read();
    return this.#seen.toSorted((a, b) => a.at - b.at);
  }

  clear(): void {
    void this.seen;
    this.#seen = [];
  }

  /**
   * Listens to a link of two key managers.
   * @param keylog file of one end @returns the port where the caller finds the other, from now on
   */
  async link(caller: string, called: string, port: number, keylog: string): Promise<number> {
    const server = createTap((socket) => {
      const other = dial(port, "127.0.0.1");
      const supplied = new Set<string>();
      const names = { client: [caller, called], server: [called, caller] } as const;
      let at = 0;
      const frames = (side: keyof typeof names) =>
        new Frames((code, payload) => {
          const message = decodeKx(code, payload);
          const what = ofKx(message, supplied);
          const [from, to] = names[side];
          if (what !== undefined) this.#add({ from, to, what }, at);
        });
      const read = { client: frames("client"), server: frames("server") };
      const now = () => ++this.#count;
      const tap = new TlsTap(keylog, now, (side, data, when) => {
        at = when;
        read[side].push(data);
      });
      this.#taps.add(tap);
      this.#couple(socket, other, (chunk) => tap.push("client", chunk));
      this.#couple(other, socket, (chunk) => tap.push("server", chunk));
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  #add(seen: Seen, at: number): void {
    this.#seen.push({ ...seen, at });
  }

  /** @returns the port where the caller finds the other, from now on */
  async between(way: Between): Promise<number> {
    const ca = this.#authority.cert;
    const [called, caller] = await Promise.all(
      [way.serverName, way.caller].map((name) =>
        this.#authority.issue({ commonName: name, dns: [name], usage: "both" }),
      ),
    );
    const server = createServer(
      {
        ca,
        ...called,
        requestCert: true,
        minVersion: "TLSv1.3",
        ALPNProtocols: [alpn],
      },
      (socket) => this.#pass(socket, way, { ca, ...caller }),
    );
    server.on("tlsClientError", () => {});
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#servers.map((one) => new Promise<void>((resolve) => one.close(() => resolve()))),
    );
  }

  #pass(
    socket: TLSSocket,
    { caller, called, port, serverName }: Between,
    own: { readonly ca: string; readonly cert?: string; readonly key?: string },
  ): void {
    const other = connect({
      ...{ host: "127.0.0.1", port, servername: serverName },
      ...own,
      ALPNProtocols: socket.alpnProtocol ? [socket.alpnProtocol] : [],
    });
    for (const [from, to, names] of [
      [socket, other, [caller, called]],
      [other, socket, [called, caller]],
    ] as const) {
      const frames = new Frames((code, payload) => this.#heard(names, code, payload));
      this.#couple(from, to, (chunk) => frames.push(chunk));
    }
  }

  #couple(from: Socket, to: Socket, onData: (chunk: Buffer) => void): void {
    this.#sockets.add(from);
    from.on("data", (chunk: Buffer) => {
      onData(chunk);
      to.write(chunk);
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  #heard([from, to]: readonly [string, string], code: number, payload: Buffer): void {
    const type = messageTypes.find((one) => specOf[one].code === code);
    if (type === undefined || type === "report" || type === "reportResponse") return;
    const message = decodePayload(type, payload).fields as CkMessage;
    const what = specOf[type].title.toLowerCase();
    this.#add({ from, to, what, message }, ++this.#count);
  }
}

/**
 * Steps of Q.4160 that are messages of Kx. Pads of relays and what is bound before it is asked for are left out, as are
 * books, batches and signs of life.
 * @param supplied offers to applications, whose answers are such steps too
 */
function ofKx(message: KxMessage, supplied: Set<string>): string | undefined {
  switch (message.type) {
    case "relay":
      return "key relay";
    case "relayed":
      return message.failure === undefined ? "key relay completion notification" : "failed relay";
    case "offer":
      if (message.use === undefined || setOf(message.use) === undefined) return undefined;
      supplied.add(message.offer.toString("hex"));
      return "key supply notification";
    case "ack":
      return supplied.has(message.offer.toString("hex"))
        ? "response to key supply notification"
        : undefined;
    case "deliver":
      return "key supply notification";
    case "delivered":
      return message.failure === undefined
        ? "response to key supply notification"
        : "refused key supply notification";
    default:
      return undefined;
  }
}

/** Cuts a stream at the header of Annex A. */
class Frames {
  readonly #onFrame: (code: number, payload: Buffer) => void;
  #held = Buffer.alloc(0);

  constructor(onFrame: (code: number, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    for (;;) {
      if (this.#held.length < headerBytes) return;
      const length = headerBytes + this.#held.readUInt16BE(8);
      if (this.#held.length < length) return;
      const frame = this.#held.subarray(0, length);
      this.#held = this.#held.subarray(length);
      this.#onFrame(frame.readUInt16BE(6), frame.subarray(headerBytes));
    }
  }
}
