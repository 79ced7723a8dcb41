/** A file over HTTPS, with a limit on its size, on silence, on slowness, and on the time that it takes. */
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { TLSSocket } from "node:tls";
import { type Clock, every, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { dial } from "../../host/net/dial.ts";
import { clientTls, type TlsTexts } from "../../host/tls/options.ts";
import { secure } from "../../host/tls/secure.ts";

export type ServerTrust = Pick<TlsTexts, "ca" | "crl" | "crlFresh">;

export interface DownloadOptions {
  /** Who may have issued the server's certificate (default: the system's CAs), and who is revoked. */
  readonly trust: ServerTrust;
  readonly maxBytes: number;
  readonly clock: Clock;
  /** So many have come, of as many as the server says there are. */
  readonly onBytes?: (bytes: number, all: number | undefined) => void;
}

/** A server that says nothing for this long is given up, ms. */
const silenceMs = 60_000;
/** From the first packet to the last byte, ms: 110 MB at 256 kbit/s. */
export const wholeMs = 60 * 60_000;
/** A minute in which fewer bytes come than this is the last one. */
export const leastBytes = 1_048_576;
export const rateMs = 60_000;

/**
 * Fetches `url` into `file`, which must not exist. What is there of it after a failure is removed.
 * @throws Fault `update`
 */
export async function download(url: string, file: string, options: DownloadOptions): Promise<void> {
  const { clock } = options;
  const over = new AbortController();
  const end = (message: string, limit_ms: number) =>
    over.abort(new Fault("update", message, { source: url, limit_ms }));
  let [received, before] = [0, 0];
  const deadline = clock.after(wholeMs, () => end("the download takes too long", wholeMs));
  const rate = every(clock, rateMs, () => {
    if (received - before < leastBytes) end("the download is too slow", rateMs);
    before = received;
  });
  const onBytes = (bytes: number, all: number | undefined) => {
    received = bytes;
    options.onBytes?.(bytes, all);
  };
  let ours = false;
  try {
    const response = await open(url, options.trust, clock, over.signal);
    const to = createWriteStream(file, { flags: "wx", mode: 0o600, flush: true });
    to.once("open", () => {
      ours = true;
    });
    const limited = limit({ ...options, onBytes }, lengthOf(response));
    await pipeline(response, limited, to, { signal: over.signal });
  } catch (error) {
    if (ours) await rm(file, { force: true });
    const cause: unknown = over.signal.aborted ? over.signal.reason : error;
    if (cause instanceof Fault) throw cause;
    throw new Fault("update", `cannot fetch the bundle: ${describe(cause)}`, { source: url });
  } finally {
    deadline.cancel();
    rate.cancel();
  }
}

/** Name, TCP and TLS. @throws NameError, or what the system or OpenSSL says */
async function connection(
  { hostname, port }: URL,
  trust: ServerTrust,
  clock: Clock,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const host = hostname.replace(/^\[|\]$/g, "");
  const tls = clientTls(trust, host, () => clock.wall());
  const tcp = await dial({ host, port: port === "" ? 443 : Number(port) }, { clock, signal });
  return secure(tcp, tls, signal);
}

async function open(
  url: string,
  trust: ServerTrust,
  clock: Clock,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const silent = () => new Fault("update", "the server is silent", { limit_ms: silenceMs });
  let socket: TLSSocket;
  try {
    const connected = connection(new URL(url), trust, clock, either);
    socket = await within(clock, silenceMs, connected, silent);
  } catch (error) {
    over.abort();
    throw error;
  }
  return new Promise((resolve, reject) => {
    const options = { createConnection: () => socket, timeout: silenceMs, signal };
    const request = get(url, options, (response) => {
      const { statusCode } = response;
      if (statusCode === 200) return resolve(response);
      response.destroy();
      // A redirection is not followed: the command names the place.
      reject(new Fault("update", "the server refuses", { source: url, status: statusCode ?? 0 }));
    });
    request.on("timeout", () => request.destroy(silent()));
    request.on("error", reject);
  });
}

function lengthOf({ headers }: IncomingMessage): number | undefined {
  const length = Number(headers["content-length"]);
  return Number.isSafeInteger(length) && length > 0 ? length : undefined;
}

function limit(
  { maxBytes: most, onBytes }: Pick<DownloadOptions, "maxBytes" | "onBytes">,
  all: number | undefined,
): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _, next) {
      bytes += chunk.length;
      if (bytes > most) next(new Fault("update", "the bundle is too long", { limit: most }));
      else {
        onBytes?.(bytes, all);
        next(null, chunk);
      }
    },
  });
}
