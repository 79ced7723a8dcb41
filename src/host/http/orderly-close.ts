import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { type Clock, within } from "../../base/clock.ts";

/** How an HTTP server ends so that no client that was heard is left without its answer. */
export class OrderlyClose {
  readonly #server: Server | TlsServer;
  readonly #clock: Clock;
  readonly #open = new Set<ServerResponse>();
  #isClosing = false;

  /** @param server that has no connection yet */
  constructor(server: Server | TlsServer, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
    server.prependListener("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#open.add(response);
      if (this.#isClosing) isLast(response);
      response.once("close", () => {
        this.#open.delete(response);
        if (this.#isClosing && !this.#isAsked(socket)) socket.destroySoon();
      });
    });
  }

  /**
   * Takes no connection any more, closes those where nothing was asked, and each other one after its answer.
   * @param withinMs what has no answer by then gets none
   * @returns how many questions those were
   */
  async close(withinMs: number): Promise<number> {
    this.#isClosing = true;
    for (const response of this.#open) isLast(response);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    if (this.#open.size > 0) {
      await within(this.#clock, withinMs, closed, () => new Error("late")).catch(() => {});
    }
    const unanswered = this.#open.size;
    this.#server.closeAllConnections();
    await closed;
    return unanswered;
  }

  #isAsked(socket: Socket): boolean {
    for (const { req } of this.#open) if (req.socket === socket) return true;
    return false;
  }
}

/** The client is told with its answer that no other follows. */
function isLast(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}
