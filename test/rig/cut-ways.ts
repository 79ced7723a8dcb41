/** TCP connections that a test cuts: at once, or so that neither end hears of it, as a line that is dug up. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What passes from one program to the port of another. */
class CutWay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isOpen = true;

  constructor(to: number) {
    this.#server = createServer((near) => {
      if (!this.#isOpen) return void near.destroy();
      const far = connect({ host: "127.0.0.1", port: to });
      for (const [from, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on("error", () => {});
        from.once("close", () => {
          this.#sockets.delete(from);
          other.destroy();
        });
        from.pipe(other);
      }
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /** @param silently what is on its way stays where it is, and both ends wait for it */
  cut(silently: boolean): void {
    this.#isOpen = false;
    for (const socket of this.#sockets) {
      if (!silently) socket.destroy();
      else socket.unpipe().pause();
    }
  }

  /** What was cut in silence ends now: both ends dial anew. */
  heal(): void {
    this.#isOpen = true;
    for (const socket of this.#sockets) if (socket.isPaused()) socket.destroy();
  }

  close(): void {
    this.cut(false);
    this.#server.close();
  }
}

export class CutWays {
  readonly #ways: CutWay[] = [];

  /** @returns where what goes to a port is to connect to */
  async to(port: number): Promise<number> {
    const way = new CutWay(port);
    this.#ways.push(way);
    return way.listen();
  }

  /** Cuts one of them. @param draw 0 to 1 @returns what heals it */
  cut(draw: number, silently: boolean): () => void {
    const way = this.#ways[Math.floor(draw * this.#ways.length)];
    way?.cut(silently);
    return () => way?.heal();
  }

  close(): void {
    for (const way of this.#ways) way.close();
  }
}
