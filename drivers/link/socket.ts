/**
 * A link over TCP or a Unix socket, for a bench: what passes is as readable as on a serial line, so
 * TCP is for a cable between two machines and no other.
 */
import { createConnection, isIPv6, type Socket } from "node:net";
import { type Clock, within } from "../../src/base/clock.ts";
import { errorCode, Fault } from "../../src/base/errors.ts";
import type { Link, LinkFactory } from "./link.ts";
import { StreamLink } from "./stream.ts";

export interface SocketOptions {
  /** `unix:/path` or `tcp:HOST:PORT`; an IPv6 address in brackets. */
  readonly address: string;
}

const openTimeout = 2_000;

type Target = { readonly path: string } | { readonly host: string; readonly port: number };

/** Reads an address; undefined if it is none. */
export function parseAddress(address: string): Target | undefined {
  if (address.startsWith("unix:/")) return { path: address.slice(5) };
  const [, six, name, digits] = /^tcp:(?:\[([^\]]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = six ?? name;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  if (six !== undefined && !isIPv6(six)) return undefined;
  return { host, port };
}

export function socketLink(options: SocketOptions, clock: Clock): LinkFactory {
  return {
    where: options.address,
    checked: false,
    maxBody: 65_536,
    open: (onBytes, signal) => openSocket(options.address, clock, onBytes, signal),
  };
}

async function openSocket(
  address: string,
  clock: Clock,
  onBytes: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<Link> {
  const fault = (what: string) => new Fault("link.open", what, { source: address });
  const target = parseAddress(address);
  if (target === undefined) throw fault("not an address of a socket");
  const socket = createConnection({ ...target, noDelay: true });
  const link = new StreamLink(socket, {
    where: address,
    name: "socket",
    clock,
    onBytes,
    shut: () => shut(socket),
  });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (error) => reject(fault(`cannot connect: ${errorCode(error)}`)));
    signal.addEventListener(
      "abort",
      () => reject(new Fault("stopped", "connecting was stopped", { source: address })),
      { once: true },
    );
  });
  try {
    if (signal.aborted) throw new Fault("stopped", "connecting was stopped", { source: address });
    await within(clock, openTimeout, opened, () => fault("no answer"));
    return link;
  } catch (error) {
    opened.catch(() => {});
    await link.close();
    throw error;
  }
}

/** What was written last may be a farewell: it goes out first. */
function shut(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    socket.once("close", () => resolve());
    if (socket.connecting) socket.destroy();
    else socket.destroySoon();
  });
}
