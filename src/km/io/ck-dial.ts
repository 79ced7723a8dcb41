/** Connects to a QKDN controller: name, TCP, TLS 1.3 with certificates on both sides, and the binding that is configured. */
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { credentialsReason } from "../../host/tls/credentials.ts";
import { dialTls } from "../../host/tls/dial.ts";
import { clientTls, noCommonGroup, type TlsTexts } from "../../host/tls/options.ts";
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
  const { host, port, serverName, binding } = endpoint;
  const source = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const tls = () => ({
    ...clientTls(texts, serverName, () => clock.wall()),
    ALPNProtocols: [binding === "grpc" ? grpcAlpn : alpn],
  });
  let socket: TLSSocket;
  try {
    socket = await dialTls({ host, port, tls, withinMs: connectMs, clock, signal });
  } catch (error) {
    if (signal.aborted) throw new Fault("stopped", "connecting was stopped", { source });
    const why = noCommonGroup(error, texts) ?? credentialsReason(error, texts, "controller");
    throw new Fault("ck.connect", `cannot connect to the controller: ${why}`, { source });
  }
  // Over TCP an end that names no protocol is one that speaks the draft alone.
  if (binding === "tcp" || socket.alpnProtocol === grpcAlpn) return socket;
  socket.destroy();
  throw new Fault("ck.connect", "the controller does not speak gRPC here", { source });
}
