/** The master's way to the slave: TLS 1.3 with the certificates of both applications. */
import type { TLSSocket } from "node:tls";
import { type Clock, within } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { type CredentialFiles, readCredentials } from "../../host/tls/credentials.ts";
import { dialTls } from "../../host/tls/dial.ts";
import { clientTls } from "../../host/tls/options.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { type Answer, longestLine, readAnswer, writeMessage } from "../rotation/messages.ts";
import type { PeerLine } from "../rotation/ports.ts";
import { readLines } from "./lines.ts";

export interface PeerOptions {
  readonly host: string;
  readonly port: number;
  /** The name that its certificate must carry. */
  readonly name: string;
  readonly files: CredentialFiles;
  readonly clock: Clock;
}

const connectMs = 10_000;
/** The slave asks its KM meanwhile. */
const answerMs = 20_000;

/** @throws Fault `psk.peer` */
export async function dialPeer(options: PeerOptions): Promise<PeerLine> {
  const { host, port, name, files, clock } = options;
  const tls = () => clientTls(readCredentials(files, "psk.peer"), name, () => clock.wall());
  try {
    const socket = await dialTls({ host, port, tls, withinMs: connectMs, clock });
    return lineOver(socket, { host, port }, clock);
  } catch (error) {
    if (error instanceof Fault) throw error;
    const why = connectionReason(error, "other end");
    throw new Fault("psk.peer", `cannot connect to the other end: ${why}`, { host, port });
  }
}

function lineOver(
  socket: TLSSocket,
  at: { readonly host: string; readonly port: number },
  clock: Clock,
): PeerLine {
  let waiting: PromiseWithResolvers<Answer> | undefined;
  const fail = (why: string) =>
    waiting?.reject(new Fault("psk.peer", `the other end did not answer: ${why}`, at));
  socket.on("error", (error) => fail(connectionReason(error, "other end")));
  socket.once("close", () => fail("the connection was closed"));
  readLines(socket, longestLine, (line) => {
    try {
      waiting?.resolve(readAnswer(line));
    } catch (error) {
      waiting?.reject(error);
    }
  });
  return {
    ask(message) {
      waiting = Promise.withResolvers<Answer>();
      if (socket.destroyed) fail("the connection was closed");
      else socket.write(writeMessage(message));
      const limit = { ...at, limit_s: answerMs / 1_000 };
      const late = () => new Fault("psk.peer", "the other end did not answer in time", limit);
      return within(clock, answerMs, waiting.promise, late);
    },
    close() {
      socket.destroy();
    },
  };
}
