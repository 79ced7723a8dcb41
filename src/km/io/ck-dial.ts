/** Connects to a QKDN controller: name, TCP, TLS 1.3 with certificates on both sides, and the binding that is configured. */
import type { TLSSocket } from "node:tls";
import { type Clock, within } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { dial } from "../../host/net/dial.ts";
import { CrlError } from "../../host/tls/crl.ts";
import { clientTls, noCommonGroup, type TlsTexts } from "../../host/tls/options.ts";
import { identityProblem } from "../../host/tls/pem.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { secure } from "../../host/tls/secure.ts";
import { alpn, grpcAlpn } from "../../wire/ck/names.ts";

/** PEM texts: who may be a controller, and who this KM is. */
export interface CkIdentity extends TlsTexts {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export type CkBinding = "tcp" | "grpc";

export interface CkEndpoint {
  readonly host: string;
  readonly port: number;
  /** Subject alternative name that the controller's certificate must carry. */
  readonly serverName: string;
  readonly binding: CkBinding;
}

/** Name, TCP and TLS are there within this, ms. */
const connectMs = 10_000;

/**
 * @returns a connection whose other end has proved to be the configured controller. Under TLS 1.3 it may still
 *   refuse our certificate: only its answers show that it did not
 * @throws Fault `ck.connect`; `stopped` if the signal was given
 */
export async function dialCk(
  endpoint: CkEndpoint,
  texts: CkIdentity,
  clock: Clock,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { host, port, binding } = endpoint;
  const source = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const over = new AbortController();
  const opening = open(endpoint, texts, clock, AbortSignal.any([signal, over.signal]));
  let socket: TLSSocket;
  try {
    socket = await within(clock, connectMs, opening, () => {
      return new Error(`no connection within ${connectMs} ms`);
    });
  } catch (error) {
    over.abort();
    // The connection and the end of its time may have come in the same turn.
    opening.then((late) => late.destroy()).catch(() => {});
    if (signal.aborted) throw new Fault("stopped", "connecting was stopped", { source });
    const why = noCommonGroup(error, texts) ?? unusable(error, texts);
    throw new Fault("ck.connect", `cannot connect to the controller: ${why}`, { source });
  }
  // Over TCP an end that names no protocol is one that speaks the draft alone.
  if (binding === "tcp" || socket.alpnProtocol === grpcAlpn) return socket;
  socket.destroy();
  throw new Fault("ck.connect", "the controller does not speak gRPC here", { source });
}

async function open(
  { host, port, serverName, binding }: CkEndpoint,
  texts: CkIdentity,
  clock: Clock,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const ALPNProtocols = [binding === "grpc" ? grpcAlpn : alpn];
  const options = { ...clientTls(texts, serverName, () => clock.wall()), ALPNProtocols };
  return secure(await dial({ host, port }, { clock, signal }), options, signal);
}

/** What OpenSSL says of certificates that cannot be used, said better. */
function unusable(error: unknown, { cert, key }: CkIdentity): string {
  if (error instanceof CrlError) return `revocation list ${error.message}`;
  const wrong = identityProblem(Buffer.from(cert), Buffer.from(key));
  if (wrong === undefined) return connectionReason(error, "controller");
  return `the ${wrong.where === "cert" ? "certificate" : "private key"} ${wrong.what}`;
}
