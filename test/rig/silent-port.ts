/** A port that takes no connection until it is told to: as a machine behind a dead way. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Its queue is full and nothing empties it: what else wants to connect is not answered. */
const program = `require("node:net").createServer((s) => s.on("error", () => {}))
  .listen({ port: Number(process.argv[1]), host: process.argv[2], backlog: 1 }, () => console.log("on"))`;

export class SilentPort {
  readonly #child: ChildProcess;
  readonly #queue: readonly Socket[];

  private constructor(child: ChildProcess, queue: readonly Socket[]) {
    this.#child = child;
    this.#queue = queue;
  }

  static async open(host: string, port: number): Promise<SilentPort> {
    const child = spawn(process.execPath, ["-e", program, String(port), host], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {},
    });
    if (child.stdout === null) throw new Error("no pipe");
    await once(child.stdout, "data");
    child.kill("SIGSTOP");
    const queue = Array.from({ length: 16 }, () => connect({ host, port }).on("error", () => {}));
    // As many as it has room for; the others are not answered.
    await once(queue[0] as Socket, "connect");
    await new Promise((resolve) => setImmediate(resolve));
    return new SilentPort(child, queue);
  }

  /** Takes connections from now on. */
  wake(): void {
    for (const socket of this.#queue) socket.destroy();
    this.#child.kill("SIGCONT");
  }

  close(): void {
    for (const socket of this.#queue) socket.destroy();
    this.#child.kill("SIGKILL");
  }
}
