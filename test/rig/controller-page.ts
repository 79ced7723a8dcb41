/** The page of a controller, served as the program serves it, over a status that the test sets. */
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { ControllerStatus } from "../../src/controller/model/status.ts";
import { pageContent } from "../../src/controller/page/content.ts";
import { processFamilies } from "../../src/ops/page/process.ts";
import { WebServer } from "../../src/ops/page/server.ts";
import { at } from "./controller-parts.ts";

/** An hour after the networks' beginning, and on from there. */
function laterClock(): Clock {
  const offset = Date.parse(at(3_600)) - systemClock.wall();
  return { ...systemClock, wall: () => systemClock.wall() + offset };
}

export class ControllerPageRig implements AsyncDisposable {
  readonly url: string;
  readonly #server: WebServer;
  readonly #told: { status: ControllerStatus };

  private constructor(url: string, server: WebServer, told: { status: ControllerStatus }) {
    this.url = url;
    this.#server = server;
    this.#told = told;
  }

  static async start(status: ControllerStatus): Promise<ControllerPageRig> {
    const told = { status };
    const clock = laterClock();
    const view = { status: () => told.status, families: processFamilies, idleMs: () => 0 };
    const server = new WebServer(
      { host: "127.0.0.1", port: 0, names: [], secure: undefined },
      { content: pageContent(view, clock), clock, log: silentLog },
    );
    return new ControllerPageRig(await server.listen(), server, told);
  }

  get status(): ControllerStatus {
    return this.#told.status;
  }

  /** What the controller says from now on; browsers hear it at once. */
  set status(next: ControllerStatus) {
    this.#told.status = next;
    this.#server.pushUpdate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }
}
