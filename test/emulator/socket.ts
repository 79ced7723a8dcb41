/** A module behind a TCP port or a Unix socket: listens, and speaks with one node at a time. */
import { mkdirSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { Fault } from "../../src/base/errors.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

export class EmulatedSocket implements Transport {
  readonly lowWater = 1_048_576;
  readonly #unixPath: string | undefined;
  readonly #handlers: TransportHandlers;
  #port: number;
  #server: Server | undefined;
  #client: Socket | undefined;

  /** @param where a Unix socket's path, or a TCP port on loopback (0: any that is free) */
  constructor(where: string | number, handlers: TransportHandlers) {
    this.#unixPath = typeof where === "string" ? where : undefined;
    this.#port = typeof where === "number" ? where : 0;
    this.#handlers = handlers;
  }

  /** As in a node's configuration; the port of a TCP socket is known once `ready` has resolved. */
  get path(): string {
    return this.#unixPath === undefined ? `tcp:127.0.0.1:${this.#port}` : `unix:${this.#unixPath}`;
  }

  get plugged(): boolean {
    return this.#server !== undefined;
  }

  get backlog(): number {
    return this.#client?.writableLength ?? 0;
  }

  /** Resolves once a node can connect. @throws Fault `link.open` */
  async ready(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.listening) return;
    await new Promise<void>((resolve, reject) => {
      server.once("listening", resolve);
      server.once("error", () => {
        reject(new Fault("link.open", "cannot listen", { source: this.path }));
      });
    });
  }

  plug(): void {
    if (this.#server !== undefined) return;
    const server = createServer({ noDelay: true }, (client) => this.#accept(client));
    this.#server = server;
    server.once("listening", () => {
      if (this.#unixPath === undefined) this.#port = (server.address() as AddressInfo).port;
    });
    server.on("error", () => this.unplug());
    if (this.#unixPath === undefined) {
      server.listen(this.#port, "127.0.0.1");
    } else {
      mkdirSync(dirname(this.#unixPath), { recursive: true });
      rmSync(this.#unixPath, { force: true });
      server.listen(this.#unixPath);
    }
  }

  unplug(): void {
    this.#server?.close();
    this.#server = undefined;
    this.#client?.destroy();
    this.#client = undefined;
    if (this.#unixPath !== undefined) rmSync(this.#unixPath, { force: true });
  }

  send(bytes: Buffer): void {
    this.#client?.write(bytes);
  }

  #accept(client: Socket): void {
    // The newest node wins: the one before may be half-open for ever.
    this.#client?.destroy();
    this.#client = client;
    client.on("data", (chunk: Buffer) => {
      if (client === this.#client) this.#handlers.bytes(chunk);
    });
    client.on("drain", () => this.#handlers.drained());
    client.on("error", () => client.destroy());
    client.on("close", () => {
      if (client === this.#client) this.#client = undefined;
    });
  }
}
