/** Keeps the local page up. That it can't be served is a warning: the keys do not wait for it. */

import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { backoff } from "../../base/retry.ts";
import { readNamed } from "../../host/config/named-file.ts";
import { firstLine } from "../../host/config/password.ts";
import { type Reconnecting, reconnecting } from "../../host/life/reconnecting.ts";
import { identityProblem } from "../../host/tls/pem.ts";
import type { WebConfig } from "./config.ts";
import { type PageContent, type WebOptions, WebServer } from "./server.ts";

export interface PageParts {
  /** What it shows: made anew for each server. */
  readonly content: () => PageContent;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** A port that another process has is usually had for long. */
const waits = { firstMs: 1_000, maxMs: 60_000 } as const;

export class Page {
  readonly #config: WebConfig;
  readonly #kept: Reconnecting;
  #server: WebServer | undefined;

  constructor(config: WebConfig, { content, clock, random, log }: PageParts) {
    this.#config = config;
    this.#kept = reconnecting({
      name: "page",
      connect: async () => {
        const server = new WebServer(optionsOf(config), {
          content: content(),
          clock,
          log,
        });
        const url = await server.listen();
        log.info("page", { url });
        this.#server = server;
        return server;
      },
      onDown: () => {
        this.#server = undefined;
      },
      schedule: () => backoff({ ...waits, random }),
      settledAfterMs: 5_000,
      clock,
      log,
    });
  }

  /** Something happened that people should see now. */
  pushUpdate(): void {
    this.#server?.pushUpdate();
  }

  /** The certificate is another. @throws if it is no good */
  renew(): void {
    const { secure } = optionsOf(this.#config);
    if (secure !== undefined) this.#server?.renew(secure);
  }

  /** Never rejects. */
  stop(): Promise<void> {
    return this.#kept.stop();
  }
}

/** @throws Fault `web.listen` if a file cannot be read or used */
function optionsOf(config: WebConfig): WebOptions {
  const {
    host,
    port,
    names,
    cert,
    key,
    require_pq: requirePq = false,
    password_file: file,
    metrics_token_file: tokenFile,
  } = config;
  const common = { host, port, names: names.map((name) => name.toLowerCase()) };
  if (cert === undefined || key === undefined || file === undefined) {
    return { ...common, secure: undefined };
  }
  const password = () => firstLine(read(file));
  const identity = { cert: read(cert), key: read(key), requirePq };
  const wrong = identityProblem(Buffer.from(identity.cert), Buffer.from(identity.key));
  if (wrong !== undefined) {
    const what = wrong.where === "cert" ? "certificate file" : "private key";
    const source = wrong.where === "cert" ? cert : key;
    throw new Fault("web.listen", `page: ${what} ${wrong.what}`, { file: source });
  }
  const metricsToken = tokenFile === undefined ? undefined : () => firstLine(read(tokenFile));
  return { ...common, secure: { ...identity, password, metricsToken } };
}

function read(file: string): string {
  return readNamed(file, "web.listen", "file cannot be read").toString();
}
