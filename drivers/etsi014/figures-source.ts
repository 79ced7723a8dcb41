/** Reads the page of figures now and then: a Prometheus exporter, or JSON over HTTPS. */
import { request } from "node:https";
import { type Clock, every, type Timer } from "../../src/base/clock.ts";
import { describe } from "../../src/base/errors.ts";
import { type CredentialFiles, readCredentials } from "../../src/host/tls/credentials.ts";
import { clientTls } from "../../src/host/tls/options.ts";
import { connectionReason } from "../../src/host/tls/reason.ts";
import type { FigureName } from "../../src/port/telemetry.ts";
import { type Places, readFigures } from "./figures.ts";

export interface FiguresOptions {
  readonly url: string;
  readonly serverName: string;
  readonly files: CredentialFiles;
  readonly format: "prometheus" | "json";
  readonly every: number;
  readonly places: Places;
  readonly clock: Clock;
  /** Told of each attempt: with what is wrong, or with nothing. */
  readonly trouble: (what: string | undefined) => void;
}

const longestPage = 1_048_576;
/** A figure older than so many readings is not told any more. */
const readings = 3;

export class FiguresSource {
  readonly #options: FiguresOptions;
  readonly #timer: Timer;
  #values: Partial<Record<FigureName, number>> = {};
  #at = Number.NEGATIVE_INFINITY;
  #asking: ReturnType<typeof request> | undefined;

  constructor(options: FiguresOptions) {
    this.#options = options;
    this.#timer = every(options.clock, options.every, () => this.read());
  }

  /** What is known now; empty where it is too old. */
  get values(): Readonly<Partial<Record<FigureName, number>>> {
    const { clock, every: ms } = this.#options;
    return clock.now() - this.#at <= readings * ms ? this.#values : {};
  }

  close(): void {
    this.#timer.cancel();
    this.#asking?.destroy();
  }

  /** Asks for the page, unless that is being done. */
  read(): void {
    if (this.#asking !== undefined) return;
    const { url, serverName, files, clock, every: ms, trouble } = this.#options;
    let failed: string | undefined = "the connection was closed";
    try {
      const tls = clientTls(readCredentials(files, "link.open"), serverName, () => clock.wall());
      const asked = request(new URL(url), { ...tls, agent: false, timeout: Math.min(ms, 10_000) });
      this.#asking = asked;
      asked.once("timeout", () => asked.destroy(new Error("no answer in time")));
      asked.once("error", (error) => {
        failed = connectionReason(error, "page of figures");
      });
      asked.once("response", (response) => {
        let page = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          page += text;
          if (page.length > longestPage) response.destroy();
        });
        response.once("error", () => {});
        response.once("end", () => {
          failed =
            response.statusCode === 200 ? this.#take(page) : `it answers ${response.statusCode}`;
        });
      });
      asked.once("close", () => {
        this.#asking = undefined;
        trouble(failed);
      });
      asked.end();
    } catch (error) {
      trouble(describe(error));
    }
  }

  /** @returns what is wrong with it */
  #take(page: string): string | undefined {
    const { format, places, clock } = this.#options;
    try {
      const { values, wrong } = readFigures(page, format, places);
      this.#values = values;
      this.#at = clock.now();
      return wrong.length === 0 ? undefined : `out of range: ${wrong.join(", ")}`;
    } catch (error) {
      return describe(error);
    }
  }
}
