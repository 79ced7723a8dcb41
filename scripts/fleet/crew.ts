/** The processes that share the nodes, seen from their parent. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Order, Tally } from "./worker.ts";

const program = fileURLToPath(new URL("worker.ts", import.meta.url));

export class Crew {
  readonly #children: readonly ChildProcess[];
  /** Rejects when one ends that was not told to. */
  readonly #gone: readonly Promise<never>[];

  constructor(processes: number) {
    this.#children = Array.from({ length: processes }, () =>
      fork(program, { execArgv: ["--expose-gc"] }),
    );
    this.#gone = this.#children.map(async (child) => {
      const [code] = await once(child, "exit");
      throw new Error(`a process of the fleet ended with ${code}`);
    });
    for (const gone of this.#gone) gone.catch(() => {});
  }

  /** Gives an order to all. @returns the sum of what they have done, once each has carried it out */
  async all(order: (index: number) => Order): Promise<Tally> {
    const tallies = await Promise.all(
      this.#children.map(async (child, i) => {
        const told = new Promise((resolve) => child.once("message", resolve));
        child.send(order(i));
        return (await Promise.race([told, this.#gone[i]])) as Tally;
      }),
    );
    const sum = (of: (one: Tally) => number) => tallies.reduce((total, one) => total + of(one), 0);
    return {
      attempts: sum(({ attempts }) => attempts),
      sent: sum(({ sent }) => sent),
      received: sum(({ received }) => received),
      raised: sum(({ raised }) => raised),
      rss: sum(({ rss }) => rss),
      cpu: sum(({ cpu }) => cpu),
    };
  }

  /** Ends them, whatever they do. */
  async close(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
      }),
    );
  }
}
