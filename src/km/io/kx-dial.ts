/** Connects to another KM: name, TCP, TLS 1.3 with certificates on both sides, and the right protocol in it. */
import type { TLSSocket } from "node:tls";
import { type Clock, within } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { dial } from "../../host/net/dial.ts";
import { CrlError } from "../../host/tls/crl.ts";
import { clientTls, noCommonGroup, type TlsTexts } from "../../host/tls/options.ts";
import { identityProblem } from "../../host/tls/pem.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { secure } from "../../host/tls/secure.ts";
import { alpn, times } from "../../wire/kx/names.ts";

/** PEM texts: who may be a KM, and who this one is. */
export interface KxIdentity extends TlsTexts {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface KxEndpoint {
  readonly host: string;
  readonly port: number;
  /** Subject alternative name that the other KM's certificate must carry. */
  readonly peerName: string;
}

/**
 * @returns a connection whose other end has proved to be the configured KM. Under TLS 1.3 it may still
 *   refuse our certificate: only its HELLO shows that it did not
 * @throws Fault `kx.connect`; `stopped` if the signal was given
 */
export async function dialKx(
  endpoint: KxEndpoint,
  texts: KxIdentity,
  clock: Clock,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { host, port } = endpoint;
  const source = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const over = new AbortController();
  const opening = open(endpoint, texts, clock, AbortSignal.any([signal, over.signal]));
  let socket: TLSSocket;
  try {
    socket = await within(clock, times.handshakeMs, opening, () => {
      return new Error(`no connection within ${times.handshakeMs} ms`);
    });
  } catch (error) {
    over.abort();
    // The connection and the end of its time may have come in the same turn.
    opening.then((late) => late.destroy()).catch(() => {});
    if (signal.aborted) throw new Fault("stopped", "connecting to the KM was stopped", { source });
    const why = noCommonGroup(error, texts) ?? unusable(error, texts);
    throw new Fault("kx.connect", `cannot connect to the other KM: ${why}`, { source });
  }
  if (socket.alpnProtocol !== alpn) {
    socket.destroy();
    throw new Fault("kx.connect", `the other end does not speak ${alpn}`, { source });
  }
  return socket;
}

async function open(
  { host, port, peerName }: KxEndpoint,
  texts: KxIdentity,
  clock: Clock,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const options = { ...clientTls(texts, peerName, () => clock.wall()), ALPNProtocols: [alpn] };
  return secure(await dial({ host, port }, { clock, signal }), options, signal);
}

/** What OpenSSL says of certificates that cannot be used, said better. */
export function unusable(error: unknown, { cert, key }: KxIdentity): string {
  if (error instanceof CrlError) return `revocation list ${error.message}`;
  const wrong = identityProblem(Buffer.from(cert), Buffer.from(key));
  if (wrong === undefined) return connectionReason(error, "KM");
  return `the ${wrong.where === "cert" ? "certificate" : "private key"} ${wrong.what}`;
}
