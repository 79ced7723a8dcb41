/**
 * A link over TCP or a Unix socket, for a bench: what passes is as readable as on a serial line, so
 * TCP is for a cable between two machines that nobody else is on.
 */
import { createConnection, isIPv6, type Socket } from "node:net";
import { type Clock, within } from "../../src/port/clock.ts";
import { errorCode, Fault } from "../../src/port/errors.ts";
import { LinkLife } from "./life.ts";
import type { Link, LinkFactory } from "./link.ts";

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
  const link = new SocketLink(socket, address, clock, onBytes);
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

class SocketLink implements Link {
  readonly #life: LinkLife;
  readonly #socket: Socket;

  constructor(socket: Socket, where: string, clock: Clock, onBytes: (chunk: Buffer) => void) {
    this.#socket = socket;
    const life = new LinkLife(where, clock, () => this.#shut());
    this.#life = life;
    socket.on("data", (chunk: Buffer) => {
      if (!life.over) onBytes(chunk);
      chunk.fill(0);
    });
    const gone = (code: string) =>
      life.finish(new Fault("link.closed", "socket closed", { source: where, code }));
    socket.on("error", (error) => gone(errorCode(error) ?? "unknown"));
    socket.on("close", () => gone("gone"));
  }

  get ended(): Promise<Error | undefined> {
    return this.#life.ended;
  }

  get backlog(): number {
    return this.#life.backlog;
  }

  write(bytes: Buffer): void {
    const life = this.#life;
    if (life.over) return;
    life.queued(bytes.length);
    this.#socket.write(bytes, (error) => {
      if (!error) life.taken(bytes.length);
    });
  }

  close(): Promise<void> {
    return this.#life.close();
  }

  /** What was written last may be a farewell: it goes out first. */
  #shut(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      if (socket.destroyed) return resolve();
      socket.once("close", () => resolve());
      if (socket.connecting) socket.destroy();
      else socket.destroySoon();
    });
  }
}
