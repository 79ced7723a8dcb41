/**
 * Who is at one local socket, and who finds a place there. A client that has asked nothing makes way for
 * another, the oldest first; of those that have asked, some places are for requests that end by themselves,
 * and on the control socket some for those that act: who only looks never keeps out who may act.
 */
import type { Socket } from "node:net";

export interface ClientLimits {
  /** Clients that have asked nothing yet. */
  readonly silent: number;
  /** Clients whose request is being answered. */
  readonly asking: number;
  /** Of these, what only looks; the rest is for actions. */
  readonly looking: number;
  /** Of these, what goes on until the client has enough. */
  readonly following: number;
}

export type Asked = "look" | "act";

export class Clients {
  readonly #limits: ClientLimits;
  /** Oldest first. */
  readonly #silent = new Set<Socket>();
  readonly #asking = new Map<Socket, Asked>();
  readonly #following = new Set<Socket>();
  /** One too many, for as long as it takes to say so. */
  readonly #refused = new Set<Socket>();

  constructor(limits: ClientLimits) {
    this.#limits = limits;
  }

  enter(socket: Socket): void {
    const [oldest] = this.#silent;
    if (this.#silent.size >= this.#limits.silent && oldest !== undefined) {
      this.#silent.delete(oldest);
      oldest.destroy();
    }
    this.#silent.add(socket);
    socket.once("close", () => {
      this.#silent.delete(socket);
      this.#asking.delete(socket);
      this.#following.delete(socket);
      this.#refused.delete(socket);
    });
  }

  /** A client has asked something. @returns false if there is no place for it */
  ask(socket: Socket, what: Asked): boolean {
    this.#silent.delete(socket);
    const { asking, looking } = this.#limits;
    let looks = 0;
    for (const one of this.#asking.values()) if (one === "look") looks++;
    if (this.#asking.size >= asking || (what === "look" && looks >= looking)) return false;
    this.#asking.set(socket, what);
    return true;
  }

  /** What it asked for goes on. @returns false if there is no place for it */
  follow(socket: Socket): boolean {
    if (this.#following.size >= this.#limits.following) return false;
    this.#following.add(socket);
    return true;
  }

  /** @returns false if not even that can be said to it */
  refuse(socket: Socket): boolean {
    this.#silent.delete(socket);
    this.#asking.delete(socket);
    if (this.#refused.size >= this.#limits.asking) return false;
    this.#refused.add(socket);
    return true;
  }

  /** Bytes that clients have not taken yet. */
  get unread(): number {
    let bytes = 0;
    for (const { writableLength } of this.#asking.keys()) bytes += writableLength;
    return bytes;
  }

  close(): void {
    for (const socket of [...this.#silent, ...this.#asking.keys(), ...this.#refused]) {
      socket.destroy();
    }
  }
}
