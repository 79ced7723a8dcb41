/** A connection between the drivers of both ends: who is there, what is said, and whether it still lives. */
import type { TLSSocket } from "node:tls";
import { type Clock, every } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import { type CredentialFiles, readCredentials } from "../../src/host/tls/credentials.ts";
import { dialTls } from "../../src/host/tls/dial.ts";
import { clientTls, noCommonGroup, type TlsTexts } from "../../src/host/tls/options.ts";
import { connectionReason } from "../../src/host/tls/reason.ts";
import { Decoder, encode, type Hello, type Message, version } from "./messages.ts";
import type { End } from "./parts.ts";

export interface PeerOptions {
  /** Leader: where the follower listens; follower: where it does. */
  readonly host: string;
  readonly port: number;
  /** The name that the other end's certificate must carry. */
  readonly name: string;
  readonly files: CredentialFiles;
  readonly clock: Clock;
}

/** What this end says of itself, and what it expects of the other. */
export interface Greeting {
  hello(): Hello;
  readonly end: End;
  /** The other end is there. */
  readonly met: () => void;
  /** It is not there any more, or is not who it should be. */
  readonly parted: (why: Error) => void;
}

const connectMs = 10_000;
const helloMs = 5_000;
/** Both say something each second. */
const silentMs = 5_000;
/** An end that does not read is given up, bytes. */
const mostUnread = 1_048_576;

/** @throws Fault `peer.connect` */
export async function dialPeer(
  { host, port, name, files, clock }: PeerOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  let texts: TlsTexts | undefined;
  const tls = () => {
    texts = { ...readCredentials(files, "peer.connect"), requirePq: true };
    return clientTls(texts, name, () => clock.wall());
  };
  const late = "no answer in time";
  try {
    return await dialTls({ host, port, tls, withinMs: connectMs, late, clock, signal });
  } catch (error) {
    if (error instanceof Fault) throw error;
    const why = noCommonGroup(error, texts) ?? connectionReason(error, "other end");
    throw new Fault("peer.connect", `no connection to the other end: ${why}`, { host, port });
  }
}

export interface Talk {
  /** Settles when the connection is over, with why. */
  readonly ended: Promise<Error>;
  close(): void;
}

/** Greets, and hands on what is said until the connection ends. @param socket is this function's from now on */
export function talk(socket: TLSSocket, clock: Clock, greeting: Greeting): Talk {
  const { promise: ended, resolve } = Promise.withResolvers<Error>();
  const decoder = new Decoder();
  const own = greeting.hello();
  let met = false;
  let heardAt = clock.now();
  let why: Error | undefined;
  const end = (error: Error) => {
    why ??= error;
    socket.destroy();
  };
  const watch = every(clock, 1_000, () => {
    const limit = met ? silentMs : helloMs;
    if (clock.now() - heardAt > limit) end(new Fault("peer.connect", "the other end is silent"));
  });
  const line = {
    send(message: Message) {
      if (socket.destroyed) return;
      if (socket.writableLength > mostUnread) end(new Fault("peer.connect", "it does not read"));
      else socket.write(encode(message));
    },
    close: () => end(new Fault("peer.connect", "closed")),
  };
  socket.on("error", (error) => {
    why ??= new Fault("peer.connect", connectionReason(error, "other end"));
  });
  socket.once("close", () => {
    watch.cancel();
    const error = why ?? new Fault("peer.connect", "the other end closed the connection");
    if (met) greeting.end.parted(line);
    greeting.parted(error);
    resolve(error);
  });
  socket.on("data", (chunk: Buffer) => {
    if (socket.destroyed) return;
    heardAt = clock.now();
    try {
      for (const message of decoder.push(chunk)) {
        if (met) greeting.end.hear(message);
        else {
          const hello = other(own, message);
          met = true;
          greeting.met();
          greeting.end.met(line, hello.newest);
        }
      }
    } catch (error) {
      end(error as Error);
    }
  });
  line.send(own);
  return { ended, close: line.close };
}

/** @throws Fault `peer.connect` if it is not the other end of this */
function other(own: Hello, message: Message): Hello {
  const wrong = (what: string) => new Fault("peer.connect", `the other end ${what}`);
  if (message.type !== "hello") throw wrong("does not say who it is");
  if (message.version !== version) throw wrong(`speaks version ${message.version}`);
  if (message.role === own.role) throw wrong(`${own.role === "leader" ? "leads" : "follows"}, too`);
  if (message.module !== own.matching || message.matching !== own.module) {
    throw wrong("is of another pair of modules");
  }
  return message;
}
