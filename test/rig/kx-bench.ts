/** Two key managers' ends of a link over real TLS on this machine, and strangers who try to be one. */
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { Clock } from "../../src/base/clock.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Fault } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import type { KxIdentity } from "../../src/km/io/kx-dial.ts";
import { KxDoor } from "../../src/km/io/kx-door.ts";
import { KxLink, type KxLinkOptions, type KxSession } from "../../src/km/io/kx-link.ts";
import { encodeFrame } from "../../src/wire/kx/codec.ts";
import type { Hello, KxMessage } from "../../src/wire/kx/messages.ts";
import { alpnOf, versions } from "../../src/wire/kx/names.ts";
import { type Authority, createAuthority } from "../emulator/certificates.ts";

/** What came of one end. */
export class KxEnd {
  readonly sessions: KxSession[] = [];
  readonly messages: KxMessage[] = [];
  readonly ends: Fault[] = [];
  twice = 0;

  get session(): KxSession {
    const session = this.sessions.at(-1);
    if (session === undefined) throw new Error("no session");
    return session;
  }

  get handlers(): KxLinkOptions["handlers"] {
    return {
      onSession: (session) => this.sessions.push(session),
      onMessage: (message) => this.messages.push(message),
      onEnd: (why) => this.ends.push(why),
      onTwice: () => {
        this.twice++;
      },
    };
  }
}

export interface KxBench {
  readonly ca: Authority;
  readonly door: KxDoor;
  readonly port: number;
  /** Of the KM that is connected to, `km-b`. */
  readonly b: KxEnd;
  readonly linkB: KxLink;
  identity(name: string): Promise<KxIdentity>;
  /** A KM that dials; not started. */
  dialer(options?: Partial<KxLinkOptions>): { readonly end: KxEnd; readonly link: KxLink };
  /** A connection that a test writes on; closed or handshake complete when it resolves. */
  open(identity: KxIdentity, options?: ConnectionOptions): Promise<TLSSocket>;
}

export function helloOf(changes: Partial<Hello> = {}): Hello {
  return {
    type: "hello",
    version: 2,
    from: "km-a",
    to: "km-b",
    incarnation: Buffer.alloc(16, 1),
    nonce: Buffer.alloc(16, 2),
    policy: Buffer.alloc(32, 3),
    ...changes,
  };
}

/** Frames of messages with MessageIDs from 1. */
export function frames(...messages: KxMessage[]): Buffer {
  return Buffer.concat(messages.map((message, i) => encodeFrame(message, i + 1)));
}

export async function withKx(
  body: (bench: KxBench) => Promise<void>,
  clock: Clock = systemClock,
): Promise<void> {
  const ca = await createAuthority("KM CA");
  const identity = async (name: string): Promise<KxIdentity> => {
    return { ...(await ca.issue({ commonName: name, dns: [name], usage: "both" })), ca: ca.cert };
  };
  const [tlsA, tlsB] = [await identity("km-a.example"), await identity("km-b.example")];
  const b = new KxEnd();
  const common = { clock, log: silentLog, random: () => 0.5, policy: () => Buffer.alloc(32, 7) };
  const linkB = new KxLink({
    ...common,
    me: "km-b",
    peer: "km-a",
    peerName: "km-a.example",
    dial: undefined,
    tls: () => tlsB,
    incarnation: Buffer.alloc(16, 0xb),
    handlers: b.handlers,
  });
  const links = () => [linkB];
  const door = new KxDoor({ host: "127.0.0.1", port: 0, tls: tlsB, links, clock, log: silentLog });
  const port = await door.listen();
  const dialers: KxLink[] = [];
  const sockets: TLSSocket[] = [];
  try {
    await body({
      ca,
      door,
      port,
      b,
      linkB,
      identity,
      dialer(options = {}) {
        const end = new KxEnd();
        const link = new KxLink({
          ...common,
          me: "km-a",
          peer: "km-b",
          peerName: "km-b.example",
          dial: { host: "127.0.0.1", port },
          tls: () => tlsA,
          incarnation: Buffer.alloc(16, 0xa),
          handlers: end.handlers,
          ...options,
        });
        dialers.push(link);
        return { end, link };
      },
      async open({ ca: cas, cert, key }, options = {}) {
        const socket = connect({
          host: "127.0.0.1",
          port,
          ca: cas,
          cert,
          key,
          servername: "km-b.example",
          ALPNProtocols: versions.map(alpnOf),
          ...options,
        });
        sockets.push(socket);
        socket.on("error", () => {});
        await new Promise<void>((resolve) => {
          socket.once("secureConnect", resolve);
          socket.once("close", () => resolve());
        });
        return socket;
      },
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    await Promise.all(dialers.map((link) => link.stop()));
    await linkB.stop();
    await door.close();
  }
}
