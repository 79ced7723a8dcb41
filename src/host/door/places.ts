/**
 * Places of a server's connections. One that has not shown that it is wanted has its place until another
 * needs it, the oldest first: idle connections keep no other out. One that has shown who it is keeps its place.
 */
import type { Socket } from "node:net";
import { type Allowance, Buckets } from "../../base/bucket.ts";
import type { Clock } from "../../base/clock.ts";
import { sourceOf } from "./source.ts";

export interface PlacesOptions {
  /** Connections that have not shown that they are wanted: of all sources, and of one. */
  readonly strangers: number;
  readonly strangersOfOne: number;
  /** Those that keep their place: of all, and of one name. */
  readonly kept: number;
  readonly keptOfOne: number;
  /** New connections of one source that nothing comes of: see {@link Places.wanted}. */
  readonly rate: Allowance;
  readonly clock: Pick<Clock, "now">;
}

/** Sources that have an allowance of their own. */
const mostSources = 4_096;

interface Stranger {
  readonly socket: Socket;
  /** As {@link nameOf}: a socket that is gone does not tell it any more. */
  readonly name: string;
  readonly source: string;
}

export class Places {
  readonly #options: PlacesOptions;
  readonly #rate: Buckets;
  /** By address and port; oldest first. */
  readonly #strangers = new Map<string, Stranger>();
  readonly #kept = new Map<Socket, string>();
  readonly #wanted = new WeakSet<Socket>();

  constructor(options: PlacesOptions) {
    this.#options = options;
    this.#rate = new Buckets(options.rate, mostSources);
  }

  /** Connections that a server should take at most: all places, and one that comes for another's. */
  get most(): number {
    const { strangers, kept } = this.#options;
    return strangers + kept + 1;
  }

  /** Connections that have a place. */
  get size(): number {
    return this.#strangers.size + this.#kept.size;
  }

  /**
   * A connection came. Another may be cut off for it.
   * @returns false if it was cut off itself: its source opens too many in too short a time
   */
  enter(socket: Socket): boolean {
    const { strangers, strangersOfOne, clock } = this.#options;
    const source = sourceOf(socket.remoteAddress);
    const name = nameOf(socket);
    if (name === undefined || !this.#rate.take(source, clock.now())) {
      socket.destroy();
      return false;
    }
    const ofOne = [...this.#strangers.values()].filter((one) => one.source === source);
    if (ofOne.length >= strangersOfOne) this.#cut(ofOne[0]);
    else if (this.#strangers.size >= strangers) this.#cut(this.#strangers.values().next().value);
    this.#strangers.set(name, { socket, name, source });
    socket.once("close", () => {
      if (this.#strangers.get(name)?.socket === socket) this.#strangers.delete(name);
    });
    return true;
  }

  /**
   * A connection has shown that it is wanted.
   * @param socket that came, or the TLS connection over it
   * @param who has it
   * @returns false if there is no place for it: it is still the caller's to end
   */
  keep(socket: Socket, who: string): boolean {
    const { kept, keptOfOne } = this.#options;
    if (this.#kept.has(socket)) return true;
    let ofOne = 0;
    for (const one of this.#kept.values()) if (one === who) ofOne++;
    if (this.#kept.size >= kept || ofOne >= keptOfOne) return false;
    this.#strangers.delete(nameOf(socket) ?? "");
    this.#kept.set(socket, who);
    socket.once("close", () => this.#kept.delete(socket));
    return true;
  }

  /** Something came of a connection: it is not counted among those that its source opens in vain. */
  wanted(socket: Socket): void {
    if (this.#wanted.has(socket)) return;
    this.#wanted.add(socket);
    this.#rate.giveBack(sourceOf(socket.remoteAddress));
  }

  /** Cuts off all that have not shown who they are. */
  cutStrangers(): void {
    for (const stranger of [...this.#strangers.values()]) this.#cut(stranger);
  }

  #cut(stranger: Stranger | undefined): void {
    if (stranger === undefined) return;
    this.#strangers.delete(stranger.name);
    stranger.socket.destroy();
  }
}

/** The same for a TCP connection and TLS over it; undefined for one that is gone. */
function nameOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;
}
