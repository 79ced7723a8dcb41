/**
 * A TCP connection to a name with several addresses (RFC 8305): they are tried side by side, each a
 * little later than the one before, and the first that answers is taken. Node.js tries one at a time
 * and gives each but the last 250 ms, which is less than a far way takes.
 */
import { connect, type Socket } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { type Names, names as ownNames } from "./lookup.ts";

export interface DialOptions {
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Told when the name has addresses. */
  readonly onAddresses?: (addresses: readonly string[]) => void;
  readonly names?: Names;
}

/** The next address is tried this long after the one before, ms (RFC 8305 §5). */
const staggerMs = 250;
/** Addresses that are tried. */
const mostAddresses = 16;

/** Of several failures the most telling one is told. */
const telling = ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"];

/** What is to be called if a connection comes to nothing. */
const vains = new WeakMap<Socket, () => void>();

/**
 * A connection was made, and came to nothing: TLS failed, or another program answers. A name has several addresses so
 * that one may be wrong: the others are tried first from now on, and not the one that was connected to last.
 */
export function inVain(socket: Socket): void {
  vains.get(socket)?.();
}

/** What is said of one socket is of the other, too: TLS over TCP. */
export function sameWay(tls: Socket, tcp: Socket): void {
  const vain = vains.get(tcp);
  if (vain !== undefined) vains.set(tls, vain);
}

/**
 * @returns a connected socket
 * @throws NameError, or the system's error; nothing is left open then. "stopped" if the signal was given
 */
export async function dial(
  { host, port }: { readonly host: string; readonly port: number },
  { clock, signal, onAddresses, names = ownNames }: DialOptions,
): Promise<Socket> {
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(new Error("stopped"));
  signal.addEventListener("abort", stop, { once: true });
  stopped.promise.catch(() => {});
  if (signal.aborted) stop();
  try {
    const addresses = await Promise.race([names.addresses(host, port), stopped.promise]);
    onAddresses?.(addresses);
    const race = new Race(addresses.slice(0, mostAddresses), port, clock);
    try {
      const { socket, address } = await Promise.race([race.won, stopped.promise]);
      if (address !== host) {
        names.worked(host, port, address);
        vains.set(socket, () => names.vain(host, port, address));
      }
      return socket;
    } catch (error) {
      // The signal and the connection may have come in the same turn.
      race.won.then(({ socket }) => socket.destroy()).catch(() => {});
      throw error;
    } finally {
      race.end();
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

interface Won {
  readonly socket: Socket;
  readonly address: string;
}

class Race {
  readonly won: Promise<Won>;
  readonly #left: string[];
  readonly #port: number;
  readonly #clock: Clock;
  readonly #running = new Set<Socket>();
  readonly #failures: unknown[] = [];
  #timer: Timer | undefined;
  #win!: (won: Won) => void;
  #lose!: (error: unknown) => void;

  constructor(addresses: readonly string[], port: number, clock: Clock) {
    this.#left = [...addresses];
    this.#port = port;
    this.#clock = clock;
    this.won = new Promise((resolve, reject) => {
      this.#win = resolve;
      this.#lose = reject;
    });
    this.won.catch(() => {});
    this.#next();
  }

  /** Closes all but the one that has won. */
  end(): void {
    this.#timer?.cancel();
    this.#left.length = 0;
    for (const socket of this.#running) socket.destroy();
    this.#running.clear();
  }

  #next(): void {
    this.#timer?.cancel();
    const address = this.#left.shift();
    if (address === undefined) {
      if (this.#running.size === 0) this.#lose(worst(this.#failures));
      return;
    }
    const socket = connect({ host: address, port: this.#port, autoSelectFamily: false });
    this.#running.add(socket);
    const failed = (error: unknown) => {
      if (!this.#running.delete(socket)) return;
      this.#failures.push(error);
      this.#next();
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      if (!this.#running.delete(socket)) return;
      // Its owner listens from the next turn on.
      socket.on("error", () => {});
      this.#win({ socket, address });
    });
    if (this.#left.length > 0) this.#timer = this.#clock.after(staggerMs, () => this.#next());
  }
}

function worst(failures: readonly unknown[]): unknown {
  const rank = (error: unknown) => {
    const at = telling.indexOf(errorCode(error) ?? "");
    return at < 0 ? telling.length : at;
  };
  const [first] = failures.toSorted((a, b) => rank(a) - rank(b));
  return first ?? new Error("no address");
}
