/**
 * HTTP requests of one connection, one at a time: until a response has left, nothing of the next can be
 * written, and to prepare it would only fill memory.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Whether the client of this response went away, will not hear it, or has had another answer. */
export function isGone({ destroyed, socket, writableEnded }: ServerResponse): boolean {
  return destroyed || writableEnded || socket === null || socket.destroyed || !socket.writable;
}

export class Turns {
  readonly #waiting = new WeakMap<Socket, (() => void)[]>();
  readonly #most: number;

  /** @param most requests of one connection that wait for the one before; a client that sends more is cut off */
  constructor(most = 16) {
    this.#most = most;
  }

  /**
   * Resolves once all responses before this one have left their connection.
   * @returns false if the client is gone
   */
  async take(socket: Socket, response: ServerResponse): Promise<boolean> {
    const before = this.#waiting.get(socket);
    if (before === undefined) this.#waiting.set(socket, []);
    else if (before.length >= this.#most) socket.destroy();
    else await new Promise<void>((resolve) => before.push(resolve));
    const next = () => {
      const waiting = this.#waiting.get(socket);
      if (waiting?.length === 0) this.#waiting.delete(socket);
      else waiting?.shift()?.();
    };
    // A response that never had the connection does not tell that it is closed.
    if (isGone(response)) {
      next();
      return false;
    }
    response.once("close", next);
    return true;
  }
}
